#!/usr/bin/env python3
"""What signing in tells a stranger by its time, and what it takes while others flood the sign-up.

First: accounts that exist, with a wrong password, and addresses that have none, in
turn, one at a time. Do the two distributions of times differ (Mann-Whitney U, two
sides)? The same for sign-up with an address that is taken and one that is free.
Then: clients that sign up as fast as they can, each from a network of its own, and
one real account that signs in four times a second. Everything is on loopback; the
networks are forwarded ones, as from a proxy. Started by benches/sign_in.sh; writes
benches/results/sign_in.json and .md, unless the run is a quick one.
"""

import argparse
import datetime
import http.client
import json
import math
import threading
import time
import urllib.parse

from gateways import Program, Setup, free_port
from side_by_side import ROOT, commit, load_average, machine, percentile

PASSWORD = "a long sentence that nobody else types {}"
WRONG = "a long sentence that is not the right one"
SIGN_IN_EVERY_S = 0.25
TIMEOUT_S = 60
# What was asked for.
P95_MAX_S = 1.0
# Below it the two distributions are told apart too often to be chance.
P_MIN = 0.01

CONFIGURATION = """
[listen]
public = "127.0.0.1:{public}"
admin = "127.0.0.1:{admin}"
status = "127.0.0.1:{status}"
behind_proxy = ["127.0.0.0/8"]

[gate]
start = "open"
{gate}
"""


class Door:
    """A fresh door behind a proxy that there is not."""

    def __init__(self, setup, name, gate=""):
        folder = setup.fresh(name)
        folder.mkdir()
        self.port = free_port()
        ports = {"public": self.port, "admin": free_port(), "status": free_port()}
        folder.joinpath("surgewall.toml").write_text(CONFIGURATION.format(gate=gate, **ports))
        command = [setup.programs / "surgewall", "serve", "--data-dir", folder / "data"]
        self.program = Program(command, setup.gateway_core, folder)
        self.program.line()

    def stop(self):
        self.program.stop()


def network(number):
    """An address of a network that no other number has."""
    return f"{11 + number // 65536}.{number // 256 % 256}.{number % 256}.7"


class Browser:
    """Sends forms as the pages do."""

    def __init__(self, port, address):
        self.port, self.address, self.connection = port, address, None

    def post(self, path, **fields):
        """The status, where it leads, and the seconds that it took."""
        body = urllib.parse.urlencode(fields)
        heads = {
            "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin",
            "origin": f"http://127.0.0.1:{self.port}", "x-forwarded-for": self.address,
        }
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        began = time.perf_counter()
        try:
            self.connection.request("POST", path, body, heads)
            answer = self.connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return 0, "", time.perf_counter() - began
        return answer.status, answer.headers.get("location", ""), time.perf_counter() - began

    def close(self):
        if self.connection:
            self.connection.close()


def email(number):
    return f"person{number}@example.org"


def make_accounts(door, count):
    for number in range(count):
        browser = Browser(door.port, network(number))
        status, where, _ = browser.post("/sign-up", email=email(number), password=PASSWORD.format(number))
        browser.close()
        if status != 303:
            raise RuntimeError(f"sign-up answered {status} {where}")


def mann_whitney(first, second):
    """The two-sided p of the U test, by the normal approximation with ties (Mann and Whitney 1947)."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    rank_sum, ties, at = 0.0, 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        rank = (at + end + 1) / 2
        rank_sum += rank * sum(1 for _, group in ranked[at:end] if group == 0)
        ties += (end - at) ** 3 - (end - at)
        at = end
    n, m = len(first), len(second)
    u = rank_sum - n * (n + 1) / 2
    total = n + m
    deviation = math.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
    z = (abs(u - n * m / 2) - 0.5) / deviation if deviation else 0.0
    return math.erfc(max(0.0, z) / math.sqrt(2)), u / (n * m)


def compared(name, first, second):
    p, above = mann_whitney(first, second)
    ms = lambda values: {"p50": round(1000 * percentile(values, 50), 2), "p99": round(1000 * percentile(values, 99), 2)}
    said = {
        "what": name, "tries": len(first), "known_ms": ms(first), "unknown_ms": ms(second),
        "p": round(p, 4), "known_slower": round(above, 3),
    }
    print(said, flush=True)
    return said


def timing(setup, tries, accounts):
    """Times of sign-in and sign-up with addresses that have an account and that have none."""
    # As many sign-ups as are timed here would be pressure.
    door = Door(setup, "timing", gate="sign_ups_per_min = 1_000_000\ndomain_per_hour = 1_000_000")
    try:
        make_accounts(door, accounts)
        found = []
        for name, path, password in (("sign-in", "/sign-in", WRONG), ("sign-up", "/sign-up", None)):
            seen = {True: [], False: []}
            for number in range(tries):
                for known in (True, False) if number % 2 else (False, True):
                    # Another network each time: this is not about delays.
                    browser = Browser(door.port, network(1_000_000 + 2 * number + known))
                    who = email(number % accounts) if known else f"{name}{number}@example.net"
                    # The first request of a connection carries its opening; it is not counted.
                    browser.post("/sign-out")
                    status, _, took = browser.post(path, email=who, password=password or PASSWORD.format(number))
                    browser.close()
                    if status not in (303, 422):
                        raise RuntimeError(f"{path} answered {status}")
                    seen[known].append(took)
            found.append(compared(name, seen[True], seen[False]))
        return found
    finally:
        door.stop()


def flood(setup, clients, seconds):
    """Sign-ins of one real account while so many clients sign up as fast as they can."""
    door = Door(setup, "flood")
    over = threading.Event()
    answered, lock = {}, threading.Lock()

    def stranger(number):
        browser, turn = Browser(door.port, network(2_000_000 + number)), 0
        while not over.is_set():
            who = f"flood{turn}@flood{number}.example.net"
            status, _, _ = browser.post("/sign-up", email=who, password=PASSWORD.format(who))
            with lock:
                answered[status] = answered.get(status, 0) + 1
            turn += 1
            if status != 303:
                time.sleep(0.05)
        browser.close()

    def sign_ins(count):
        times, statuses = [], {}
        for turn in range(count):
            began = time.monotonic()
            # From the owner's usual networks, so that delays play no part.
            browser = Browser(door.port, network(3_000_000 + turn))
            status, _, took = browser.post("/sign-in", email=email(0), password=PASSWORD.format(0))
            browser.close()
            times.append(took)
            statuses[status] = statuses.get(status, 0) + 1
            time.sleep(max(0.0, SIGN_IN_EVERY_S - (time.monotonic() - began)))
        return times, statuses

    try:
        make_accounts(door, 1)
        calm, _ = sign_ins(max(8, int(seconds)))
        threads = [threading.Thread(target=stranger, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        time.sleep(2)
        under, statuses = sign_ins(int(seconds / SIGN_IN_EVERY_S))
        over.set()
        for thread in threads:
            thread.join(TIMEOUT_S)
    finally:
        over.set()
        door.stop()
    of = lambda times: {"p50_s": round(percentile(times, 50), 3), "p95_s": round(percentile(times, 95), 3), "tries": len(times)}
    said = {
        "clients": clients, "calm": of(calm), "under": of(under),
        "sign_in_statuses": statuses, "sign_up_statuses": dict(sorted(answered.items())),
    }
    print(said, flush=True)
    return said


def table(result):
    of_machine = result["machine"]
    on = f"{of_machine['processor']}, {of_machine['cores']} cores, Linux {of_machine['kernel']}"
    lines = [
        "# Signing in", "",
        f"Written by `benches/sign_in.sh`. {result['date']}, commit {result['commit']}; {on};"
        f" load average {result['load_average'][0]} before and {result['load_average'][1]} after.", "",
        "## Does the time tell whether there is an account?", "",
        "One at a time, in turn, each from another network. The p is that of the Mann-Whitney U test: below"
        f" {P_MIN} the two are told apart. The last column is how often a known address takes longer than an unknown one; 50 % is no difference.", "",
        "| | tries each | with an account, p50 / p99 ms | without, p50 / p99 ms | p | known takes longer |",
        "|---|---|---|---|---|---|",
    ]
    for one in result["timing"]:
        known, unknown = one["known_ms"], one["unknown_ms"]
        lines.append(
            f"| {one['what']} | {one['tries']} | {known['p50']} / {known['p99']} | {unknown['p50']} / {unknown['p99']} |"
            f" {one['p']} | {100 * one['known_slower']:.1f} % |"
        )
    flood_of = result["flood"]
    lines += [
        "", "## While others flood the sign-up", "",
        f"{flood_of['clients']} clients sign up as fast as they can, each from a network of its own; one real account signs in"
        f" every {SIGN_IN_EVERY_S} s.", "",
        "| sign-in | tries | p50 | p95 |", "|---|---|---|---|",
        *(
            f"| {name} | {flood_of[key]['tries']} | {flood_of[key]['p50_s']} s | {flood_of[key]['p95_s']} s |"
            for name, key in (("without the flood", "calm"), ("under it", "under"))
        ),
        "", f"Sign-ins were answered {flood_of['sign_in_statuses']}, sign-ups {flood_of['sign_up_statuses']} (303 is done, 403 and 503 are no).",
        "", "## What was asked for", "",
        *(
            f"- {one['what']} does not tell by its time whether there is an account: p {one['p']}: {'held' if one['p'] >= P_MIN else 'MISSED'}"
            for one in result["timing"]
        ),
        f"- a real sign-in under the flood, p95: at most {P95_MAX_S} s, was {flood_of['under']['p95_s']} s:"
        f" {'held' if flood_of['under']['p95_s'] <= P95_MAX_S and set(flood_of['sign_in_statuses']) == {303} else 'MISSED'}",
        "",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="where the programs are")
    parser.add_argument("--quick", action="store_true", help="few tries: shows that it works, measures nothing")
    parser.add_argument("--tries", type=int, default=1000, help="of each kind")
    parser.add_argument("--accounts", type=int, default=100, help="that exist")
    parser.add_argument("--clients", type=int, default=200, help="that flood the sign-up")
    parser.add_argument("--seconds", type=float, default=30, help="of flood")
    parser.add_argument("--cores", type=lambda text: [int(core) for core in text.split(",")], default=[0, 1])
    options = parser.parse_args()
    if options.quick:
        options.tries, options.accounts, options.seconds = 40, 10, 5
    setup = Setup(options, "sign-in")
    before = load_average()
    result = {
        "quick": options.quick, "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(), "machine": machine(),
        "timing": timing(setup, options.tries, options.accounts),
        "flood": flood(setup, options.clients, options.seconds),
    }
    result["load_average"] = [before, load_average()]
    text = table(result)
    print(text)
    if not options.quick:
        out = ROOT / "benches" / "results"
        out.joinpath("sign_in.json").write_text(json.dumps(result, indent=1) + "\n")
        out.joinpath("sign_in.md").write_text(text)


if __name__ == "__main__":
    main()
