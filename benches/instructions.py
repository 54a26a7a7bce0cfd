"""Runs the examples `instr_*` under callgrind and holds each count against its budget.

Started by benches/instructions.sh.
"""

import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import tomllib

BUDGETS = pathlib.Path(__file__).resolve().parent / "budgets.toml"
ROOM = 1.10
# Name: the example and its words, how often it repeats, and what one repetition is.
COUNTS = {
    "key_verify": (["instr_key"], 2_000, "one key found by its text"),
    "quota_decision": (["instr_quota"], 10_000, "reserved on two limits and settled, at a million keys"),
    "admission_decision": (["instr_admission"], 10_000, "queued, told its place and taken, at a million principals and 50,000 queued"),
    "stream_openai_to_openai": (["instr_wire", "openai-openai"], 50, "a stream of 200 events, as it is"),
    "stream_openai_to_anthropic": (["instr_wire", "openai-anthropic"], 50, "a stream of 200 events, translated"),
    "stream_anthropic_to_openai": (["instr_wire", "anthropic-openai"], 50, "a stream of 200 events, translated"),
    "stream_anthropic_to_anthropic": (["instr_wire", "anthropic-anthropic"], 50, "a stream of 200 events, as it is"),
    "stream_openai_to_ollama": (["instr_wire", "openai-ollama"], 50, "a stream of 200 events, translated"),
    "stream_ollama_to_openai": (["instr_wire", "ollama-openai"], 50, "a stream of 200 lines, translated"),
    "stream_ollama_to_ollama": (["instr_wire", "ollama-ollama"], 50, "a stream of 200 lines, as it is"),
    "request_1k": (["instr_wire", "request-1k"], 200, "a body of 1 KB read and written for the upstream"),
    "request_64k": (["instr_wire", "request-64k"], 20, "a body of 64 KB read and written for the upstream"),
    "request_64k_translated": (["instr_wire", "request-64k-anthropic"], 20, "the same, for another dialect"),
    "redact_prompt_1k": (["instr_redact", "classes"], 200, "a prompt of 1 KiB without anything to be found"),
    "redact_stream_1k": (["instr_redact", "stream"], 200, "the same as a stream, word by word"),
}
# Whole programs, of which the difference of two counts is taken: they have threads.
PROGRAMS = {
    "ledger_request": (["instr_ledger"], 500, "one request admitted and settled, written and sealed"),
}


def callgrind(program, words, *options):
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *options]
        done = subprocess.run([*command, program, *map(str, words)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{program}: status {done.returncode}\n{done.stderr[-2000:]}")
        return int(re.search(r"^(?:totals|summary): (\d+)", pathlib.Path(out).read_text(), re.M).group(1))


def measure(examples):
    for name, ((example, *words), count, what) in COUNTS.items():
        only = ["--collect-atstart=no", f"--toggle-collect={example}::measured"]
        total = callgrind(examples / example, [*words, count], *only)
        if not total:
            raise SystemExit(f"{example}: its function `measured` was not found")
        yield name, round(total / count), what
    for name, ((example, *words), count, what) in PROGRAMS.items():
        less, more = (callgrind(examples / example, [*words, n]) for n in (count, 2 * count))
        yield name, round((more - less) / count), what


def main():
    examples = pathlib.Path(sys.argv[1])
    update = "--update" in sys.argv
    machine, compiler = platform.machine(), subprocess.check_output(["rustc", "--version"], text=True).split()[1]
    known = tomllib.loads(BUDGETS.read_text()) if BUDGETS.exists() else {}
    if not update and known.get("machine") != machine:
        raise SystemExit(f"the budgets are for {known.get('machine')}, and this is {machine}")
    lines = [
        "# Instructions of one repetition at most. Written by `benches/instructions.sh --update`.",
        f'machine = "{machine}"', f'compiler = "{compiler}"', "", "[budget]",
    ]
    broken = 0
    for name, count, what in measure(examples):
        budget = known.get("budget", {}).get(name)
        over = not update and (budget is None or count > budget)
        broken += over
        print(f"{name}: {count} of {budget} ({what}){'  TOO MANY' if over else ''}", flush=True)
        lines += [f"# {what}: {count}", f"{name} = {round(count * ROOM)}"]
    if update:
        BUDGETS.write_text("\n".join(lines) + "\n")
    elif broken:
        raise SystemExit(f"{broken} above budget; with compiler {compiler}, budgets of {known.get('compiler')}")


if __name__ == "__main__":
    main()
