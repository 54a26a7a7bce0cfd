#!/usr/bin/env python3
"""The order of admission by itself: even service, and the time and memory of a decision.

Started by benches/admission.sh. Writes benches/results/admission.json and .md.
"""

import argparse
import datetime
import json
import pathlib
import re
import statistics
import subprocess

from side_by_side import ROOT, commit, load_average, machine

DECISION_NS_MAX = 1_000
IDLE_BYTES_MAX = 60


def run(programs, name):
    return subprocess.run([pathlib.Path(programs) / name], check=True, capture_output=True, text=True).stdout


def numbers(text):
    """`name 12  other 3` by name."""
    return {name: int(value) for name, value in re.findall(r"(\w+) (\d+)(?=\s|$)", text)}


def fairness(text):
    columns = r"(.{44}) (\S+) +(\d+) +(\d+) +(yes|no)  (.*)"
    found = [re.fullmatch(columns, line) for line in text.splitlines()[1:]]
    names = ("workload", "order", "gap", "bound", "within", "service")
    rows = [dict(zip(names, (part.strip() for part in line.groups()), strict=True)) for line in found]
    return [row | {"gap": int(row["gap"]), "bound": int(row["bound"])} for row in rows]


def page(result):
    where, decision = result["machine"], result["decision"]
    ours = [row for row in result["fairness"] if row["order"] == "surgewall"]
    broken = [row["workload"] for row in ours if row["within"] != "yes"]
    held = lambda holds: "held" if holds else "MISSED"
    lines = [
        "# The order of admission", "",
        f"Written by `benches/admission.sh`. {result['date']}, commit {result['commit']}; {where['processor']},"
        f" {where['cores']} cores, Linux {where['kernel']}; load average {result['load_average_before']} before and"
        f" {result['load_average_after']} after; {result['rounds']} rounds of the times, medians.", "",
        "## What was asked for", "",
        f"- service gap of two backlogged clients within the bound, on each workload: {held(not broken)}"
        + (f" ({', '.join(broken)})" if broken else f" ({len(ours)} workloads)"),
        f"- a decision at a million principals and 50,000 queued, ns: at most {DECISION_NS_MAX:,},"
        f" median {decision['decision_ns']:,}: {held(decision['decision_ns'] <= DECISION_NS_MAX)}",
        f"- memory of an idle principal, bytes: at most {IDLE_BYTES_MAX},"
        f" {decision['bytes_per_idle_entry']}: {held(decision['bytes_per_idle_entry'] <= IDLE_BYTES_MAX)}", "",
        "A decision is: a request is queued, told how much is before it, and the next one is taken. Its instructions are"
        " a budget in [budgets.toml](../budgets.toml).", "",
        "## Even service", "",
        "The workloads of the virtual token counter's paper (Sheng et al., OSDI'24, section 5) and one person with a"
        " thousand young accounts, on a simulated engine. The gap is the largest difference in service that two clients"
        " got over any time in which both waited, in work; the bound is the paper's.", "",
        "| workload | order | gap | bound | within | service by client |", "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['workload']} | {row['order']} | {row['gap']:,} | {row['bound']:,} | {row['within']} | {row['service']} |"
        for row in result["fairness"]
    ]
    return "\n".join([*lines, ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="where the examples are")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", default=str(ROOT / "benches/results"), help="where the result is written")
    options = parser.parse_args()
    result = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(),
        "machine": machine(), "load_average_before": load_average(), "rounds": options.rounds,
    }
    result["runs"] = [numbers(run(options.programs, "admission_million")) for _ in range(options.rounds)]
    result["decision"] = {
        name: statistics.median(of[name] for of in result["runs"])
        for name in ("decision_ns", "ahead_ns", "bytes_per_idle_entry")
    }
    result["fairness"] = fairness(run(options.programs, "fairness"))
    result["load_average_after"] = load_average()
    text = page(result)
    print(text)
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "admission.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "admission.md").write_text(text)


if __name__ == "__main__":
    main()
