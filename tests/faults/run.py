"""What must hold when a door is killed, its disk fills, it drains, or a reload is bad.

    python3 tests/faults/run.py                  the short form, as test.sh runs it
    python3 tests/faults/run.py --kills 100      a long one
    python3 tests/faults/run.py --only drain     one of them
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from door import (  # noqa: E402
    Door,
    Double,
    Stream,
    conversation,
    law_holds,
    request,
    run_steps,
    until,
)

LISTEN = """
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
status = "127.0.0.1:0"
"""
UPSTREAM = """
[[upstream]]
name = "local"
url = "{url}/v1"
models = ["gpt-double"]
"""


# A crash settles a request at its last checkpoint: at most a second or so many tokens old.
CHECKPOINT_TOKENS = 256
CHECKPOINT_S = 1
# What a busy machine may add to that second.
LATE_S = 0.5
# Requests that are refused while the disk is full: their log lines fill more than one of its pages.
REFUSALS = 60


def toks(count):
    return "".join(f"tok{i} " for i in range(count))


class Stand:
    """A double and a door before it; the log is shown when something fails."""

    def __init__(self, more="", data_dir=None, folder=None):
        self.double = Double("models=gpt-double")
        self.base = LISTEN + more + UPSTREAM.format(url=self.double.url)
        self.door = Door(self.base, data_dir=data_dir, folder=folder)
        self.door.start()
        self.key = self.door.create_key("fault")

    def ask(self, prompt="say 2", **more):
        headers = {"authorization": f"Bearer {self.key}"}
        body = conversation(prompt, max_tokens=50, **more)
        return request(self.door.port, "POST", "/v1/chat/completions", body, headers)

    def stream(self, prompt, **more):
        return Stream(self.door.port, self.key, conversation(prompt, max_tokens=1000, **more))

    def reconciled(self):
        """Every id that the double saw is in the ledger, settled once, and the sums agree."""
        sums = until("nothing is open", lambda: none_open(self.door))
        law_holds(sums)
        records = self.door.export()
        seen = {one["request_id"] for one in self.double.stats()["requests"]} - {None}
        admitted = [one["request_id"] for one in records if one["record"] == "admitted"]
        settled = [one for one in records if one["record"] == "settled"]
        assert len(admitted) == len(set(admitted)) == sums["admitted"], sums
        missing = seen - set(admitted)
        assert not missing, f"the double saw requests that the ledger does not know: {missing}"
        ended = sorted(one["request_id"] for one in settled)
        assert ended == sorted(admitted), "an admitted request is not settled exactly once"
        for one in settled:
            for meter in ("input", "output", "money"):
                before = one["reserved"].get(meter, 0) + one["topped_up"].get(meter, 0)
                after = one["settled"].get(meter, 0) + one["refunded"].get(meter, 0)
                assert before == after, one
        return records, settled

    def close(self):
        self.door.close()
        self.double.stop()


def with_stand(test, **options):
    stand = Stand(**options)
    try:
        return test(stand)
    except BaseException:
        stand.door.show_log()
        raise
    finally:
        stand.close()


def none_open(door):
    sums = door.check_ledger()
    return sums if sums["open"] == 0 else None


# -- kill -9


class Clients:
    """Clients that ask and ask until the door is gone."""

    PROMPTS = [
        ("say 400\n!double rate=200", True),
        ("say 20", True),
        ("say 30\n!double no_usage", True),
        ("say 5", False),
        ("say 300\n!double rate=100 no_usage", True),
    ]

    def __init__(self, stand, count):
        self.stand = stand
        self.delivered = {}
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        turn = number
        while True:
            prompt, streams = self.PROMPTS[turn % len(self.PROMPTS)]
            turn += 1
            try:
                if not streams:
                    answer = self.stand.ask(prompt)
                    assert answer.status == 200, answer.status
                    self.delivered[answer.headers["x-request-id"]] = answer.json()["usage"]["completion_tokens"]
                    continue
                stream = self.stand.stream(prompt)
                try:
                    assert stream.status == 200, stream.status
                    self.delivered[stream.request_id] = 0
                    for _ in stream.texts():
                        self.delivered[stream.request_id] += 1
                finally:
                    stream.close()
            except (OSError, ValueError, http.client.HTTPException):
                return

    def join(self):
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a client hangs after the door was killed"


def kill_rounds(stand, rounds, seed):
    chance = random.Random(seed)
    slowest = 0.0
    delivered = {}
    for number in range(rounds):
        if number:
            # Both durabilities in turn.
            power = '\n[ledger]\ndurability = "power"\n' if number % 2 else ""
            stand.door.configure(stand.base + power)
            slowest = max(slowest, stand.door.start())
        clients = Clients(stand, 6)
        time.sleep(chance.uniform(0.05, 1.2))
        stand.door.kill()
        clients.join()
        delivered.update(clients.delivered)
        # Killed: the ledger is readable, and what is open is a note.
        sums = stand.door.check_ledger()
        assert sums["reserved"] is None or sums["reserved"] >= sums["settled"] + sums["refunded"], sums
    slowest = max(slowest, stand.door.start())
    assert stand.ask().status == 200
    _, settled = stand.reconciled()
    crashed = [one for one in settled if one["outcome"] == "crash"]
    assert crashed, "no request was open at any kill"
    missing = pays_for_what_it_gave(settled, delivered, stand.double.stats()["requests"])
    assert stand.door.terminate() == 0
    return (
        f"{rounds} kills, {len(settled)} requests, {len(crashed)} settled after a crash, "
        f"at most {missing} tokens delivered past a checkpoint, restart in {slowest:.1f} s at most"
    )


def pays_for_what_it_gave(settled, delivered, seen):
    """delivered <= settled <= produced; after a crash a checkpoint's distance may be missing: the most that is."""
    produced = {one["request_id"]: one["produced"] for one in seen}
    unknown = set(delivered) - {one["request_id"] for one in settled}
    assert not unknown, f"answered, and not in the ledger: {unknown}"
    most = 0
    for one in settled:
        name, output = one["request_id"], one["settled"]["output"]
        missing = delivered.get(name, 0) - output
        assert missing <= (CHECKPOINT_TOKENS if one["outcome"] == "crash" else 0), (delivered[name], one)
        most = max(most, missing)
        if one["source"] == "upstream":
            assert output <= produced[name], (produced[name], one)
    return most


def crash_second(stand):
    """A stream too slow for the checkpoint by tokens is checkpointed by the second."""
    rate, most = 100, 0
    for number in range(4):
        stream = stand.stream(f"say 900\n!double rate={rate}")
        delivered, until_s = 0, time.monotonic() + 1.6 + 0.3 * number
        for _ in stream.texts():
            delivered += 1
            if time.monotonic() > until_s:
                break
        stand.door.kill()
        stream.close()
        stand.door.start()
        _, settled = stand.reconciled()
        (one,) = [one for one in settled if one["request_id"] == stream.request_id]
        assert one["outcome"] == "crash" and one["source"] != "upstream", one
        missing = delivered - one["settled"]["output"]
        assert missing <= rate * (CHECKPOINT_S + LATE_S), (delivered, one)
        assert one["settled"]["output"] > 0, one
        most = max(most, missing)
    return f"4 kills of a stream of {rate} tokens a second: at most {most} tokens after the last checkpoint"


# -- kill -9 in the middle of an answer of the chat


class Person:
    """Somebody with an account, in a browser: a cookie, and the origin of the door's own page."""

    FORM = "application/x-www-form-urlencoded"

    def __init__(self, door, email, password="the tide comes in twice a day"):
        self.door, self.cookie = door, ""
        form = urllib.parse.urlencode({"email": email, "password": password})
        self.call("POST", "/sign-up", form, {"content-type": self.FORM})
        signed_in = self.call("POST", "/sign-in", form, {"content-type": self.FORM})
        self.cookie = signed_in.headers["set-cookie"].split(";")[0]

    def call(self, method, path, body=None, headers=None):
        own = {"sec-fetch-site": "same-origin", "cookie": self.cookie, **(headers or {})}
        answer = request(self.door.port, method, path, body, own)
        assert answer.status < 400, (method, path, answer.status, answer.body)
        return answer

    def watch(self, answer, last=None):
        """The events of an answer, from after `last` on: name, id and data of each."""
        headers = {"cookie": self.cookie, **({"last-event-id": last} if last else {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.door.port, timeout=20)
        try:
            connection.request("GET", f"/app/answers/{answer}", headers=headers)
            response = connection.getresponse()
            assert response.status == 200, response.status
            fields = {}
            for line in response:
                line = line.decode().rstrip("\n")
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    yield fields["event"], fields["id"], json.loads(fields["data"])
                    fields = {}
        finally:
            connection.close()


def killed_in_mid_answer(stand):
    """What was said up to a second before `kill -9` is a message after it, and is gone on from."""
    person = Person(stand.door, "ada@example.org")
    chat = person.call("POST", "/app/conversations", {}).json()["id"]
    path = f"/app/conversations/{chat}"
    stand.double.behave("endless rate=50")
    sent = {"id": f"{1:032x}", "parent": 0, "text": "go on and on", "model": "gpt-double"}
    answer = person.call("POST", f"{path}/messages", sent).json()["answer"]["id"]
    said, times, began = "", [], time.monotonic()
    for name, _, data in person.watch(answer):
        if name == "text":
            said += data["text"]
            times.append((time.monotonic(), len(said)))
        if time.monotonic() > began + 3:
            break
    killed_at = time.monotonic()
    stand.door.kill()
    stand.door.start()
    newest, question = person.call("GET", path).json()["page"]["messages"]
    assert (newest["state"], question["body"]["text"]) == ("partial", "go on and on"), newest
    kept = newest["body"]["text"]
    assert said.startswith(kept) or kept.startswith(said), (kept, said)
    old = max((length for at, length in times if at < killed_at - CHECKPOINT_S - LATE_S), default=0)
    assert len(kept) >= old, f"{len(kept)} of {len(said)} bytes are kept, {old} were older than a second"
    stand.double.behave("tokens=2")
    again = {"id": f"{2:032x}", "parent": 1, "model": "gpt-double", "continue_from": 2}
    answer = person.call("POST", f"{path}/answers", again).json()["answer"]["id"]
    texts, state = "", ""
    for name, _, data in person.watch(answer):
        texts += data["text"] if name == "text" else ""
        state = data["state"] if name == "done" else state
    assert (texts, state) == (kept + toks(2), "whole"), (texts, state)
    assert stand.door.terminate() == 0
    return f"{len(kept)} of {len(said)} bytes kept, and gone on from"


# -- a full disk


def full_disk():
    # On the disk's own folder: a tmpfs that this test mounts, or nothing.
    mount = pathlib.Path(tempfile.gettempdir()) / f"surgewall-disk-{os.getpid()}"
    mount.mkdir()
    mounted = False
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(mount)], capture_output=True, text=True
        )
        mounted = done.returncode == 0
        if not mounted:
            return "SKIPPED: a small file system cannot be mounted here"
        # The log is on it too: a line that cannot be written must hurt nobody.
        return with_stand(lambda stand: fill(stand, mount), folder=mount)
    finally:
        if mounted:
            subprocess.run(["umount", str(mount)], check=False)
        shutil.rmtree(mount, ignore_errors=True)


def fill_up(mount):
    """Takes every byte of the disk; more than once, because the door may have freed some."""
    with open(mount / "filler", "ab", buffering=0) as filler:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError:
                pass


def fill(stand, mount):
    assert stand.ask().status == 200
    running = stand.stream("say 60\n!double rate=20")
    texts = running.texts()
    assert next(texts) == "tok0 "
    fill_up(mount)
    refused = until("a request is refused", lambda: first_refusal(stand, mount))
    assert refused.status == 503, refused.status
    assert refused.json()["error"]["code"] == "storage_unavailable", refused.body
    assert refused.headers.get("retry-after") == "5", refused.headers
    assert stand.double.seen(refused.headers["x-request-id"]) == [], "a refused request reached the upstream"
    # So many that the log has no room for their lines either.
    for _ in range(REFUSALS):
        assert stand.ask().status == 503
    assert request(stand.door.port, "GET", "/readyz").status == 503
    # What was admitted goes on.
    rest = "tok0 " + "".join(texts)
    assert rest == toks(60), rest
    running.close()
    (mount / "filler").unlink()
    began = time.monotonic()
    until("it serves again", lambda: stand.ask().status == 200, 15, 0.1)
    recovered = time.monotonic() - began
    assert request(stand.door.port, "GET", "/readyz").status == 200
    records, settled = stand.reconciled()
    mine = [one for one in settled if one["request_id"] == running.request_id]
    assert [one["outcome"] for one in mine] == ["completed"], mine
    assert stand.door.terminate() == 0
    return f"served again {recovered:.1f} s after there was space, without a restart"


def first_refusal(stand, mount):
    fill_up(mount)
    answer = stand.ask()
    return answer if answer.status != 200 else None


# -- a drain


def drain(stand):
    idle = socket.create_connection(("127.0.0.1", stand.door.port))
    idle.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    assert idle.recv(4096).startswith(b"HTTP/1.1 200")
    running = stand.stream("say 40\n!double rate=20")
    texts = running.texts()
    assert next(texts) == "tok0 "
    process = stand.door.process
    process.terminate()
    began = time.monotonic()
    idle.settimeout(5)
    while idle.recv(4096):
        pass
    closed = time.monotonic() - began
    assert closed < 1.0, f"an idle connection was closed after {closed:.1f} s"
    refused = until("new connections are refused", lambda: cannot_connect(stand.door.port), 5)
    assert refused
    assert "tok0 " + "".join(texts) == toks(40)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 10
    stand.door.process = None
    _, settled = stand.reconciled()
    assert [one["outcome"] for one in settled] == ["completed"], settled
    return f"idle closed in {closed * 1000:.0f} ms, the running stream ended whole"


def cannot_connect(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def drain_too_long(stand):
    running = stand.stream("say 900\n!double rate=20")
    texts = running.events()
    next(texts)
    began = time.monotonic()
    stand.door.process.terminate()
    last = ""
    for data in texts:
        last = data
    assert "error" in json.loads(last), f"the stream ended without an error event: {last}"
    assert stand.door.process.wait(10) == 0
    took = time.monotonic() - began
    stand.door.process = None
    assert 0.9 < took < 6, took
    _, settled = stand.reconciled()
    assert [one["outcome"] for one in settled] == ["drained"], settled
    return f"stopped after {took:.1f} s with drain_s = 1"


# -- a reload


def reload(stand):
    door = stand.door
    running = stand.stream("say 60\n!double rate=20")
    texts = running.texts()
    got = next(texts)
    door.configure(stand.base + '\n[limits]\nbody_bytes_maximum = 5\n')
    before = len(door.log.read_text())
    door.reload()
    until("the log says what is wrong", lambda: "body_bytes_maximum" in door.log.read_text()[before:])
    said = door.log.read_text()[before:]
    assert "^^^" in said, f"no caret: {said}"
    assert stand.ask().status == 200, "the old configuration stays"
    door.configure(stand.base + 'aliases = { "other-name" = "gpt-double" }\n')
    door.reload()
    answer = until("the alias works", lambda: found(stand.ask(model="other-name")))
    assert answer.json()["choices"][0]["message"]["content"] == toks(2)
    assert got + "".join(texts) == toks(60), "the stream that was running was hurt"
    stand.reconciled()
    return "a bad one is refused with a caret, a good one holds, the stream ran through both"


def found(answer):
    assert answer.status in (200, 404), answer.body
    return answer if answer.status == 200 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="how often kill -9 (default 10)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments of the kills")
    parser.add_argument("--only", default="", help="a word in the name of the steps to run")
    arguments = parser.parse_args()
    steps = [
        (
            f"faults.kill-9 (seed {arguments.seed})",
            lambda: with_stand(lambda stand: kill_rounds(stand, arguments.kills, arguments.seed)),
        ),
        ("faults.kill-9-second", lambda: with_stand(crash_second)),
        ("faults.kill-9-chat", lambda: with_stand(killed_in_mid_answer)),
        ("faults.full-disk", full_disk),
        ("faults.drain", lambda: with_stand(drain)),
        ("faults.drain-over", lambda: with_stand(drain_too_long, more="[limits]\ndrain_s = 1\n")),
        ("faults.reload", lambda: with_stand(reload)),
    ]
    return 1 if run_steps([one for one in steps if arguments.only in one[0]]) else 0


if __name__ == "__main__":
    sys.exit(main())
