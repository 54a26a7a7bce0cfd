#!/usr/bin/env python3
"""What the pages cost a browser: a long answer, a thousand messages, a reload, and Lighthouse.

The chat's figures are those of tests/pages/figures, in Debian's Chromium without a
window: processor time of the page's main thread, which what else runs on the machine
does not add to, and the longest task by the clock, which it does. Lighthouse visits
the pages of a fresh door as a slow phone would. Started by benches/pages.sh; writes
benches/results/pages.json and .md, unless the run is a quick one.
"""

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess

from side_by_side import ROOT, commit, load_average, machine

# What was asked for: the kind of line, its figure, in words, the most, and its unit.
CHAT = (
    ("stream", "core_percent", "a 10,000-token answer at 100 tokens/s, of a core", 15, "%"),
    ("tasks", "longest_processor_ms", "the longest task while an answer is streamed, processor time", 50, "ms"),
    ("open", "main_ms", "1,000 messages of 2 kB are opened, main thread", 300, "ms"),
    ("open", "elements", "elements of the page with them", 5000, ""),
    ("reload", "caught_up_ms", "a reload in mid-stream has caught up after", 300, "ms"),
)
SCORES = (("performance", 90), ("accessibility", 100), ("best-practices", 100))
PAGES = ("sign-in", "chat", "status")
# Of the scheduler's real-time priorities a low one: before all that is not real-time.
REALTIME = 2


def measured(options, file):
    """Runs the figures and Lighthouse; both append to `file`."""
    environment = {**os.environ, "PAGES_FIGURES": str(file)}
    subprocess.run(
        ["tests/pages/run.sh", "--workers=1", f"--repeat-each={options.rounds}"], cwd=ROOT, env=environment, check=True
    )
    rounds = str(options.lighthouse_rounds)
    subprocess.run(["node", f"{options.lighthouse}/lighthouse.mjs", ROOT, rounds, file], cwd=ROOT, env=environment, check=True)
    return [json.loads(line) for line in file.read_text().splitlines()]


def values(lines, key, **wanted):
    return [line[key] for line in lines if all(line.get(name) == value for name, value in wanted.items())]


def told(figure, unit):
    return f"{figure:,g} {unit}".strip()


def judged(lines):
    """Every bound with its median, worst and whether the median holds it."""
    found = []
    for what, key, words, bound, unit in CHAT:
        seen = values(lines, key, what=what)
        middle = statistics.median(seen)
        found.append({"what": words, "bound": bound, "unit": unit, "median": middle, "worst": max(seen), "held": middle <= bound})
    for page in PAGES:
        for key, bound in SCORES:
            seen = values(lines, key, what="lighthouse", page=page)
            middle = statistics.median(seen)
            words = f"Lighthouse {key.replace('-', ' ')}, {page}"
            found.append({"what": words, "bound": bound, "unit": "", "median": middle, "worst": min(seen), "held": middle >= bound})
    return found


def chat_table(lines):
    rows = ["| | main thread | script | style | layout | long tasks | elements | heap |", "|---|---|---|---|---|---|---|---|"]
    for what, words in (("stream", "the answer, 100 s"), ("open", "the thousand messages")):
        of = lambda key, what=what: statistics.median(values(lines, key, what=what))
        times = " | ".join(f"{of(f'{key}_ms'):,.0f} ms" for key in ("main", "script", "style", "layout"))
        rows.append(f"| {words} | {times} | {of('long_tasks'):g} | {of('elements'):,g} | {of('heap_mb'):.1f} MB |")
    return rows


def lighthouse_table(lines):
    rows = ["| page | performance | accessibility | best practices | largest paint | blocked | shift | requests | script |", "|---|---|---|---|---|---|---|---|---|"]
    for page in PAGES:
        of = lambda key, page=page: statistics.median(values(lines, key, what="lighthouse", page=page))
        scores = " | ".join(f"{of(key):g}" for key, _ in SCORES)
        rows.append(
            f"| {page} | {scores} | {of('largest_paint_ms'):,.0f} ms | {of('blocked_ms'):,.0f} ms | {of('shift'):g} |"
            f" {of('requests'):g} | {of('script_kb'):g} kB |"
        )
    return rows


def page(result):
    of_machine, lines = result["machine"], result["lines"]
    on = f"{of_machine['processor']}, {of_machine['cores']} cores, Linux {of_machine['kernel']}"
    first = ", everything scheduled before the machine's other work" if result["realtime"] else ""
    rounds = f"{result['rounds']} rounds of the chat, {result['lighthouse_rounds']} of Lighthouse; medians"
    browser = next(line for line in lines if line["what"] == "lighthouse")
    return "\n".join([
        "# What the pages cost a browser", "",
        f"Written by `benches/pages.sh`. {result['date']}, commit {result['commit']}; {on}; load average"
        f" {result['load_average'][0]} before and {result['load_average'][1]} after{first}; {browser['browser']} without a window,"
        f" Lighthouse {browser['lighthouse']}; {rounds}.", "",
        "## The chat", "",
        "Processor time of the page's main thread, without a look at the page meanwhile. The answer is Markdown with"
        " blocks of code; each of its tokens is an event of its own. A long task takes more than 50 ms by the clock,"
        " other work on the machine included.", "",
        *chat_table(lines), "",
        "## Lighthouse", "",
        "Its mobile profile: a slow phone on a slow network, both simulated. Script is what came over the line, compressed.", "",
        *lighthouse_table(lines), "",
        "## What was asked for", "",
        *(
            f"- {one['what']}: {'at least' if one['what'].startswith('Lighthouse') else 'at most'} {told(one['bound'], one['unit'])},"
            f" median {told(one['median'], one['unit'])}, worst {told(one['worst'], one['unit'])}: {'held' if one['held'] else 'MISSED'}"
            for one in judged(lines)
        ),
        "",
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lighthouse", required=True, help="where Lighthouse is installed")
    parser.add_argument("--quick", action="store_true", help="once each: shows that it works, measures nothing")
    parser.add_argument("--realtime", action="store_true", help="before the machine's other work; needs root")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lighthouse-rounds", type=int, default=5)
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.lighthouse_rounds = 1
    if options.realtime:
        # What is started from here on has it too.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME))
    before = load_average()
    file = pathlib.Path(options.lighthouse, "lines.jsonl")
    file.write_text("")
    lines = measured(options, file)
    result = {
        "quick": options.quick, "realtime": options.realtime, "rounds": options.rounds, "lighthouse_rounds": options.lighthouse_rounds,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(), "machine": machine(),
        "load_average": [before, load_average()], "judged": judged(lines), "lines": lines,
    }
    text = page(result)
    print(text)
    if not options.quick:
        out = ROOT / "benches" / "results"
        out.joinpath("pages.json").write_text(json.dumps(result, indent=1) + "\n")
        out.joinpath("pages.md").write_text(text)


if __name__ == "__main__":
    main()
