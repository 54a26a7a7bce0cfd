#!/usr/bin/env python3
"""How exactly a token quota holds while many ask at once: Surgewall beside LiteLLM.

    benches/quota_accuracy.sh             about 8 minutes
    benches/quota_accuracy.sh --quick     one round: shows that it works

The recipe is LiteLLM's issue 18730: a team with a limit of tokens a minute, and
requests that come together. Each asks for at most 60 tokens of answer and gets 20
to 60. First all at once; then, one after the other in the same minute, until three in
a row are refused: what is left then and would have held a request was refused
wrongly. With --unbounded requests name no bound of their own.
Everything is on loopback. Writes benches/results/quota_accuracy.json and .md.
"""

import argparse
import asyncio
import datetime
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import time

from gateways import PeersSetup, Surgewall
from overload_peers import LiteLlmLimits
from side_by_side import ROOT, commit, load_average, machine

# Limits, and requests at once: the issue's, many more, and a limit that holds a good part of them.
CELLS = ((100, 5), (100, 500), (20_000, 500))
ANSWER_TOKENS = (20, 60)
# Such an answer takes this many tokens a second, so that all are under way together.
TOKENS_PER_S = 40
# The upper bound of a request: its answer's, and its prompt with room for how a door counts it.
PROMPT_TOKENS_MAX = 40
REFUSED_IN_A_ROW = 3
AFTERWARDS_PER_S = 10_000
AFTERWARDS_MAX = 400


class Door(Surgewall):
    """A door with one group that has the limit."""

    tokens = 0
    # The group's is the only quota.
    bare = False

    def configuration(self):
        text = super().configuration()
        return text[:text.index("\n[[limits.quota]]")] + "\n"

    def start(self):
        program = super().start()
        binary = self.setup.programs / "surgewall"
        words = [binary, "--config", self.folder / "surgewall.toml", "--data-dir", self.folder / "data", "admin"]
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config")}

        def admin(*more):
            done = subprocess.run([*words, *more], capture_output=True, text=True, env=env)
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        admin("group", "create", "--name", "team", "--limit", f"total_tokens={self.tokens}/1m")
        self.quota_key = admin("key", "create", "--name", "team-key", "--group", "team")
        return program


AUTH = """
from litellm.proxy._types import UserAPIKeyAuth


async def user_api_key_auth(request, api_key):
    limit = %d if api_key == "sk-team" else None
    return UserAPIKeyAuth(api_key=api_key, team_id="team-" + api_key, team_tpm_limit=limit, team_rpm_limit=1000000)
"""


class Peer(LiteLlmLimits):
    tokens = 0
    quota_key = "sk-team"
    key = "sk-other"

    def auth(self):
        return AUTH % self.tokens

    def configuration(self):
        made = super().configuration()
        del made["model_list"][0]["litellm_params"]["rpm"]
        del made["model_list"][0]["litellm_params"]["max_parallel_requests"]
        return made


async def ask(port, key, tokens, bounded, rate=TOKENS_PER_S):
    """One request: its status and the tokens it used, by the answer's own count."""
    asked = {"model": "double", "messages": [{
        "role": "user", "content": f"!double tokens={tokens} rate={rate}",
    }]}
    if bounded:
        asked["max_tokens"] = ANSWER_TOKENS[1]
    body = json.dumps(asked).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n"
            f"authorization: Bearer {key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n".encode() + body
        )
        answer = await asyncio.wait_for(reader.read(-1), 120)
    finally:
        writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    used = 0
    if status == 200:
        found = rest[rest.index(b"{"):rest.rindex(b"}") + 1]
        used = json.loads(found)["usage"]["total_tokens"]
    return status, used


async def race(port, key, limit, count, seed, bounded):
    """All at once, then one after the other."""
    draw = random.Random(seed)
    lengths = [draw.randint(*ANSWER_TOKENS) for _ in range(count)]
    began = time.monotonic()
    done = await asyncio.gather(*(ask(port, key, tokens, bounded) for tokens in lengths))
    together = time.monotonic() - began
    used = sum(tokens for _, tokens in done)
    at_once = {"answered": sum(status == 200 for status, _ in done), "used": used}
    statuses = {}
    for status, _ in done:
        statuses[status] = statuses.get(status, 0) + 1
    bound = ANSWER_TOKENS[1] + PROMPT_TOKENS_MAX
    refused = wrongly = afterwards = 0
    while refused < REFUSED_IN_A_ROW and afterwards < AFTERWARDS_MAX and time.monotonic() - began < 45:
        status, tokens = await ask(port, key, ANSWER_TOKENS[1], bounded, AFTERWARDS_PER_S)
        afterwards += 1
        if status == 200:
            refused, used = 0, used + tokens
        else:
            refused += 1
            wrongly += limit - used >= bound
    return {
        "limit": limit, "at_once": count, "statuses": statuses, "answered_at_once": at_once["answered"],
        "used_at_once": at_once["used"], "overshoot_at_once": max(0, at_once["used"] - limit),
        "used": used, "overshoot": max(0, used - limit), "left": max(0, limit - used),
        "false_429": wrongly, "asked_afterwards": afterwards, "seconds_at_once": round(together, 2),
    }


def measure(setup, kind, limit, count, number, bounded):
    """A fresh door each: nothing of an earlier window is left."""
    folder = setup.folder / f"{kind.name}-{limit}-{count}-{number}"
    double, port = setup.double()
    gateway = None
    try:
        one = type(kind.__name__, (kind,), {"tokens": limit})
        gateway = one(setup, port, folder)
        said = asyncio.run(race(gateway.port, gateway.quota_key, limit, count, number, bounded))
        return {"peer": kind.name, "round": number, **said}, gateway.version
    finally:
        if gateway:
            gateway.stop()
        double.stop()


def table(result):
    where = result["machine"]
    lines = [
        "# A token quota while many ask at once", "",
        f"Written by `benches/quota_accuracy.sh`. {result['date']}, commit {result['commit']}; {where['processor']},"
        f" {where['cores']} cores, Linux {where['kernel']}; load average {result['load_average_before']} before and"
        f" {result['load_average_after']} after; {result['rounds']} rounds, medians, the worst overshoot beside them.", "",
        f"A team has a limit of tokens a minute. Requests with {ANSWER_TOKENS[0]} to {ANSWER_TOKENS[1]} tokens of answer"
        + (f" and `max_tokens` {ANSWER_TOKENS[1]}" if result["bounded"] else " and no `max_tokens`")
        + " come together; then more, one by one, until three in a row are refused. Overshoot is what was used beyond the"
        " limit. A refusal is false where the limit still held a whole request at its upper bound. LiteLLM's issue 18730"
        " let 663 tokens through a limit of 100.", "",
        "| limit a minute | at once | door | answered at once | used at once | overshoot | worst | used in the minute | false 429 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["summary"]:
        lines.append(
            f"| {row['limit']:,} | {row['at_once']} | {row['peer']} {result['versions'][row['peer']]} | {row['answered_at_once']:g} |"
            f" {row['used_at_once']:g} | {row['overshoot']:g} | {row['overshoot_worst']} | {row['used']:g} | {row['false_429']} |"
        )
    return "\n".join([*lines, ""])


def summarise(runs):
    summary = []
    for limit, count, peer in dict.fromkeys((r["limit"], r["at_once"], r["peer"]) for r in runs):
        of = [r for r in runs if (r["limit"], r["at_once"], r["peer"]) == (limit, count, peer)]
        row = {"limit": limit, "at_once": count, "peer": peer}
        for name in ("answered_at_once", "used_at_once", "overshoot", "used"):
            row[name] = statistics.median(r[name] for r in of)
        row["overshoot_worst"] = max(r["overshoot"] for r in of)
        row["false_429"] = sum(r["false_429"] for r in of)
        summary.append(row)
    return summary


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--made", required=True, help="where LiteLLM is")
    parser.add_argument("--programs", required=True, help="where the programs are")
    parser.add_argument("--quick", action="store_true", help="one round: shows that it works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="surgewall,litellm")
    cells = ",".join(f"{limit}:{count}" for limit, count in CELLS)
    parser.add_argument("--cells", default=cells, help="tokens a minute:requests at once")
    parser.add_argument("--unbounded", action="store_true", help="requests name no max_tokens")
    parser.add_argument("--cores", default="0,1", help="of the door, and of the double and the load")
    parser.add_argument("--out", help="where the result is written; a quick run writes none without it")
    options = parser.parse_args()
    options.cores = [int(core) for core in options.cores.split(",")]
    if options.quick:
        options.rounds = 1
    elif not options.out:
        options.out = str(ROOT / "benches/results")
    return options


def main():
    options = parse()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    setup = PeersSetup(options, "quota")
    os.sched_setaffinity(0, {setup.load_core})
    kinds = {"surgewall": Door, "litellm": Peer}
    result = {
        "quick": options.quick, "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(), "machine": machine(), "load_average_before": load_average(), "rounds": options.rounds,
        "bounded": not options.unbounded, "versions": {},
    }
    runs = []
    for number in range(options.rounds):
        for cell in options.cells.split(","):
            limit, count = map(int, cell.split(":"))
            for name in options.peers.split(","):
                run, version = measure(setup, kinds[name], limit, count, number, not options.unbounded)
                result["versions"][name] = version
                runs.append(run)
                print(run, flush=True)
    result["load_average_after"] = load_average()
    result["summary"] = summarise(runs)
    result["runs"] = runs
    shutil.rmtree(setup.folder, ignore_errors=True)
    text = table(result)
    print(text)
    if options.out:
        out = pathlib.Path(options.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "quota_accuracy.json").write_text(json.dumps(result, indent=1) + "\n")
        (out / "quota_accuracy.md").write_text(text)


if __name__ == "__main__":
    main()
