#!/usr/bin/env python3
"""A flood before one model server: Surgewall beside peers with limits, in one run.

Each run has a fresh double with an engine of 40 sequences and a fresh door, and
the same crowd (the seed is the round's): first the known callers alone, then
a flood up to the multiple, then the known alone again. The door under test has
one core; the double and the load share the other. Started by benches/overload.sh.
Writes benches/results/overload.json and .md, unless the run is a quick one.
"""

import argparse
import asyncio
import datetime
import json
import os
import pathlib
import resource
import shutil
import statistics
import time
import urllib.request

from gateways import PeersSetup, Program
from overload_peers import CAPACITY_PER_S, LONGEST_WAIT_S, PEERS, SLOTS, Door, make_keys
from side_by_side import ROOT, commit, load_average, machine, percentile

DEFAULT_PEERS = ("surgewall", "haproxy", "nginx", "envoy", "litellm", "bare")
CLASSES = {"established": "established", "verified": "verified", "new": "new", "young": "new", "anonymous": "anonymous"}
KNOWN = ("established", "verified", "new")
# The engine's constants, as `bench-load crowd --help` has them, in milliseconds: for a step, a prompt's token, a sequence.
STEP_MS = (12.601, 0.076423, 0.066844)
# Added to the unloaded first token: mean times between two free places of the full engine.
GRACE_PLACES = 4
RECOVERY_WINDOW_S = 5
RECOVERED_PART = 0.9
# Seconds after the last arrival for what is under way.
SETTLE_S = 45
# What was asked for.
GOODPUT_MIN = {10: 0.93, 20: 0.88}
KIB_PER_QUEUED_MAX = 24
QUEUED_BODY_BYTES = 1 << 10


class Setup(PeersSetup):
    def __init__(self, options):
        super().__init__(options, "overload")
        self.keys = make_keys()
        self.keys_file = self.folder / "keys.json"
        self.keys_file.write_text(json.dumps(self.keys))


def work_s(tokens_in, tokens_out):
    """Seconds of a full engine that a request takes for itself."""
    base, prompt, sequence = STEP_MS
    return (prompt * tokens_in + (base / SLOTS + sequence) * tokens_out) / 1000


class Row:
    """One request, as `bench-load crowd --rows` has it. Times in seconds."""

    def __init__(self, line):
        due, self.name, _, outcome, first, total, tokens_in, tokens_out, self.ranges = json.loads(line)
        self.due = due / 1000
        self.first = None if first is None else first / 1000
        self.end = self.due + total / 1000
        self.work = work_s(tokens_in, tokens_out)
        self.began = self.end if self.first is None else self.due + self.first
        self.is_whole = outcome == "whole" and self.first is not None
        self.is_useful = self.is_whole and self.first <= LONGEST_WAIT_S[CLASSES[self.name]]

    def work_between(self, begin, end):
        """The part of its work that fell between two moments: it came evenly from its first token to its last."""
        if self.end <= self.began:
            return self.work if begin <= self.end < end else 0.0
        overlap = min(self.end, end) - max(self.began, begin)
        return self.work * max(0.0, overlap) / (self.end - self.began)


def crowd(setup, target, times, multiple, seed, watch=None):
    """One run of the crowd: its report and its rows. `watch` is called once a second."""
    folder = setup.fresh("load")
    folder.mkdir()
    words = ["crowd", "--url", target, "--keys", setup.keys_file, "--forwarded"]
    words += ["--seconds", times["until"], "--warmup", 0, "--settle", SETTLE_S]
    words += ["--multiple", multiple, "--capacity", CAPACITY_PER_S, "--seed", seed, "--rows", folder / "rows"]
    words += ["--flood-from", times["flood_from"], "--flood-until", times["flood_until"]]
    load = Program([setup.programs / "bench-load", *words], setup.load_core, folder)
    began = time.monotonic()
    try:
        while load.process.poll() is None:
            time.sleep(1)
            if time.monotonic() - began > times["until"] + SETTLE_S + 60:
                raise RuntimeError(f"the load does not end; see {load.log.name}")
            if watch and load.process.poll() is None:
                watch(time.monotonic() - began)
        report = json.loads(load.line())
    finally:
        load.stop()
    rows = [Row(line) for line in folder.joinpath("rows").read_text().splitlines()]
    return report, rows


def firsts_ms(rows):
    return [round(1000 * row.first) for row in rows if row.first is not None]


def unloaded(setup, seconds):
    """The known callers alone before the double alone: what a first token takes without a flood."""
    double, port = setup.double("--engine")
    times = {"flood_from": 0, "flood_until": seconds, "until": seconds}
    try:
        target = f"http://127.0.0.1:{port}/v1/chat/completions"
        report, rows = crowd(setup, target, times, 0.6, 4_000_000)
    finally:
        double.stop()
    known = firsts_ms(row for row in rows if row.due >= min(5, seconds / 4))
    seen = {"requests": len(known), "p50_ms": percentile(known, 50), "p99_ms": percentile(known, 99)}
    seen["late_p99_ms"] = report["late_ms"]["p99"]
    print(f"unloaded: {seen}", flush=True)
    return seen


ENGINE_WORDS = {
    "vllm:num_requests_running": "running", "vllm:num_requests_waiting": "waiting",
    "vllm:prompt_tokens_total": "tokens_in", "vllm:generation_tokens_total": "tokens_out",
    "vllm:num_preemptions_total": "preempted", "vllm:prefix_cache_hits_total": "cached",
}


def engine_now(port):
    """What the engine says of itself, in vLLM's words."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as answer:
        lines = answer.read().decode().splitlines()
    said = (line.rpartition(" ") for line in lines if line.startswith("vllm:"))
    named = ((name.partition("{")[0], value) for name, _, value in said)
    return {ENGINE_WORDS[name]: float(value) for name, value in named if name in ENGINE_WORDS}


class Watch:
    """The engine, the door's memory and, where it is Surgewall, its gate, once a second."""

    def __init__(self, gateway, engine_port):
        self.gateway, self.engine_port = gateway, engine_port
        self.rss_kib, self.gates, self.engine, self.missed = [], [], [], 0

    def engine_between(self, begin, end):
        """What the engine did itself: the work of all tokens, whether anybody was served by them or not."""
        of = [one for one in self.engine if begin <= one["at_s"] <= end]
        if len(of) < 2:
            return None
        first, last = of[0], of[-1]
        grown = {word: last[word] - first[word] for word in ("tokens_in", "tokens_out", "preempted", "cached")}
        work = work_s(grown["tokens_in"], grown["tokens_out"]) / (last["at_s"] - first["at_s"])
        means = {word: round(statistics.mean(one[word] for one in of), 2) for word in ("running", "waiting")}
        return {"work": round(work, 4), **means, **grown}

    def __call__(self, at):
        try:
            self.engine.append({"at_s": round(at, 2), **engine_now(self.engine_port)})
        except (OSError, ValueError):
            self.missed += 1
        if self.gateway.program is None:
            return
        try:
            self.rss_kib.append(self.gateway.program.rss_kib())
            if isinstance(self.gateway, Door):
                self.gates.append({"at_s": round(at, 1), **short(self.gateway.gate())})
        except (OSError, ValueError):
            self.missed += 1


def short(gate):
    return {
        "limit": gate["limit"], "running": gate["running"], "inside": gate["waiting_inside"],
        "waiting": sum(one["waiting"] for one in gate["classes"]), "queued_bytes": gate["queued_bytes"],
        "ttft_percent": gate["ttft_percent"], "tpot_percent": gate["tpot_percent"],
        "eta_held_percent": gate["eta_held_percent"],
    }


def part(some, of):
    return round(some / of, 4) if of else None


def recovery_s(rows, times, bound_ms, names):
    """From the flood's end to the first five seconds in which nine of ten of them were answered in the bound."""
    for start in range(times["flood_until"], times["until"] - RECOVERY_WINDOW_S + 1):
        window = [row for row in rows if row.name in names and start <= row.due < start + RECOVERY_WINDOW_S]
        good = [row for row in window if row.is_useful and row.first * 1000 <= bound_ms]
        if window and len(good) >= RECOVERED_PART * len(window):
            return start - times["flood_until"]
    return None


def seen(report, rows, times, bound_ms):
    """What a run says, from its rows: everything between the end of the warm-up and the flood's end."""
    begin, end = times["measured_from"], times["flood_until"]
    seconds = end - begin
    useful = [row for row in rows if row.is_useful]
    populations = {one["name"]: one for one in report["populations"]}
    work = {
        name: sum(row.work_between(begin, end) for row in useful if row.name == name) / seconds for name in CLASSES
    }
    result = {"goodput": round(sum(work.values()), 4)}
    result["work_by_population"] = {name: round(of, 4) for name, of in work.items()}
    # Whole, and too late to count: what the engine did for nothing.
    late = [row for row in rows if row.is_whole and not row.is_useful]
    result["late_work"] = round(sum(row.work_between(begin, end) for row in late) / seconds, 4)
    result["late_by_s"] = sorted(round(row.first - LONGEST_WAIT_S[CLASSES[row.name]], 1) for row in late)[-20:]
    due = {name: [row for row in rows if row.name == name and begin <= row.due < end] for name in CLASSES}
    # What never ended was asked for as well.
    unfinished = {name: populations[name]["unfinished"] + populations[name]["unsent"] for name in CLASSES}
    result["served"] = {
        name: part(sum(row.is_useful for row in due[name]), len(due[name]) + unfinished[name]) for name in CLASSES
    }
    result["asked"] = {name: len(due[name]) + unfinished[name] for name in CLASSES}
    result["unsent"] = sum(one["unsent"] for one in populations.values())
    onset = [row for row in rows if row.name == "established" and times["flood_from"] <= row.due < end]
    result["established_since_onset"] = part(
        sum(row.is_useful for row in onset), len(onset) + unfinished["established"]
    )
    result["first_ms"] = {}
    for name in CLASSES:
        first = firsts_ms(due[name])
        result["first_ms"][name] = {
            "count": len(first), "p50": percentile(first, 50), "p99": percentile(first, 99),
        }
    result["established_first_ms"] = firsts_ms(due["established"])
    result["recovery_s"] = recovery_s(rows, times, bound_ms, KNOWN)
    result["established_recovery_s"] = recovery_s(rows, times, bound_ms, ("established",))
    waited = [row for rows_due in due.values() for row in rows_due if row.ranges]
    ranges = [held for row in waited for held in row.ranges]
    result["eta"] = {
        "requests": len(waited), "said": len(ranges), "held": part(sum(ranges), len(ranges)),
        "first_held": part(sum(row.ranges[0] for row in waited), len(waited)),
    }
    result["refused"] = {name: one["refused"] for name, one in populations.items()}
    result["left"] = {name: one["left"] for name, one in populations.items()}
    result["broken"] = {name: one["broken"] for name, one in populations.items() if one["broken"]}
    result["late_p99_ms"] = report["late_ms"]["p99"]
    result["late_max_ms"] = report["late_ms"].get("max")
    return result


def one_run(setup, options, name, multiple, number, bound_ms):
    double, port = setup.double("--engine")
    gateway = None
    try:
        gateway = PEERS[name](setup, port, setup.fresh(name))
        watch = Watch(gateway, port)
        watch(0)
        target = gateway.url
        report, rows = crowd(setup, target, options.times, multiple, 1_000 * number + round(multiple), watch)
        said = seen(report, rows, options.times, bound_ms)
        said["engine"] = watch.engine_between(options.times["measured_from"], options.times["flood_until"])
        said["rss_kib"] = {"before": watch.rss_kib[0], "most": max(watch.rss_kib)} if watch.rss_kib else None
        if watch.gates:
            said["gate"] = watch.gates
            said["queued_most"] = max(one["waiting"] for one in watch.gates)
        if isinstance(gateway, Door):
            log = gateway.folder.joinpath("log").read_text(errors="replace").splitlines()
            said["capacity_moves"] = [line for line in log if "capacity" in line][-400:]
        kept = (gateway.label, gateway.version, gateway.note)
    finally:
        if gateway:
            gateway.stop()
        double.stop()
    return {"peer": name, "multiple": multiple, "round": number, **said, "load_average": load_average()}, kept


def told(run):
    established = run["first_ms"]["established"]
    etas = f", ETA held {run['eta']['held']} of {run['eta']['said']}" if run["eta"]["said"] else ""
    return (
        f"{run['peer']} {run['multiple']:g}x round {run['round'] + 1}: goodput {run['goodput']} of {(run['engine'] or {}).get('work')} that the engine did,"
        f" established {run['served']['established']} of {run['asked']['established']} (since onset"
        f" {run['established_since_onset']}), first token p99 {established['p99']} ms, recovery {run['established_recovery_s']} / {run['recovery_s']} s{etas};"
        f" served {run['served']}; late p99 {run['late_p99_ms']} ms, load average {run['load_average']}"
    )


# ---- memory of a stream that waits ----


class Waiting(Door):
    """A door whose model server takes one request at a time, and whose callers wait for a day."""

    name = "surgewall-waiting"
    more = """
[limits]
network_connections_max = 20000
""" + "".join(f"[classes.{name}]\nlongest_wait_s = 86400\n" for name in LONGEST_WAIT_S)

    def configuration(self):
        return super().configuration().replace('models = ["double"]\n', 'models = ["double"]\nsequences_max = 2\n')


async def wait_in_line(port, keys, count):
    """Opens `count` streams one by one and keeps them; how many were told their place within 30 s."""
    filler = "x" * (QUEUED_BODY_BYTES - 200)
    lines = []

    async def one(index):
        body = json.dumps({
            "model": "double", "max_tokens": 20, "stream": True,
            "messages": [{"role": "user", "content": f"{index:08} !double stall after=1 tokens=5\n{filler}"}],
        }).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {keys[index % len(keys)]}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        lines.append((reader, writer))
        read = b""
        while b": queued" not in read:
            more = await asyncio.wait_for(reader.read(4096), 30)
            if not more or b"HTTP/1.1 5" in read:
                return read[:300]
            read += more
        return None

    wrong = []
    for start in range(0, count, 250):
        done = await asyncio.gather(*(one(i) for i in range(start, min(start + 250, count))), return_exceptions=True)
        wrong += [why for why in done if why is not None]
    return lines, wrong


async def rest(port, key, count):
    """Opens `count` connections, each with one answer behind it, and keeps them."""
    lines = []

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines.append(writer)
        writer.write(f"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n\r\n".encode())
        await asyncio.wait_for(reader.read(4096), 30)

    for start in range(0, count, 250):
        await asyncio.gather(*(one() for _ in range(start, min(start + 250, count))))
    return lines


async def fill(gateway, keys, streams, resting):
    """Resident memory and requests in the gate, before and with so many streams that wait, or connections that rest."""
    writers = [writer for _, writer in (await wait_in_line(gateway.port, keys, 50))[0]]

    def now():
        gate = gateway.gate()
        return gateway.program.rss_kib(), gate["running"] + sum(one["waiting"] for one in gate["classes"])

    before, wrong = now(), []
    if resting:
        writers += await rest(gateway.port, keys[0], streams)
    else:
        lines, wrong = await wait_in_line(gateway.port, keys, streams)
        writers += [writer for _, writer in lines]
    await asyncio.sleep(3)
    after = now()
    for writer in writers:
        writer.transport.abort()
    # Their descriptors are closed by the loop.
    await asyncio.sleep(1)
    return before, after, wrong


def queued_memory(setup, streams):
    """Resident memory of the door for each stream that waits, without its body; of a fresh door each time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    keys = setup.keys["established"] + setup.keys["verified"]
    seen = {}
    double, port = setup.double()
    try:
        for resting in (False, True):
            gateway = Waiting(setup, port, setup.fresh("waiting"))
            try:
                seen[resting] = asyncio.run(fill(gateway, keys, streams, resting))
            finally:
                gateway.stop()
    finally:
        double.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    before, after, wrong = seen[False]
    resting = round((seen[True][1][0] - seen[True][0][0]) / streams, 1)
    waiting = after[1] - before[1]
    each = (after[0] - before[0]) / max(waiting, 1)
    result = {
        "streams": waiting, "not_queued": len(wrong), "why": [repr(one) for one in wrong[:3]],
        "rss_before_kib": before[0], "rss_after_kib": after[0],
        "kib_per_idle_connection": resting,
        "kib_per_stream": round(each, 1), "body_kib": QUEUED_BODY_BYTES / 1024,
        "kib_without_body": round(each - QUEUED_BODY_BYTES / 1024, 1),
    }
    print(f"memory of queued streams: {result}", flush=True)
    return result


# ---- the result ----


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def summarise(runs):
    summary = []
    for multiple, name in dict.fromkeys((run["multiple"], run["peer"]) for run in runs):
        of = [run for run in runs if (run["multiple"], run["peer"]) == (multiple, name)]
        etas = [run["eta"] for run in of if run["eta"]["said"]]
        said = sum(eta["said"] for eta in etas)
        recovery = [run["recovery_s"] for run in of]
        own_recovery = [run["established_recovery_s"] for run in of]
        firsts = [one for run in of for one in run["established_first_ms"]]
        summary.append({
            "multiple": multiple, "peer": name, "rounds": len(of),
            "goodput": median(run["goodput"] for run in of),
            "goodput_rounds": [run["goodput"] for run in of],
            "established_asked": sum(run["asked"]["established"] for run in of),
            "established_served": part(
                sum(run["served"]["established"] * run["asked"]["established"] for run in of),
                sum(run["asked"]["established"] for run in of),
            ),
            "established_since_onset": median(run["established_since_onset"] for run in of),
            "established_first_p50_ms": percentile(firsts, 50),
            "established_first_p99_ms": percentile(firsts, 99) if firsts else None,
            "served": {c: median(run["served"][c] for run in of) for c in CLASSES},
            "work_by_population": {c: median(run["work_by_population"][c] for run in of) for c in CLASSES},
            "recovery_s": None if None in recovery else median(recovery),
            "recovery_rounds": recovery,
            "established_recovery_s": None if None in own_recovery else median(own_recovery),
            "eta_held": part(sum(eta["held"] * eta["said"] for eta in etas), said), "eta_said": said,
            "eta_first_held": part(
                sum(eta["first_held"] * eta["requests"] for eta in etas), sum(eta["requests"] for eta in etas)
            ),
            "eta_requests": sum(eta["requests"] for eta in etas),
            "queued_most": max((run.get("queued_most") or 0 for run in of), default=0),
            "rss_growth_kib": median(
                run["rss_kib"]["most"] - run["rss_kib"]["before"] for run in of if run["rss_kib"]
            ),
            "late_p99_ms": max(run["late_p99_ms"] for run in of),
            "unsent": sum(run["unsent"] for run in of),
        })
    return summary


def percent(value, digits=1):
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def seconds(ms):
    return "-" if ms is None else f"{ms / 1000:.2f} s"


def table(result):
    times, calm = result["settings"]["times"], result["unloaded"]
    where = result["machine"]
    lines = [
        "# A flood before one model server", "",
        f"Written by `benches/overload.sh`. {result['date']}, commit {result['commit']}; {where['processor']},"
        f" {where['cores']} cores, Linux {where['kernel']}; load average {result['load_average_before']} before and"
        f" {result['load_average_after']} after.", "",
        f"One engine of {SLOTS} sequences ({CAPACITY_PER_S} requests/s at the trace's sizes, random lengths). The known callers"
        f" ask for 60 % of it all the time; from second {times['flood_from']} to {times['flood_until']} a flood of 400"
        " anonymous networks and 1,000 accounts of today fills the demand up to the multiple. Counted is from second"
        f" {times['measured_from']}, after {times['measured_from'] - times['flood_from']} s of flood as a warm-up. Every run"
        " has a fresh engine and a fresh door; the same round has the same arrivals for all.", "",
        f"Without a flood and without a door a first token takes {seconds(calm['p50_ms'])} (p50) and"
        f" {seconds(calm['p99_ms'])} (p99 of {calm['requests']}). The bound for p99 under the flood is that and"
        f" {GRACE_PLACES} mean times between two free places: {seconds(result['bound_ms'])}.", "",
        "- Goodput: the part of a full engine's time that went into whole answers whose first token came within the class's"
        " longest wait (120, 60, 30 and 20 s); an answer's work is spread evenly over its time, and what fell into the measured"
        " time counts. Asked: 93 % at 10 times, 88 % at 20 times.",
        "- Established served: whole answers in that wait, of all that were asked for. Asked: 99.9 %.",
        f"- Recovery: from the flood's end to the first {RECOVERY_WINDOW_S} s in which nine of ten had their first token within the"
        " bound: of the established, and of all known callers. Asked: 5 s.",
        "- Young: the part of the engine that 1,000 accounts of today got together. A class's share is 15 % while others wait.",
        "", "| load | door | rounds | goodput | established served | since the flood's first second | established first token, p50 |"
        " p99 | within the bound | recovery | verified / new / anonymous served | young | load's lateness, p99 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["summary"]:
        p99 = row["established_first_p99_ms"]
        within = "-" if p99 is None else "yes" if p99 <= result["bound_ms"] else "no"
        others = " / ".join(percent(row["served"][name], 0) for name in ("verified", "new", "anonymous"))
        recovery = " / ".join(
            "not seen" if row[name] is None else f"{row[name]:g} s" for name in ("established_recovery_s", "recovery_s")
        )
        lines.append(
            f"| {row['multiple']:g}x | {result['labels'][row['peer']]} | {row['rounds']} | {percent(row['goodput'])} |"
            f" {percent(row['established_served'])} of {row['established_asked']} | {percent(row['established_since_onset'])} |"
            f" {seconds(row['established_first_p50_ms'])} | {seconds(p99)} | {within} | {recovery} | {others} |"
            f" {percent(row['work_by_population']['young'])} | {row['late_p99_ms']} ms |"
        )
    lines += [""]
    ours = [row for row in result["summary"] if row["peer"] == "surgewall"]
    for row in ours:
        lines.append(
            f"Surgewall at {row['multiple']:g}x: of {row['eta_said']:,} ranges that it stated to waiting callers, one every"
            f" two seconds, {percent(row['eta_held'])} held; of the first that each of {row['eta_requests']:,} requests was"
            f" told, {percent(row['eta_first_held'])} (asked: 80 %). At most {row['queued_most']:,} waited at once."
        )
        lines.append("")
    memory = result.get("queued_memory")
    if memory:
        lines += [
            f"A stream that waits takes {memory['kib_without_body']} KiB of the door's resident memory without its body"
            f" ({memory['streams']:,} streams; asked: {KIB_PER_QUEUED_MAX} KiB). Its connection alone, idle after an answer, takes"
            f" {memory['kib_per_idle_connection']} KiB. Memory of the kernel is not in it.", "",
        ]
    lines += ["## How each was set up", ""]
    lines += [
        f"- {result['labels'][name]} {result['versions'][name]}: {note}" for name, note in result["notes"].items()
    ]
    lines += [
        "", "The peers are told what the engine can do; an operator would have to measure that. A class is conveyed by the"
        " key's prefix. The door under test has one core; the double and the load share the other. What each run saw,"
        " second by second for Surgewall's gate, is in `overload.json`.", "",
    ]
    return "\n".join(lines)


def write(options, result):
    text = table(result)
    print(text)
    out = options.out
    if not out:
        print("Nothing was written: a quick run measures nothing.")
        return
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    # One run a line: a diff of two results can be read.
    runs = ",\n".join(json.dumps(run) for run in result.pop("runs"))
    head = json.dumps(result, indent=1)
    (out / "overload.json").write_text(f'{head[:-2]},\n "runs": [\n{runs}\n ]\n}}\n')
    (out / "overload.md").write_text(text)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--made", required=True, help="where overload.sh put the peers")
    parser.add_argument("--programs", required=True, help="where the programs are")
    parser.add_argument("--quick", action="store_true", help="one short round at 10x: shows that it works, measures nothing")
    parser.add_argument("--peers", help=f"only these, of {','.join(PEERS)}")
    parser.add_argument("--multiples", help="of the capacity, for example 10,20")
    parser.add_argument("--seconds", type=int, help="of flood that are counted")
    parser.add_argument("--warmup", type=int, help="seconds of flood before")
    parser.add_argument("--rounds", type=int, default=1, help="of each peer")
    parser.add_argument("--own-rounds", type=int, help="of Surgewall; more than the peers' where time is short")
    parser.add_argument("--streams", type=int, default=4_000, help="that wait while memory is measured")
    parser.add_argument("--no-memory", action="store_true", help="leaves the memory of queued streams out")
    parser.add_argument("--cores", default="0,1", help="of the door, and of the double and the load")
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--out", help="where the result is written; a quick run writes none without it")
    options = parser.parse_args()
    options.cores = [int(core) for core in options.cores.split(",")]
    quick = options.quick
    counted = options.seconds or (15 if quick else 30)
    warmup = (10 if quick else 30) if options.warmup is None else options.warmup
    calm, tail = (4, 10) if quick else (8, 15)
    flood_until = calm + warmup + counted
    options.times = {
        "flood_from": calm, "measured_from": calm + warmup, "flood_until": flood_until, "until": flood_until + tail,
    }
    options.multiples = [float(one) for one in (options.multiples or ("10" if quick else "10,20")).split(",")]
    options.peers = options.peers.split(",") if options.peers else list(DEFAULT_PEERS)
    unknown = [name for name in options.peers if name not in PEERS]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}")
    options.own_rounds = options.own_rounds or (1 if quick else max(options.rounds, 3))
    options.streams = min(options.streams, 500) if quick else options.streams
    if not options.out and not quick:
        options.out = str(ROOT / "benches/results")
    return options


def schedule(options):
    """Every run, round by round, the peers of a round in turn."""
    for number in range(max(options.rounds, options.own_rounds)):
        for multiple in options.multiples:
            for name in options.peers:
                if number < (options.own_rounds if name == "surgewall" else options.rounds):
                    yield name, multiple, number


def main():
    options = parse()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("two cores are needed: one for the door, one for the double and the load")
    setup = Setup(options)
    os.sched_setaffinity(0, {setup.load_core})
    planned = list(schedule(options))
    print(f"{len(planned)} runs of {options.times['until']} s and more: about"
          f" {round((len(planned) * (options.times['until'] + 10) + 90) / 60)} minutes", flush=True)
    result = {
        "quick": options.quick,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "machine": machine(),
        "load_average_before": load_average(),
        "settings": {"times": options.times, "multiples": options.multiples, "rounds": options.rounds,
                     "own_rounds": options.own_rounds, "seed": options.seed},
        "versions": {}, "labels": {}, "notes": {},
    }
    runs, failed = [], []
    try:
        result["unloaded"] = unloaded(setup, 15 if options.quick else 60)
        grace_ms = GRACE_PLACES * 1000 / CAPACITY_PER_S
        result["bound_ms"] = round(result["unloaded"]["p99_ms"] + grace_ms)
        for name, multiple, number in planned:
            try:
                run, kept = one_run(setup, options, name, multiple, options.seed + number, result["bound_ms"])
            except (RuntimeError, OSError, AssertionError, ValueError, KeyError) as error:
                # One peer that fails costs its rows, not the others'.
                failed.append(f"{name} {multiple:g}x: {error}")
                print(f"FAILED {failed[-1]}", flush=True)
                continue
            result["labels"][name], result["versions"][name], result["notes"][name] = kept
            runs.append(run)
            print(told(run), flush=True)
        if "surgewall" in options.peers and not options.no_memory:
            try:
                result["queued_memory"] = queued_memory(setup, options.streams)
            except (RuntimeError, OSError, AssertionError, ValueError) as error:
                failed.append(f"memory of queued streams: {error!r}")
                print(f"FAILED {failed[-1]}", flush=True)
    finally:
        result["load_average_after"] = load_average()
        result["failed"] = failed
        if failed:
            print(f"what was seen is kept in {setup.folder}", flush=True)
        else:
            shutil.rmtree(setup.folder, ignore_errors=True)
    # The same load for all: rows of one multiple stand together, in the order of the peers.
    order = {name: index for index, name in enumerate(options.peers)}
    runs.sort(key=lambda run: (run["multiple"], order[run["peer"]], run["round"]))
    result["summary"] = summarise(runs)
    result["runs"] = [{k: v for k, v in run.items() if k != "established_first_ms"} for run in runs]
    write(options, result)


if __name__ == "__main__":
    main()
