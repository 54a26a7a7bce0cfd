#!/usr/bin/env python3
"""What a good client feels while a door is attacked, and what becomes of the attacker.

    benches/floods.sh                     about 15 minutes on a quiet machine with two cores
    benches/floods.sh --quick             two short rounds: shows that it works, measures nothing
    benches/floods.sh --only ping,silent
    benches/floods.sh --table             makes the table again from the JSON

The door has one core; the double, the good client and the attacker share the other.
For each attack, a round measures the good client without the attack and under it, in
turn; the attacker gives way to the others of its core (nice), because it stands for
another machine. --realtime is for a machine that is not quiet: all of it, the attacker
behind the others, is scheduled before other work (SCHED_FIFO; needs root). Everything is on loopback, and bounded in count, rate and time.
Writes benches/results/floods.json and .md; every number of the table is in the JSON.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import threading
import time

import gateways
from gateways import Surgewall
from side_by_side import ROOT, commit, load_average, machine

# What an attack may open: connections at once, and new ones a second.
HELD = {"connections": 400, "per_second": 400}
# An answer that is not taken is asked for at the double's full speed, or no buffer would be full in time.
READERS = {"connections": 16, "per_second": 16}
# Answers of which no byte is taken, at 50 tokens a second each: that much the model has to do.
SHUT = {"connections": 100, "per_second": 100}
FLOOD = {"connections": 8, "per_second": 50}
HOLDERS = ("slow-head", "slow-body", "silent")
# The good client: streams of ten tokens, 5 ms apart, from networks of its own.
GOOD = {"rate": 60, "connections": 8, "tokens": 10}
WORDS = "tokens=10 rate=200"
# With --realtime: priorities before everything else on the machine (SCHED_FIFO).
REALTIME = {"good": 20, "attacker": 10}
# What was asked for.
RATIO_MAX = 2.0
GROWTH_MIB_MAX = 64
# Seconds that an attack runs before the good client is measured.
LEAD_S = 1.0
SAMPLE_S = 0.1

# So short that the end of a slow connection is seen within a round.
LIMITS = """
header_read_s = 1
body_read_s = 1
client_stall_s = 1
"""


REALTIME_NOTE = (
    "The machine did other work meanwhile: what is measured here, and behind it the attacker, was scheduled before "
    "that work (`--realtime`). "
)


class Door(Surgewall):
    """The door of the other benchmark, with its own limit on connections and short patience."""

    def configuration(self):
        text = super().configuration()
        text = text.replace("network_connections_max = 20000\n", "")
        return text.replace("[limits]\n", f"[limits]{LIMITS}")


class Setup(gateways.Setup):
    def __init__(self, options):
        super().__init__(options, "floods")
        self.polite = ["chrt", "--fifo", str(REALTIME["attacker"])] if options.realtime else ["chrt", "--idle", "0"]

    def on_load_core(self, *command, polite=False):
        words = ["taskset", "-c", str(self.load_core), *(self.polite if polite else []), *map(str, command)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def told(process, seconds):
    out, _ = process.communicate(timeout=seconds)
    if process.returncode:
        raise RuntimeError(f"{process.args} ended with status {process.returncode}")
    return json.loads(out)


class Memory:
    """The door's resident memory while something runs."""

    def __init__(self, program):
        self.status, self.samples = pathlib.Path(f"/proc/{program.process.pid}/status"), []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while not self.stop.wait(SAMPLE_S):
            self.samples.append(self.now())

    def now(self):
        """In KiB. Program.rss_kib looks at every process of the machine, which the good client would feel."""
        return int(re.search(r"VmRSS:\s+(\d+) kB", self.status.read_text()).group(1))

    def __enter__(self):
        self.before = self.now()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.after = self.now()


def good_client(setup, door, seconds):
    return setup.on_load_core(
        setup.programs / "bench-load", "stream", "--url", door.url, "--key", door.key,
        "--tokens", GOOD["tokens"], "--words", WORDS, "--rate", GOOD["rate"],
        "--connections", GOOD["connections"], "--seconds", seconds, "--samples",
    )


def measured(result):
    return {
        "requests": result["measured"], "failed": result["failed"], "errors": result["errors"],
        "first_p50_us": result["first_us"]["p50"], "first_p99_us": result["first_us"]["p99"],
        "total_p50_us": result["total_us"]["p50"], "total_p99_us": result["total_us"]["p99"],
    }


def one(setup, door, attack, seconds):
    """The good client alone, then under the attack."""
    quiet = told(good_client(setup, door, seconds), seconds + 60)
    if not quiet["measured"]:
        raise RuntimeError(f"no request of the good client is answered, without an attack: {quiet['errors']}")
    bounds = {"slow-reader": READERS, "shut-window": SHUT, **dict.fromkeys(HOLDERS, HELD)}.get(attack, FLOOD)
    length = LEAD_S + seconds + 0.5
    with Memory(door.program) as memory:
        cpu = sum(door.program.cpu_us().values())
        attacker = setup.on_load_core(
            setup.programs / "bench-flood", attack, "--victim", f"127.0.0.1:{door.port}", "--key", door.key,
            "--connections", bounds["connections"], "--per-second", bounds["per_second"],
            "--seconds", length, polite=True,
        )
        time.sleep(LEAD_S)
        hostile = told(good_client(setup, door, seconds), seconds + 60)
        ended = told(attacker, length + 60)
        cpu = sum(door.program.cpu_us().values()) - cpu
    # What is still being cut must not reach into the next control.
    time.sleep(0.5)
    return {
        "attack": attack, "quiet": measured(quiet), "hostile": measured(hostile), "attacker": ended,
        "cpu_share": cpu / 1e6 / length,
        "rss_kib": {"before": memory.before, "most": max([memory.before, *memory.samples]), "after": memory.after},
    }


def summarise(runs):
    rows = []
    for attack in dict.fromkeys(run["attack"] for run in runs):
        mine = [run for run in runs if run["attack"] == attack]

        def median(*path):
            return statistics.median(follow(run, path) for run in mine)

        row = {"attack": attack, "rounds": len(mine)}
        for name in ("first_p50_us", "first_p99_us", "total_p50_us", "total_p99_us"):
            quiet, hostile = median("quiet", name), median("hostile", name)
            row[name] = {"quiet": quiet, "hostile": hostile, "ratio": hostile / quiet if quiet else None}
        row["requests"] = sum(run["hostile"]["requests"] for run in mine)
        row["failed"] = sum(run["hostile"]["failed"] + run["quiet"]["failed"] for run in mine)
        row["rss_growth_mib"] = median("rss_kib", "most") / 1024 - median("rss_kib", "before") / 1024
        row["rss_first_mib"], row["rss_last_mib"] = mine[0]["rss_kib"]["before"] / 1024, mine[-1]["rss_kib"]["after"] / 1024
        row["cpu_share"] = median("cpu_share")
        for name in ("connections", "closed", "closed_silently", "refused", "resets", "sent_bytes"):
            row[name] = sum(run["attacker"][name] for run in mine)
        for name in ("goaway", "statuses"):
            row[name] = {}
            for run in mine:
                for code, count in run["attacker"][name].items():
                    row[name][code] = row[name].get(code, 0) + count
        row["closed_after_us"] = median("attacker", "closed_after_us", "p50")
        rows.append(row)
    return rows


def follow(value, path):
    for name in path:
        value = value[name]
    return value


def how(row):
    """How the attacker's connections ended, in words."""
    ends = [f"{row['closed']} of {row['connections']} closed, after {row['closed_after_us'] / 1000:.0f} ms (median)"]
    if row["goaway"]:
        codes = ", ".join(f"{code}" for code in sorted(row["goaway"], key=int))
        ends.append(f"GOAWAY {codes}")
    if row["statuses"]:
        ends.append("status " + ", ".join(sorted(row["statuses"])))
    if row["resets"]:
        ends.append(f"{row['resets']} streams reset")
    if row["refused"]:
        ends.append(f"{row['refused']} not taken")
    return "; ".join(ends)


def table(result):
    where = result["machine"]
    bounds = result["settings"]
    lines = [
        "# Under attack",
        "",
        f"Written by `benches/floods.sh`. {result['date']}, commit {result['commit']}; {where['processor']}, "
        f"{where['cores']} cores, Linux {where['kernel']}; load average {result['load_average_before']} before and "
        f"{result['load_average_after']} after; {bounds['rounds']} rounds of {bounds['seconds']} s without each attack "
        "and under it, in turn; medians over the rounds.",
        "",
    ]
    if result["quick"]:
        lines += ["**A quick run: it shows that the script works and measures nothing.**", ""]
    good, held, flood = bounds["good"], bounds["held"], bounds["flood"]
    lines += [
        f"The good client asks for {good['rate']} streams a second of {good['tokens']} tokens, 5 ms apart. The door has one core; the double, "
        "the good client and the attacker share the other, where the attacker gives way to them. "
        f"{REALTIME_NOTE if result['realtime'] else ''}"
        f"Slow heads, slow bodies and silent connections keep up to {held['connections']} open and open {held['per_second']} a second, "
        f"shut windows {bounds['shut']['connections']}, slow readers {bounds['readers']['connections']}; "
        f"floods have {flood['connections']} at once, {flood['per_second']} new ones a second, and send up to 10,000 pieces on each as fast as "
        "they can. The door's patience with slow clients is 1 s here, not the default of 20 to 60. "
        "Slow readers ask for answers at the double's full speed, or no buffer would be full in time: the double's work for them is "
        "done on the good client's core.",
        "",
        "| attack | first token, p50 ms: without / under | p99 ms: without / under | ratio | whole stream, p99 ms: without / under | ratio "
        "| failed | memory grown by, MiB | door's core | the attacker |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["summary"]:
        first, p99, total = row["first_p50_us"], row["first_p99_us"], row["total_p99_us"]
        lines.append(
            f"| {row['attack']} | {ms(first['quiet'])} / {ms(first['hostile'])} | {ms(p99['quiet'])} / {ms(p99['hostile'])} | {p99['ratio']:.2f}x "
            f"| {ms(total['quiet'])} / {ms(total['hostile'])} | {total['ratio']:.2f}x | {row['failed']} of {row['requests']} "
            f"| {row['rss_growth_mib']:.1f} | {100 * row['cpu_share']:.0f} % | {how(row)} |"
        )
    first_mib, last_mib = result["summary"][0]["rss_first_mib"], result["summary"][-1]["rss_last_mib"]
    lines += ["", f"The door's resident memory: {first_mib:.0f} MiB at the beginning, {last_mib:.0f} MiB at the end, after all attacks.", ""]
    return "\n".join(lines + ["## What was asked for", "", *bars(result["summary"]), ""])


def bars(rows):
    found = []

    def bar(what, most, show, value):
        worst = max(rows, key=value)
        verdict = "held" if value(worst) <= most else "MISSED"
        found.append(f"- {what}: at most {show(most)}, at worst {show(value(worst))} ({worst['attack']}): {verdict}")

    times = lambda ratio: f"{ratio:.2f}x"  # noqa: E731
    bar("the first token's p99 under attack", RATIO_MAX, times, lambda row: row["first_p99_us"]["ratio"])
    bar("the whole stream's p99 under attack", RATIO_MAX, times, lambda row: row["total_p99_us"]["ratio"])
    bar("memory that an attack takes, MiB", GROWTH_MIB_MAX, lambda mib: f"{mib:.1f}", lambda row: row["rss_growth_mib"])
    bar("requests of the good client that failed", 0, str, lambda row: row["failed"])
    bar("attacks of which no connection was closed", 0, str, lambda row: int(row["closed"] == 0))
    return found


def ms(us):
    return f"{us / 1000:.2f}"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="where the programs are")
    parser.add_argument("--quick", action="store_true", help="two short rounds: shows that it works, measures nothing")
    parser.add_argument("--realtime", action="store_true", help="for a machine that is not quiet; needs root")
    parser.add_argument("--only", help="only these attacks, by name")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of one measurement")
    parser.add_argument("--cores", default="0,1", help="of the door, and of everything else")
    parser.add_argument("--out", default=str(ROOT / "benches/results"))
    parser.add_argument("--table", action="store_true", help="only makes the table again from the JSON")
    options = parser.parse_args()
    options.cores = [int(core) for core in options.cores.split(",")]
    if options.quick:
        options.rounds, options.seconds = 2, 2
    return options


def main():
    options = parse()
    out = pathlib.Path(options.out)
    if options.table:
        (out / "floods.md").write_text(table(json.loads((out / "floods.json").read_text())))
        return
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the door, one for everything else")
    if options.realtime:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(REALTIME["good"]))
    setup = Setup(options)
    os.sched_setaffinity(0, {setup.load_core})
    names = subprocess.run([setup.programs / "bench-flood", "list"], capture_output=True, text=True, check=True)
    attacks = options.only.split(",") if options.only else names.stdout.split()
    result = {
        "quick": options.quick,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        "realtime": options.realtime,
        "load_average_before": load_average(),
        "settings": {"rounds": options.rounds, "seconds": options.seconds, "good": GOOD, "held": HELD, "readers": READERS, "shut": SHUT, "flood": FLOOD},
    }
    runs = []
    double, port = setup.double()
    try:
        door = Door(setup, port, setup.folder / "door")
        try:
            told(good_client(setup, door, 2), 60)
            for number in range(options.rounds):
                for attack in attacks:
                    run = {"round": number, **one(setup, door, attack, options.seconds)}
                    runs.append(run)
                    first = run["quiet"]["first_p99_us"], run["hostile"]["first_p99_us"]
                    print(f"round {number + 1}, {attack}: p99 {ms(first[0])} -> {ms(first[1])} ms", flush=True)
        finally:
            door.stop()
    finally:
        double.stop()
    result["load_average_after"] = load_average()
    result["summary"] = summarise(runs)
    shutil.rmtree(setup.folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    # One run a line: a diff of two results can be read.
    lines = ",\n".join(json.dumps(run) for run in runs)
    (out / "floods.json").write_text(f'{json.dumps(result, indent=1)[:-2]},\n "runs": [\n{lines}\n ]\n}}\n')
    text = table(result)
    (out / "floods.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
