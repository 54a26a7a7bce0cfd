"""Precision, recall and F1 of detection on labelled data, beside other tools.

Started by benches/detection_quality.sh. Rows are split by a hash of their text
without values and numbers (personal data: of their template), so that what is
alike is in one half. The rules were tried on the first half; the second is what
is reported.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE / "results"
RESAMPLES = 1_000
# What rules can tell, in the data set's words, in ours and in Presidio's.
PERSONAL = {
    "CREDIT_CARD": "card",
    "EMAIL_ADDRESS": "email",
    "US_SSN": "national_id",
    "IP_ADDRESS": "network",
    "PHONE_NUMBER": "phone",
    "IBAN_CODE": "iban",
}


def without_network(command):
    return ["unshare", "--map-root-user", "--net", *command]


def ours(examples, texts):
    done = subprocess.run([examples / "redaction_places"], input=as_lines(texts), capture_output=True, text=True, check=True)
    found = []
    for text, line in zip(texts, done.stdout.splitlines()):
        bytes_of = text.encode()
        at = lambda place: len(bytes_of[:place].decode(errors="ignore"))
        found.append([[at(start), at(end), kind] for start, end, _, kind in json.loads(line)])
    return found


def peer(made, name, texts, endings):
    command = [made / name / "bin" / "python", HERE / "redaction_peers.py", name]
    asked = as_lines([text, ending] for text, ending in zip(texts, endings))
    done = subprocess.run(without_network(command), input=asked, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{name}: status {done.returncode}\n{done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()[:-1]]


def kingfisher(made, texts, endings):
    found = [[] for _ in texts]
    with tempfile.TemporaryDirectory() as folder:
        for at, (text, ending) in enumerate(zip(texts, endings)):
            pathlib.Path(folder, f"{at}.{ending}").write_text(text)
        options = ["--no-validate", "--no-update-check", "--format", "jsonl", "--no-dedup"]
        command = [made / "kingfisher" / "bin" / "kingfisher", "scan", folder, *options]
        done = subprocess.run(without_network(command), capture_output=True, text=True)
        if done.returncode not in (0, 200, 205):
            raise SystemExit(f"kingfisher: status {done.returncode}\n{done.stderr[-2000:]}")
        for line in done.stdout.splitlines():
            if not line.startswith("{"):
                continue
            one = json.loads(line).get("finding", {})
            if not one.get("path"):
                continue
            at = int(pathlib.Path(one["path"]).stem)
            place = texts[at].find(one.get("snippet", ""))
            start, end = (place, place + len(one["snippet"])) if place >= 0 else (0, len(texts[at]))
            found[at].append([start, end, "secret"])
    return found


def as_lines(texts):
    return "".join(json.dumps(text) + "\n" for text in texts)


def half(text):
    return hashlib.sha256(text.encode()).digest()[0] & 1


def secret_rows(path):
    for line in path.read_text().splitlines():
        row = json.loads(line)
        text = row["text"]
        plain = re.sub(r"[A-Za-z0-9+/_=.-]{12,}", "V", re.sub(r"\d+", "0", text))
        start = int(row["start"] or 0)
        end = int(row["end"] or len(text))
        yield text, row["truth"], row["category"], start, end, half(plain), row["file_kind"].lstrip(".")


def wilson(hits, total):
    """The interval of Wilson (1927) for a share, at 95 %."""
    if not total:
        return [0.0, 1.0]
    z, share = 1.96, hits / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    wide = z / (1 + z * z / total) * ((share * (1 - share) + z * z / (4 * total)) / total) ** 0.5
    return [max(0.0, middle - wide), min(1.0, middle + wide)]


def f1(right, wrong, missed):
    return 2 * right / (2 * right + wrong + missed) if right else 0.0


def score(outcomes):
    """Of pairs (is one, was found)."""
    count = lambda is_one, was: sum(1 for pair in outcomes if pair == (is_one, was))
    right, wrong, missed = count(True, True), count(False, True), count(True, False)
    dice = random.Random(1)
    again = sorted(
        f1(*(sum(1 for pair in sample if pair == kind) for kind in ((True, True), (False, True), (True, False))))
        for sample in (dice.choices(outcomes, k=len(outcomes)) for _ in range(RESAMPLES))
    ) if outcomes else [0.0, 1.0]
    return {
        "ones": right + missed, "others": len(outcomes) - right - missed,
        "right": right, "wrong": wrong, "missed": missed,
        "precision": right / (right + wrong) if right + wrong else None,
        "precision_95": wilson(right, right + wrong),
        "recall": right / (right + missed) if right + missed else None,
        "recall_95": wilson(right, right + missed),
        "f1": f1(right, wrong, missed),
        "f1_95": [again[int(0.025 * len(again))], again[int(0.975 * len(again)) - 1]],
    }


def secrets(arguments):
    rows = list(secret_rows(arguments.secrets))
    texts = [row[0] for row in rows]
    tools = {
        "surgewall": [[one for one in found if one[2] == "secret"] for found in ours(arguments.examples, texts)],
        "detect-secrets": peer(arguments.made, "detect-secrets", texts, [row[6] for row in rows]),
        "kingfisher": kingfisher(arguments.made, texts, [row[6] for row in rows]),
    }
    out = {}
    for part, name in enumerate(("looked at", "reported")):
        by_tool = {}
        for tool, places in tools.items():
            by_category = collections.defaultdict(list)
            for (_, truth, category, start, end, which, _), found in zip(rows, places):
                if which != part or truth is None:
                    continue
                pair = (truth, any(one[0] < end and one[1] > start for one in found))
                by_category["all"].append(pair)
                by_category["all without UUID"] += [] if category == "UUID" else [pair]
                by_category[category].append(pair)
            by_tool[tool] = {category: score(pairs) for category, pairs in sorted(by_category.items())}
        out[name] = by_tool
    return out


def personal(arguments):
    rows = json.loads(arguments.personal.read_text())
    texts = [row["full_text"] for row in rows]
    presidio = [[[*one[:2], PERSONAL[one[2]]] for one in found if one[2] in PERSONAL] for found in peer(arguments.made, "presidio", texts, ["txt"] * len(texts))]
    tools = {"surgewall": ours(arguments.examples, texts), "presidio (patterns)": presidio}
    out = {}
    for part, name in enumerate(("looked at", "reported")):
        by_tool = {}
        for tool, places in tools.items():
            by_kind = collections.defaultdict(list)
            for row, found in zip(rows, places):
                if half(str(row["template_id"])) != part:
                    continue
                spans = [(one["start_position"], one["end_position"], PERSONAL[one["entity_type"]]) for one in row["spans"] if one["entity_type"] in PERSONAL]
                overlaps = lambda one, other: one[0] < other[1] and one[1] > other[0] and one[2] == other[2]
                for span in spans:
                    by_kind[span[2]].append((True, any(overlaps(one, span) for one in found)))
                for one in found:
                    if not any(overlaps(one, span) for span in spans):
                        by_kind[one[2]].append((False, True))
            pairs = [pair for kind in by_kind.values() for pair in kind]
            by_tool[tool] = {"all": score(pairs)} | {kind: score(pairs) for kind, pairs in sorted(by_kind.items())}
        out[name] = by_tool
    return out


def table(title, results):
    lines = [f"## {title}", "", "| what | tool | ones | others | precision (95 %) | recall (95 %) | F1 (95 %) |", "|---|---|---|---|---|---|---|"]
    kinds = list(dict.fromkeys(kind for tool in results.values() for kind in tool))
    share = lambda value, interval: "-" if value is None else f"{value:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"
    for kind in kinds:
        for tool, scores in results.items():
            one = scores.get(kind)
            if one:
                lines.append(f"| {kind} | {tool} | {one['ones']} | {one['others']} | {share(one['precision'], one['precision_95'])} | {share(one['recall'], one['recall_95'])} | {share(one['f1'], one['f1_95'])} |")
    return [*lines, ""]


def main():
    parser = argparse.ArgumentParser()
    for name in ("--made", "--examples", "--secrets", "--personal"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    out = {"load": os.getloadavg()}
    lines = [
        "# How good detection is", "",
        "Written by `benches/detection_quality.sh`; every number is in the JSON beside it. The half of the data that the rules were not tried on.",
        "A hit is a place that overlaps the labelled value. Each tool runs as it comes, at its own operating point; intervals are Wilson's for shares and bootstrapped for F1.",
        "The obfuscated values of CredData no longer have tokens' sums, and the data is a few projects' code: the figures say how tools compare on it, and not what share of all secrets they find.",
        "Published for gitleaks, on other cuts of such data and not measured here: precision 0.53 and recall 0.24 (CredData's own table, April 2022); precision 0.46 and recall 0.88 (Basak et al., SecretBench, arXiv 2307.00714).", "",
    ]
    if arguments.secrets:
        out["secrets"] = secrets(arguments)
        lines += table("Secrets (CredData lines)", out["secrets"]["reported"])
    if arguments.personal:
        out["personal"] = personal(arguments)
        lines += table("Personal data that rules can tell (presidio-research, synthetic)", out["personal"]["reported"])
    print("\n".join(lines))
    if arguments.write:
        RESULTS.joinpath("detection_quality.json").write_text(json.dumps(out, indent=1) + "\n")
        RESULTS.joinpath("detection_quality.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
