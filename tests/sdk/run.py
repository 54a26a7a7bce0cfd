"""Starts two doubles and a door, runs the SDK tours and a client of the status page, and holds
the ledger to its law.

Arguments: the Python that has the SDKs, and the Node tour.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from door import SURGEWALL, Door, Double, law_holds, until  # noqa: E402

CONFIG = """
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
status = "127.0.0.1:0"

[[upstream]]
name = "gpt"
url = "{openai}/v1"
models = ["gpt-double", "deepseek-double", "embed-double"]
aliases = {{ "gpt-alias" = "gpt-double" }}

[[upstream]]
name = "claude"
url = "{anthropic}/v1"
dialect = "anthropic"
models = ["claude-double"]
aliases = {{ "claude-alias" = "claude-double" }}

# One request at a time: whoever comes second waits and is told.
[[upstream]]
name = "narrow"
url = "{openai}/v1"
models = ["narrow-double"]
sequences_max = 1

[queue]
comment_after_ms = 100

[prices."*"]
input_per_million = "0.10"
output_per_million = "0.20"
currency = "USD"
source = "an example"
date = "2026-11-01"
"""

# Parts of prompts and answers of the tours.
CONTENT = ["Be short.", "the weather", "call the tool", "say 500", "tok1 tok2", "Paris"]

# Keys with room for one small request, one for each step that wants a 429.
LIMITED = ["openai-python", "anthropic-python", "openai-node", "anthropic-node"]


def main():
    python, node_tour = sys.argv[1:]
    openai = Double("models=gpt-double,deepseek-double,embed-double,narrow-double")
    anthropic = Double("models=claude-double")
    door = Door(CONFIG.format(openai=openai.url, anthropic=anthropic.url))
    try:
        ready_s = door.start()
        print(f"ok sdk.ready ({ready_s:.1f} s)")
        stand = {
            "url": door.url,
            "status": door.urls["status"],
            "openai_double": openai.url,
            "anthropic_double": anthropic.url,
            "key": door.create_key("tour"),
            "budget_key": door.create_key("budget", "--limit", "money=5.00/30d"),
            "limited": {
                name: door.create_key(f"limited-{name}", "--limit", "requests=1/1h")
                for name in LIMITED
            },
            # Prints the ledger, one record a line.
            "export": door.command("admin", "ledger", "export", "--format", "jsonl"),
        }
        environment = {**door.environment, "PYTHONDONTWRITEBYTECODE": "1", "TOUR": json.dumps(stand), "SURGEWALL": SURGEWALL}
        # Nothing of the caller's own accounts.
        for name in list(environment):
            if name.startswith(("OPENAI_", "ANTHROPIC_", "OLLAMA_")) or name.lower().endswith("_proxy"):
                del environment[name]
        failed = False
        tours = [[python, str(HERE / "python" / name)] for name in ("tour.py", "ollama_tour.py")]
        tells(door)
        client = pathlib.Path(node_tour).with_name("status.mjs")
        for command in (*tours, ["node", node_tour], ["node", str(client)]):
            began = time.monotonic()
            status = subprocess.run(command, env=environment, check=False).returncode
            print(f"{os.path.basename(command[-1])}: status {status}, {time.monotonic() - began:.1f} s", flush=True)
            failed |= status != 0
        sums = until("every reservation is settled", lambda: settled(door), 20, 0.2)
        law_holds(sums)
        assert sums["admitted"] > 50, sums
        print(f"ok sdk.ledger: {sums['admitted']} admitted, {sums['reserved']} reserved = "
              f"{sums['settled']} settled + {sums['refunded']} refunded, none open")
        assert door.terminate() == 0
        print("ok sdk.stop")
        betrays_nothing(door, [stand["key"], stand["budget_key"], *stand["limited"].values(), *CONTENT])
        print("ok sdk.betrays-nothing")
        law_holds(door.check_ledger())
        if failed:
            door.show_log()
            return 1
        return 0
    except BaseException:
        door.show_log()
        raise
    finally:
        door.close()
        openai.stop()
        anthropic.stop()


def tells(door):
    """The status page tells of two incidents, one of them over, and of two maintenances."""
    def write(*words):
        return door.run("admin", "status", *words).strip()

    def day(days):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        return at.strftime("%Y-%m-%dT%H:%MZ")

    over = write("note", "--title", "Sign-in is slow", "It takes seconds.")
    write("note", "--incident", over, "--stage", "resolved", "It is quick again.")
    write("note", "--title", "Codes are late", "--impact", "minor", "E-mails take minutes to arrive.")
    for title, begin in (("New disks", -1), ("New servers", 1)):
        write("maintenance", "--title", title, "--from", day(begin), "--until", day(begin + 2), "Short breaks.")


def betrays_nothing(door, secrets):
    """No key, prompt or answer stands in the log or in the data directory."""
    files = [door.log, *(path for path in door.data_dir.rglob("*") if path.is_file())]
    assert any(path.suffix == ".seg" for path in files), files
    for path in files:
        data = path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in data, f"{path} holds {secret!r}"


def settled(door):
    sums = door.check_ledger()
    return sums if sums["open"] == 0 else None


if __name__ == "__main__":
    sys.exit(main())
