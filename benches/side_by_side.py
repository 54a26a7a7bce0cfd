#!/usr/bin/env python3
"""Surgewall beside real peers, before the same model-server double, in one run.

The gateway under test has one core, the double and the load have another; all
other gateways are stopped (SIGSTOP) meanwhile. Each cell (streamed or whole,
1 KB or 64 KB) of each round begins with a direct control, and what a gateway
adds is the difference to that control. Started by benches/run.sh. Writes
benches/results/side_by_side.json and .md; every number of the tables is in the
JSON under `summary`, and what it was made of under `runs`.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import time

import gateways
from gateways import PEERS, PeersSetup, Program, cpu_between
from tables import long_tables, write_readme

ROOT = pathlib.Path(__file__).resolve().parent.parent
CELLS = [("stream", 1 << 10), ("stream", 64 << 10), ("whole", 1 << 10), ("whole", 64 << 10)]
DIRECT = "direct"
# Peers that need not be in a run.
OPTIONAL = ("portkey", "envoy")


class Setup(PeersSetup):
    def __init__(self, options):
        super().__init__(options, "bench")

    def load(self, *words, **more):
        folder = self.folder / "load"
        folder.mkdir(exist_ok=True)
        return Program([self.programs / "bench-load", *words], self.load_core, folder, **more)


def load_average():
    return round(os.getloadavg()[0], 2)


def words_of(url, gateway, size):
    words = ["--url", url, "--body-bytes", size]
    if gateway and gateway.key:
        words += ["--key", gateway.key]
    for name, value in gateway.headers().items() if gateway else ():
        words += ["--header", f"{name}:{value}"]
    return words


def measure(setup, target, gateway, cell, pace):
    """One run: what `bench-load` says, with the gateway's processor time."""
    mode, size = cell
    # Tokens of a stream come one by one, so that each is a chunk of its own.
    answer = f"tokens=20 rate={gateways.TOKENS_PER_S}" if mode == "stream" else "tokens=20"
    words = [mode, *words_of(target, gateway, size), "--words", answer, "--samples"]
    words += ["--rate", pace["rate"], "--seconds", pace["seconds"], "--connections", pace["connections"]]
    before = gateway.program.cpu_us() if gateway else {}
    load = setup.load(*words)
    said = json.loads(load.line(pace["seconds"] + 180))
    load.process.wait()
    load.stop()
    said["load_average"] = load_average()
    if gateway:
        used = cpu_between(before, gateway.program.cpu_us())
        said["cpu_us_per_request"] = round(used / max(said["sent"], 1), 1)
    return said


def rounds(setup, running, double_port, options, runs):
    """All rounds of both paces; appends to `runs`."""
    direct = f"http://127.0.0.1:{double_port}/v1/chat/completions"
    for number in range(options.rounds):
        for pace_name, pace in options.paces.items():
            for cell in CELLS:
                turn = [gateway for gateway in running if pace_name == "modest" or gateway.fast]
                for gateway in [None, *turn]:
                    if gateway:
                        gateway.resume()
                    url = gateway.url if gateway else direct
                    said = measure(setup, url, gateway, cell, pace)
                    if gateway:
                        gateway.pause()
                    name = gateway.name if gateway else DIRECT
                    runs.append({
                        "round": number, "pace": pace_name, "mode": cell[0], "body_bytes": cell[1],
                        "gateway": name, **said,
                    })
                    print(
                        f"round {number + 1}/{options.rounds} {pace_name} {cell[0]} {cell[1] >> 10} KB {name}:"
                        f" p50 {said['first_us']['p50']} p99 {said['first_us']['p99']} us,"
                        f" cpu {said.get('cpu_us_per_request', 0)} us, failed {said['failed']} {said['errors'] or ''}",
                        flush=True,
                    )


def percentile(samples, hundredths):
    """The nearest rank, as bench-load has it."""
    ordered = sorted(samples)
    return ordered[max(-(-len(ordered) * hundredths // 100), 1) - 1] if ordered else 0


def pooled(runs, field, hundredths):
    return percentile([one for run in runs for one in run["samples"][field]], hundredths)


def summarise(runs):
    """For each pace, cell and gateway: what it adds to the direct control of the same round."""
    summary = []
    cells = dict.fromkeys((run["pace"], run["mode"], run["body_bytes"]) for run in runs)
    for pace, mode, size in cells:
        of_cell = [r for r in runs if (r["pace"], r["mode"], r["body_bytes"]) == (pace, mode, size)]
        control = {run["round"]: run for run in of_cell if run["gateway"] == DIRECT}
        for name in dict.fromkeys(run["gateway"] for run in of_cell):
            ours = [run for run in of_cell if run["gateway"] == name and (run["measured"] or run["failed"])]
            row = {"pace": pace, "mode": mode, "body_bytes": size, "gateway": name}
            row["requests"] = sum(run["measured"] for run in ours)
            row["failed"] = sum(run["failed"] for run in ours)
            if not row["requests"]:
                # A peer that cannot do this cell has no times.
                summary.append(row)
                continue
            first = [run["first_us"]["p50"] for run in ours]
            row["first_p50_us"] = round(statistics.median(first))
            row["first_p99_us"] = pooled(ours, "first_us", 99)
            if name == DIRECT:
                row["gap_p50_us"] = pooled(ours, "gap_us", 50)
                row["gap_p99_us"] = pooled(ours, "gap_us", 99)
                summary.append(row)
                continue
            added = [run["first_us"]["p50"] - control[run["round"]]["first_us"]["p50"] for run in ours]
            row["added_p50_us"] = round(statistics.median(added))
            row["added_p50_us_rounds"] = added
            direct = list(control.values())
            row["added_p99_us"] = row["first_p99_us"] - pooled(direct, "first_us", 99)
            row["cpu_us_per_request"] = round(statistics.median(r["cpu_us_per_request"] for r in ours), 1)
            if mode == "stream":
                for hundredths in (50, 99):
                    gap = pooled(ours, "gap_us", hundredths) - pooled(direct, "gap_us", hundredths)
                    row[f"added_gap_p{hundredths}_us"] = gap
                row["coalesced"] = sum(run["coalesced"] for run in ours)
            summary.append(row)
    return summary


def add_ratios(summary):
    """Processor time beside nginx's and LiteLLM's, of the same pace and cell."""
    def key(row):
        return row["pace"], row["mode"], row["body_bytes"]

    for peer in ("nginx", "litellm"):
        base = {key(row): row.get("cpu_us_per_request") for row in summary if row["gateway"] == peer}
        for row in summary:
            if base.get(key(row)) and row.get("cpu_us_per_request"):
                row[f"cpu_ratio_to_{peer}"] = round(row["cpu_us_per_request"] / base[key(row)], 3)


def idle_memory(setup, kind, streams):
    """Resident memory of a gateway for each stream that is open and silent."""
    double, port = setup.double()
    gateway = kind(setup, port, setup.folder / f"idle-{kind.name}")
    try:
        words = words_of(gateway.url, gateway, 1 << 10)
        # First some that end, so that what every start costs is not counted.
        warm = setup.load("stream", *words, "--count", 200)
        warm.line()
        warm.stop()
        before = gateway.program.rss_kib()
        hold = ["idle", *words, "--streams", streams, "--words", "stall after=1 tokens=5"]
        load = setup.load(*hold, stdin=subprocess.PIPE)
        opened = json.loads(load.line(600))
        time.sleep(3)
        after = gateway.program.rss_kib()
        load.process.stdin.write("\n")
        load.process.stdin.flush()
        ended = json.loads(load.line())["ended"]
        load.process.stdin.close()
        load.process.wait()
        load.stop()
    finally:
        gateway.stop()
        double.stop()
    each = round((after - before) / max(opened["open"], 1), 1)
    result = {"gateway": kind.name, "streams": opened["open"], "errors": opened["errors"], "ended": ended}
    result |= {"rss_before_kib": before, "rss_after_kib": after, "kib_per_stream": each}
    print(f"idle streams {kind.name}: {result}", flush=True)
    return result


def machine():
    model = [line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "processor": model[0].partition(":")[2].strip() if model else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
    }


def commit():
    said = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=ROOT)
    return said.stdout.strip() or "unknown"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--made", required=True, help="where run.sh put the peers")
    parser.add_argument("--programs", required=True, help="where the programs are")
    parser.add_argument("--quick", action="store_true", help="two short rounds: shows that it works, measures nothing")
    parser.add_argument("--write-readme", action="store_true", help="puts the short table into README.md")
    parser.add_argument("--with", dest="more", default="", help=f"more peers: {','.join(OPTIONAL)}")
    parser.add_argument("--only", help="only these gateways, by name")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--modest-rate", type=float, default=10, help="requests per second that every peer can do")
    parser.add_argument("--high-rate", type=float, default=300, help="for those that can do more")
    parser.add_argument("--modest-seconds", type=int, default=6)
    parser.add_argument("--high-seconds", type=int, default=4)
    parser.add_argument("--streams", type=int, default=8_000)
    parser.add_argument("--no-idle", action="store_true", help="leaves the idle streams out")
    parser.add_argument("--cores", default="0,1", help="of the gateway, and of the double and the load")
    parser.add_argument("--out", default=str(ROOT / "benches/results"))
    options = parser.parse_args()
    if options.quick and options.write_readme:
        parser.error("a quick run measures nothing that the README may say")
    options.cores = [int(core) for core in options.cores.split(",")]
    if options.quick:
        options.rounds, options.modest_seconds, options.high_seconds = 2, 2, 2
        options.streams = min(options.streams, 500)
    options.paces = {
        "modest": {"rate": options.modest_rate, "seconds": options.modest_seconds, "connections": 8},
        "high": {"rate": options.high_rate, "seconds": options.high_seconds, "connections": 64},
    }
    wanted = options.only.split(",") if options.only else [n for n in PEERS if n not in OPTIONAL]
    options.peers = [*wanted, *[name for name in options.more.split(",") if name]]
    return options


def main():
    options = parse()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the gateway, one for the double and the load")
    setup = Setup(options)
    os.sched_setaffinity(0, {setup.load_core})
    result = {
        "quick": options.quick,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        "load_average_before": load_average(),
        "settings": {"rounds": options.rounds, "paces": options.paces, "tokens_per_answer": 20,
                     "stream_tokens_per_s": gateways.TOKENS_PER_S},
    }
    runs, running, idle = [], [], []
    double, port = setup.double()
    try:
        for name in options.peers:
            print(f"starting {name}", flush=True)
            gateway = PEERS[name](setup, port, setup.folder / name)
            running.append(gateway)
            gateway.pause()
        result["versions"] = {gateway.name: gateway.version for gateway in running}
        result["labels"] = {gateway.name: gateway.label for gateway in running}
        rounds(setup, running, port, options, runs)
        for gateway in running:
            gateway.stop()
        running = []
        for name in () if options.no_idle else ("nginx", "surgewall"):
            if name in options.peers:
                idle.append(idle_memory(setup, PEERS[name], options.streams))
    finally:
        for gateway in running:
            gateway.stop()
        double.stop()
    result["load_average_after"] = load_average()
    result["summary"] = summarise(runs)
    add_ratios(result["summary"])
    result["idle_streams"] = idle
    result["runs"] = [{k: v for k, v in run.items() if k != "samples"} for run in runs]
    shutil.rmtree(setup.folder, ignore_errors=True)
    write(options, result)


def write(options, result):
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    # One run a line: a diff of two results can be read.
    runs = ",\n".join(json.dumps(run) for run in result.pop("runs"))
    head = json.dumps(result, indent=1)
    (out / "side_by_side.json").write_text(f'{head[:-2]},\n "runs": [\n{runs}\n ]\n}}\n')
    text = long_tables(result)
    (out / "side_by_side.md").write_text(text)
    print(text)
    if options.write_readme:
        write_readme(ROOT / "README.md", result)


if __name__ == "__main__":
    main()
