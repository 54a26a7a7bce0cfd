"""A door and the model-server doubles behind it, for the scripts in this folder.

Only Python's standard library. The programs are named by the environment:
SURGEWALL and MODEL_DOUBLE, as test.sh sets them, else target/debug is used.
"""

import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
SURGEWALL = os.environ.get("SURGEWALL", str(TARGET / "surgewall"))
MODEL_DOUBLE = os.environ.get("MODEL_DOUBLE", str(TARGET / "model-double"))

# Seconds. A machine that builds something else at the same time is slow.
READY_S = 60
STOP_S = 60


def until(what, condition, seconds=20.0, every=0.02):
    """Waits until `condition()` is true and returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


def first_line(process, what):
    """The first line of a program's standard output."""
    ready, _, _ = select.select([process.stdout], [], [], READY_S)
    line = process.stdout.readline() if ready else ""
    if not line and ready:
        raise AssertionError(f"{what} ended with status {process.wait()} before it was ready")
    if not line:
        raise AssertionError(f"{what} said nothing within {READY_S} s")
    return line.strip()


class Double:
    """A model server that answers without a model."""

    def __init__(self, *words):
        self.process = subprocess.Popen(
            [MODEL_DOUBLE, *words], stdout=subprocess.PIPE, text=True
        )
        self.url = first_line(self.process, "the model double").split()[1]
        self.port = int(self.url.rsplit(":", 1)[1])

    def stats(self):
        return request(self.port, "GET", "/double/stats").json()

    def seen(self, request_id):
        """What it saw of one request."""
        return [r for r in self.stats()["requests"] if r["request_id"] == request_id]

    def behave(self, words):
        assert request(self.port, "POST", "/double/behaviour", words).status == 200

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Answer:
    """A whole HTTP answer."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def request(port, method, path, body=None, headers=None, timeout=60):
    """One HTTP request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        headers = {"content-type": "application/json", **(headers or {})}
        connection.request(method, path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Door:
    """A door with its own folder: configuration, data directory, master key, log."""

    def __init__(self, config, data_dir=None, folder=None):
        self.owns_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="surgewall-test-"))
        self.data_dir = pathlib.Path(data_dir or self.folder / "data")
        self.config = self.folder / "surgewall.toml"
        self.log = self.folder / "log"
        self.process = None
        self.environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "SURGEWALL_LOG": os.environ.get("SURGEWALL_LOG", "info"),
            "NO_COLOR": "1",
        }
        self.configure(config)

    def configure(self, text):
        self.config.write_text(text)

    def command(self, *words):
        return [
            SURGEWALL,
            "--config",
            str(self.config),
            "--data-dir",
            str(self.data_dir),
            *words,
        ]

    def start(self):
        """Starts it and waits for its `ready` line; returns the seconds that took."""
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command("serve"),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
            )
        try:
            line = first_line(self.process, "surgewall serve")
        except AssertionError:
            self.show_log()
            raise
        parts = dict(re.findall(r"(\w+)=(http://\S+)", line))
        assert line.startswith("ready ") and set(parts) == {"public", "admin", "status"}, line
        self.urls = {name: url.rstrip("/") for name, url in parts.items()}
        self.port = int(self.urls["public"].rsplit(":", 1)[1])
        return time.monotonic() - began

    @property
    def url(self):
        return self.urls["public"]

    def run(self, *words, status=0):
        """Runs another command of surgewall on this data directory; returns its standard output."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, env=self.environment, timeout=120
        )
        if done.returncode != status:
            raise AssertionError(
                f"surgewall {' '.join(words)}: status {done.returncode}, not {status}\n"
                f"{done.stdout}{done.stderr}"
            )
        return done.stdout

    def create_key(self, name, *options):
        key = self.run("admin", "key", "create", "--name", name, *options).strip()
        assert re.fullmatch(r"sw_live_[0-9A-Za-z]{36}", key), key
        return key

    def check_ledger(self):
        return json.loads(self.run("check", "ledger", "--format", "json"))

    def export(self):
        lines = self.run("admin", "ledger", "export", "--format", "jsonl").splitlines()
        return [json.loads(line) for line in lines]

    def kill(self):
        """kill -9."""
        self.process.kill()
        self._ended()

    def terminate(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def _ended(self):
        try:
            status = self.process.wait(STOP_S)
        finally:
            self.process.kill()
            self.process.stdout.close()
        self.process = None
        return status

    def show_log(self):
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        sys.stderr.write("--- the door's log, its last lines\n")
        sys.stderr.write("\n".join(lines[-60:]) + "\n---\n")

    def close(self):
        if self.process:
            self.kill()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


def law_holds(sums):
    """Asserts the conservation law on what `check ledger --format json` says."""
    assert sums["open"] == 0, sums
    assert sums["findings"] == [] or all(
        finding["severity"] in ("note", "info") for finding in sums["findings"]
    ), sums
    assert sums["reserved"] == sums["settled"] + sums["refunded"], sums


def conversation(prompt, model="gpt-double", **more):
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


class Stream:
    """A streamed chat of which the caller reads as much as it likes."""

    def __init__(self, port, key, body, path="/v1/chat/completions", timeout=60):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        self.connection.request("POST", path, json.dumps({**body, "stream": True}), headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.request_id = self.response.getheader("x-request-id")

    def events(self):
        """The data of each event."""
        for line in self.response:
            if line.startswith(b"data: "):
                yield line[6:].strip().decode()

    def texts(self):
        """The text of each delta."""
        for data in self.events():
            if data == "[DONE]":
                return
            chunk = json.loads(data)
            assert "error" not in chunk, chunk
            for choice in chunk["choices"]:
                if choice["delta"].get("content"):
                    yield choice["delta"]["content"]

    def close(self):
        # Shut down first: closing alone may wait for the answer's rest.
        if self.connection.sock:
            try:
                self.connection.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connection.close()


def run_steps(steps, show=None):
    """Runs (name, function) pairs, one line each; returns how many failed."""
    import traceback

    failed = 0
    for name, step in steps:
        began = time.monotonic()
        try:
            note = step()
            print(f"ok {name} ({time.monotonic() - began:.1f} s){f': {note}' if note else ''}", flush=True)
        except Exception:  # noqa: BLE001 - one failed step must not hide the others
            failed += 1
            print(f"FAILED {name}", flush=True)
            traceback.print_exc()
            if show:
                show()
    return failed
