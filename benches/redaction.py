"""How fast redaction is, by processor time, beside other tools in the same run.

Started by benches/redaction.sh.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "results"
SEED = 1
HOSTILE = ["keywords", "begun", "escapes", "base64", "digits", "signs", "words"]
TITLES = {
    "plain": "events, nothing in them",
    "some": "events, a secret in one of a hundred",
    "dense": "events, a secret in each",
    "lines": "lines of programs with secrets (CredData)",
}


def without_network(command):
    return ["unshare", "--map-root-user", "--net", *command]


def corpora(arguments, folder):
    lines = 2_000 if arguments.quick else 60_000
    made = {}
    for kind in ("plain", "some", "dense"):
        made[kind] = generate(arguments, folder, kind, lines)
    for kind in HOSTILE:
        # The second is four times the first: what is linear takes four times as long.
        for name, count in ((f"hostile-{kind}", 500), (f"hostile-{kind}-4x", 2_000)):
            made[name] = generate(arguments, folder, f"hostile-{kind}", 50 if arguments.quick else count, name)
    if arguments.secrets:
        made["lines"] = folder / "lines"
        texts = [json.loads(line)["text"].replace("\n", " ") for line in arguments.secrets.read_text().splitlines()]
        made["lines"].write_text("\n".join(texts * (1 if arguments.quick else 60)) + "\n")
    return made


def generate(arguments, folder, kind, lines, name=None):
    path = folder / (name or kind)
    with path.open("wb") as out:
        subprocess.run([arguments.examples / "redaction_corpus", kind, str(lines), str(SEED)], stdout=out, check=True)
    return path


def ours(arguments, way, path, rounds):
    command = ["taskset", "--cpu-list", "0", arguments.examples / "redaction_speed", way, path, str(rounds)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def kingfisher(arguments, path, rounds):
    """Processor time of the whole program less that of a scan of nothing."""
    def once(target):
        options = ["--no-validate", "--no-update-check", "--jobs", "1", "--format", "jsonl", "--output", os.devnull]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program = arguments.made / "kingfisher" / "bin" / "kingfisher"
        done = subprocess.run(without_network([program, "scan", target, *options]), capture_output=True, text=True)
        if done.returncode not in (0, 200, 205):
            raise SystemExit(f"kingfisher: status {done.returncode}\n{done.stderr[-2000:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    with tempfile.TemporaryDirectory() as empty:
        pathlib.Path(empty, "nothing.txt").write_text("nothing\n")
        start = statistics.median(once(empty) for _ in range(rounds))
    spent = statistics.median(once(path) for _ in range(rounds))
    return {
        "mb_per_cpu_second": path.stat().st_size / 1e6 / max(spent - start, 1e-3),
        "start_seconds": start, "whole_seconds": spent,
    }


def python_peer(arguments, name, path, bytes_max):
    """A part of the corpus, by event: the whole would take hours."""
    texts, size = [], 0
    for line in path.read_text().splitlines():
        texts.append(line)
        size += len(line.encode()) + 1
        if size > bytes_max:
            break
    command = [arguments.made / name / "bin" / "python", HERE / "redaction_peers.py", name]
    asked = "".join(json.dumps([text, "txt"]) + "\n" for text in texts)
    done = subprocess.run(without_network(command), input=asked, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: status {done.returncode}\n{done.stderr[-2000:]}")
    return {"mb_per_cpu_second": size / 1e6 / float(done.stdout.splitlines()[-1]), "bytes": size}


def measure(arguments, folder):
    rounds = 1 if arguments.quick else 5
    paths = corpora(arguments, folder)
    rows = {}
    for name, path in paths.items():
        rows[name] = {"surgewall": ours(arguments, "lines", path, rounds)}
        if name in TITLES:
            rows[name]["kingfisher"] = kingfisher(arguments, path, rounds)
            rows[name]["detect-secrets"] = python_peer(arguments, "detect-secrets", path, 20_000 if arguments.quick else 300_000)
            rows[name]["presidio (patterns)"] = python_peer(arguments, "presidio", path, 5_000 if arguments.quick else 50_000)
        print(name, {tool: round(row["mb_per_cpu_second"], 2) for tool, row in rows[name].items()}, flush=True)
    rows["classes"] = {"surgewall": ours(arguments, "classes", paths["plain"], rounds)}
    stream = folder / "stream"
    stream.write_text("".join(paths["some"].read_text().splitlines(keepends=True)[:5_000]))
    command = ["taskset", "--cpu-list", "0", arguments.examples / "redaction_speed", "stream", stream, "1"]
    streams = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return rows, streams


def page(out):
    rows, streams = out["rows"], out["streams"]
    rate = lambda row: f"{row['mb_per_cpu_second']:.{1 if row['mb_per_cpu_second'] >= 1 else 2}f}" if row else "-"
    tools = ["surgewall", "kingfisher", "detect-secrets", "presidio (patterns)"]
    lines = [
        "# How fast redaction is", "",
        "Written by `benches/redaction.sh`; every number is in the JSON beside it. Megabytes for each second of one core's processor time; Surgewall's are medians of five rounds.",
        f"Load average before {out['load_before'][0]:.1f}, after {out['load_after'][0]:.1f}, on {out['cores']} cores: on a busy machine a second of processor time does less.", "",
        "| text | " + " | ".join(tools) + " |", "|---|" + "---|" * len(tools),
    ]
    for name, title in TITLES.items():
        if name in rows:
            lines.append(f"| {title} | " + " | ".join(rate(rows[name].get(tool)) for tool in tools) + " |")
    lines += [
        "", f"Only telling which classes are in an event: {rate(rows['classes']['surgewall'])} MB/s (nothing in them).", "",
        "Surgewall redacts (finds, replaces, makes tokens) event by event, with secrets and personal data and through encodings. Kingfisher only finds, secrets only, in one large file; its start is taken off. detect-secrets and Presidio find in a part of the same events, one after another.", "",
        "## Hostile text", "", "| what repeats | MB/s | the same, four times as long | MB/s, times |", "|---|---|---|---|",
    ]
    for kind in HOSTILE:
        one, four = (rows[name]["surgewall"]["mb_per_cpu_second"] for name in (f"hostile-{kind}", f"hostile-{kind}-4x"))
        lines.append(f"| {kind} | {one:.1f} | {four:.1f} | {four / one:.2f} |")
    cost, held = streams["cost_us"], streams["held_bytes"]
    lines += [
        "", "Time is linear where the last column is 1.", "", "## Streams", "",
        f"{streams['pieces']} pieces of four characters: processor time of a piece {cost['p50']:.1f} µs (median), {cost['p99']:.1f} µs (99th percentile), {cost['max']:.0f} µs (longest). "
        f"Held back after a piece: {held['p50']} bytes (median), {held['p99']} (99th percentile), {held['max']} (most).",
    ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    for name in ("--made", "--examples", "--secrets"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        rows, streams = measure(arguments, pathlib.Path(folder))
    out = {"load_before": before, "load_after": os.getloadavg(), "cores": os.cpu_count(), "rows": rows, "streams": streams}
    print(page(out))
    if not arguments.quick:
        RESULTS.joinpath("redaction.json").write_text(json.dumps(out, indent=1) + "\n")
        RESULTS.joinpath("redaction.md").write_text(page(out))


if __name__ == "__main__":
    main()
