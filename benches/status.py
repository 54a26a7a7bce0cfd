#!/usr/bin/env python3
"""How soon the status listener answers while the door beside it is saturated.

The door, its model-server double, whoever floods it and the reader of the status page
share all cores of the machine, on loopback. First nobody asks for anything; then as many
connections as are given send requests as fast as they are answered, with a key and
without one. All the while one reader opens a new connection every 20 ms and asks the
status listener for the page, its summary or a feed. A control answers the same bytes
from Python's own server and is read in the same way at the same time: what it takes is
the machine's part. Started by benches/status.sh; writes benches/results/status.json and
.md, unless the run is a quick one.
"""

import argparse
import datetime
import http.client
import http.server
import json
import multiprocessing
import os
import statistics
import subprocess
import time

import gateways
from gateways import Surgewall
from side_by_side import ROOT, commit, load_average, machine, percentile

# What was asked for.
P99_MAX_MS = 50
READ_EVERY_S = 0.02
TIMEOUT_S = 10
LEAD_S = 3
PATHS = ("/", "/api/v2/summary.json", "/history.atom")


class Setup(gateways.Setup):
    """Everything on all cores: `taskset` takes a list."""

    def __init__(self, options):
        cores = ",".join(map(str, options.cores))
        super().__init__(argparse.Namespace(programs=options.programs, cores=(cores, cores)), "status")


class Door(Surgewall):
    """The door of the other benchmarks, with a status listener where it can be found."""

    def start(self):
        self.status = gateways.free_port()
        return super().start()

    def configuration(self):
        return super().configuration().replace('status = "127.0.0.1:0"', f'status = "127.0.0.1:{self.status}"')


def read(port, path):
    """One visit on a connection of its own: the seconds, or None where it failed."""
    began = time.perf_counter()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
    except (OSError, http.client.HTTPException):
        return None
    return time.perf_counter() - began if answer.status == 200 and body else None


def reader(ports, seconds, out):
    """Reads from each port every READ_EVERY_S for so many seconds; sends what each took."""
    taken = {port: [] for port in ports}
    begun, turn = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        for port in ports:
            taken[port].append(read(port, PATHS[turn % len(PATHS)]))
        turn += 1
        time.sleep(max(0.0, begun + turn * READ_EVERY_S - time.perf_counter()))
    out.send(taken)


def visits(ports, seconds):
    """The reader is a process of its own: it waits for no lock of ours."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=reader, args=(ports, seconds, there))
    process.start()
    taken = here.recv()
    process.join()
    return taken


def control(port, pages):
    """Answers the door's own bytes from Python's server."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = pages[self.path]
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def body_of(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request("GET", path)
    return connection.getresponse().read()


def seen(samples):
    good = [sample for sample in samples if sample is not None]
    ms = lambda hundredths: round(1000 * percentile(good, hundredths), 2) if good else None
    return {"reads": len(samples), "failed": len(samples) - len(good), "p50_ms": ms(50), "p99_ms": ms(99), "max_ms": ms(100)}


def flood(setup, door, seconds, connections):
    """Two programs that send as fast as they are answered: with the key, and without one."""
    def words(key):
        command = [setup.programs / "bench-load", "whole", "--url", door.url, "--words", "tokens=20",
                   "--connections", connections, "--count", 10**9, "--seconds", int(seconds), "--warmup", 0]
        return [*map(str, command), *(["--key", door.key] if key else [])]
    return [subprocess.Popen(words(key), stdout=subprocess.PIPE, text=True) for key in (True, False)]


def one(setup, door, ports, options):
    quiet = visits(ports, options.seconds)
    cpu, began = sum(door.program.cpu_us().values()), time.perf_counter()
    floods = flood(setup, door, LEAD_S + options.seconds + 1, options.connections)
    time.sleep(LEAD_S)
    under = visits(ports, options.seconds)
    answered = []
    for process in floods:
        out, _ = process.communicate(timeout=options.seconds + 120)
        said = json.loads(out)
        answered.append({"sent": said["sent"], "failed": said["failed"]})
    passed = time.perf_counter() - began
    cpu = sum(door.program.cpu_us().values()) - cpu
    row = {
        "quiet": seen(quiet[ports[0]]), "under": seen(under[ports[0]]),
        "control_quiet": seen(quiet[ports[1]]), "control_under": seen(under[ports[1]]),
        "cpu_cores": round(cpu / 1e6 / passed, 2), "sent_per_s": [round(one["sent"] / passed) for one in answered],
        "failed": [one["failed"] for one in answered], "load_average": load_average(),
    }
    print(row, flush=True)
    return row


def summary(rounds):
    middle = lambda part, field: round(statistics.median(row[part][field] for row in rounds), 2)
    parts = ("quiet", "under", "control_quiet", "control_under")
    fields = ("p50_ms", "p99_ms", "max_ms")
    medians = {part: {field: middle(part, field) for field in fields} for part in parts}
    for part in parts:
        medians[part]["failed"] = sum(row[part]["failed"] for row in rounds)
        medians[part]["reads"] = sum(row[part]["reads"] for row in rounds)
    medians["cpu_cores"] = round(statistics.median(row["cpu_cores"] for row in rounds), 2)
    medians["sent_per_s"] = [round(statistics.median(row["sent_per_s"][at] for row in rounds)) for at in (0, 1)]
    return medians


def table(result):
    of_machine, medians, rounds = result["machine"], result["medians"], result["rounds"]
    on = f"{of_machine['processor']}, {of_machine['cores']} cores, Linux {of_machine['kernel']}"
    row = lambda name, part: (
        f"| {name} | {medians[part]['reads']} | {medians[part]['failed']} | {medians[part]['p50_ms']} ms |"
        f" {medians[part]['p99_ms']} ms | {medians[part]['max_ms']} ms |"
    )
    held = medians["under"]["p99_ms"] <= P99_MAX_MS and not medians["under"]["failed"]
    loads = ", ".join(str(row["load_average"]) for row in rounds)
    known, strange = medians["sent_per_s"]
    return "\n".join([
        "# The status page while the door is saturated", "",
        f"Written by `benches/status.sh`. {result['date']}, commit {result['commit']}; {on}; load average"
        f" {result['load_average']} before, and {loads} at the end of the rounds: the flood itself is in it.", "",
        f"Medians of {len(rounds)} rounds of {result['seconds']} s. A visit every {round(1000 * READ_EVERY_S)} ms, each on a connection of its"
        f" own. Under the flood {known:,} requests a second came with a key and {strange:,} without one, and the door used"
        f" {medians['cpu_cores']} of {of_machine['cores']} cores; the rest went to the double, the flood and the readers. The control answers"
        " the same bytes from Python's own server, read at the same time.", "",
        "| | visits | failed | p50 | p99 | longest |", "|---|---|---|---|---|---|",
        row("status listener, nobody else asks", "quiet"), row("status listener, under the flood", "under"),
        row("control, nobody else asks", "control_quiet"), row("control, under the flood", "control_under"),
        "", f"What was asked for: p99 at most {P99_MAX_MS} ms while the door is saturated: {medians['under']['p99_ms']} ms,"
        f" {'held' if held else 'MISSED'}.", "",
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="where the programs are")
    parser.add_argument("--built", action="store_true", help="they are built already")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it works, measures nothing")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20, help="of each half of a round")
    parser.add_argument("--connections", type=int, default=64, help="of each of the two floods")
    parser.add_argument("--cores", type=lambda text: [int(core) for core in text.split(",")], default=[0, 1])
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 3
    os.sched_setaffinity(0, options.cores)
    setup, before = Setup(options), load_average()
    double, port = setup.double()
    door = Door(setup, port, setup.fresh("door"))
    copy = None
    try:
        pages = {path: body_of(door.status, path) for path in PATHS}
        beside = gateways.free_port()
        copy = multiprocessing.Process(target=control, args=(beside, pages), daemon=True)
        copy.start()
        time.sleep(0.5)
        rounds = [one(setup, door, (door.status, beside), options) for _ in range(options.rounds)]
    finally:
        if copy:
            copy.terminate()
        door.stop()
        double.stop()
    result = {
        "quick": options.quick, "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(), "machine": machine(), "load_average": before, "seconds": options.seconds,
        "connections": options.connections, "rounds": rounds, "medians": summary(rounds),
    }
    text = table(result)
    print(text)
    if not options.quick:
        out = ROOT / "benches" / "results"
        out.joinpath("status.json").write_text(json.dumps(result, indent=1) + "\n")
        out.joinpath("status.md").write_text(text)


if __name__ == "__main__":
    main()
