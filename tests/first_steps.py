"""The README as a new user follows it: ask the handbook, connect a model server, make a key.

The commands come out of README.md itself; only port 7070 is replaced, because
something else may be using it.
"""

import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from door import ROOT, Door, Double, conversation, law_holds, request, run_steps, until  # noqa: E402

LISTEN = """
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
status = "127.0.0.1:0"
"""


def blocks():
    """The fenced blocks of the README, without their fences."""
    return re.findall(r"^```\w*\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


def block(word):
    found = [text for text in blocks() if word in text]
    assert len(found) == 1, f"{len(found)} blocks of the README hold {word!r}"
    return found[0]


def asks_the_handbook(door):
    command = block("curl ").replace("127.0.0.1:7070", f"127.0.0.1:{door.port}")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, check=True)
    text = json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert "surgewall admin key create --name laptop" in text, text
    assert "[docs/keys.md#" in text, text


def connects_a_server(door, double):
    upstream = block("[[upstream]]")
    assert len(upstream.strip().splitlines()) <= 3, upstream
    door.configure(LISTEN + re.sub(r"http://127\.0\.0\.1:\d+", double.url, upstream))
    door.reload()
    words = block("admin key create").split()
    assert words[0] == "./run.sh", words
    key = door.run(*words[1:]).strip()
    headers = {"authorization": f"Bearer {key}"}
    body = conversation("say 3", model="double", max_tokens=50)

    def answered():
        answer = request(door.port, "POST", "/v1/chat/completions", body, headers)
        return answer if answer.status == 200 else None

    answer = until("the new server answers", answered)
    assert answer.json()["choices"][0]["message"]["content"] == "tok0 tok1 tok2 ", answer.body
    # A stranger still gets the handbook and nothing else.
    assert request(door.port, "POST", "/v1/chat/completions", body).status == 401
    asks_the_handbook(door)


def main():
    double = Double("models=double")
    door = Door(LISTEN)
    try:
        failed = run_steps(
            [
                ("first-steps.serve", lambda: f"ready in {door.start():.1f} s"),
                ("first-steps.handbook", lambda: asks_the_handbook(door)),
                ("first-steps.upstream", lambda: connects_a_server(door, double)),
                ("first-steps.check-config", lambda: door.run("check", "config") and None),
                ("first-steps.stop", lambda: [door.terminate(), law_holds(door.check_ledger())] and None),
            ],
            door.show_log,
        )
    finally:
        door.close()
        double.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
