#!/usr/bin/env python3
"""The tables of the side-by-side benchmark, made from its JSON alone.

    benches/tables.py benches/results/side_by_side.json    prints them again
"""

import json
import pathlib
import sys

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
# What the design asks for.
ADDED_P50_US_MAX = 500
CPU_TO_NGINX_MAX = 4
CPU_TO_LITELLM_MAX = 1 / 20
KIB_PER_STREAM_MAX = 48


def ms(us):
    return f"{us / 1000:.2f}"


def rows(result, pace, mode=None, size=None):
    found = [row for row in result["summary"] if row["pace"] == pace]
    found = [row for row in found if mode in (None, row["mode"]) and size in (None, row["body_bytes"])]
    return {row["gateway"]: row for row in found}


def cells(result, pace):
    found = [(row["mode"], row["body_bytes"]) for row in result["summary"] if row["pace"] == pace]
    return list(dict.fromkeys(found))


def head(result):
    machine, versions = result["machine"], result["versions"]
    named = ", ".join(f"{name} {version}" for name, version in versions.items() if "-" not in name)
    lines = [
        f"{result['date']}, commit {result['commit']}; {machine['processor']}, {machine['cores']} cores, "
        f"Linux {machine['kernel']}; load average {result['load_average_before']} before and "
        f"{result['load_average_after']} after; {named}; {result['settings']['rounds']} rounds.",
    ]
    if result["quick"]:
        lines.append("\n**A quick run: it shows that the scripts work and measures nothing.**")
    return "\n".join(lines)


def cell_table(result, pace, mode, size):
    table = rows(result, pace, mode, size)
    control = table["direct"]
    what = "first token" if mode == "stream" else "answer"
    lines = [
        f"### {'Streamed' if mode == 'stream' else 'Whole'}, {size >> 10} KB",
        "",
        f"Direct: {ms(control['first_p50_us'])} ms median, {ms(control['first_p99_us'])} ms p99.",
        "",
        f"| | added to {what}, median ms | p99 ms | added gap, p50 / p99 ms | CPU per request, µs | beside nginx | beside LiteLLM | requests | failed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in table.items():
        if name == "direct":
            continue
        if not row["requests"]:
            lines.append(f"| {result['labels'][name]} | no answer | - | - | - | - | - | 0 | {row['failed']} |")
            continue
        gap = f"{ms(row['added_gap_p50_us'])} / {ms(row['added_gap_p99_us'])}" if mode == "stream" else "-"
        ratios = [row.get(f"cpu_ratio_to_{peer}") for peer in ("nginx", "litellm")]
        ratios = [f"{ratio:.2f}x" if ratio else "-" for ratio in ratios]
        lines.append(
            f"| {result['labels'][name]} | {ms(row['added_p50_us'])} | {ms(row['added_p99_us'])} | {gap} "
            f"| {row['cpu_us_per_request']:.0f} | {ratios[0]} | {ratios[1]} | {row['requests']} | {row['failed']} |"
        )
    return "\n".join(lines)


def bars(result):
    """Each bar, with the worst cell."""
    ours = [row for row in result["summary"] if row["gateway"] == "surgewall"]
    found = []

    def bar(name, field, most, show, fitting=ours):
        fitting = [row for row in fitting if row.get(field) is not None]
        if fitting:
            worst = max(fitting, key=lambda row: row[field])
            where = " ".join(str(worst[k]) for k in ("pace", "mode", "body_bytes") if k in worst)
            verdict = "held" if worst[field] <= most else "MISSED"
            found.append(f"- {name}: at most {show(most)}, at worst {show(worst[field])} ({where}): {verdict}")

    # A whole answer has no first token: what is added to it stands in the tables.
    streams = [row for row in ours if row["mode"] == "stream"]
    bar("median added to the first token, ms", "added_p50_us", ADDED_P50_US_MAX, ms, streams)
    bar("CPU per request beside nginx", "cpu_ratio_to_nginx", CPU_TO_NGINX_MAX, lambda x: f"{x:.2f}x")
    bar("CPU per request beside LiteLLM", "cpu_ratio_to_litellm", CPU_TO_LITELLM_MAX, lambda x: f"{x:.3f}x")
    idle = [row for row in result["idle_streams"] if row["gateway"] == "surgewall"]
    bar("memory of an idle stream, KiB", "kib_per_stream", KIB_PER_STREAM_MAX, lambda x: f"{x:.1f}", idle)
    return "\n".join(found)


def idle_table(result):
    lines = ["## Memory of an idle proxied stream", "", "| | streams | KiB each | refused | ended early |", "|---|---|---|---|---|"]
    for row in result["idle_streams"]:
        refused = sum(row["errors"].values())
        lines.append(
            f"| {result['labels'][row['gateway']]} | {row['streams']} | {row['kib_per_stream']:.1f} | {refused} | {row['ended']} |"
        )
    return "\n".join(lines)


def long_tables(result):
    parts = ["# Side by side", "", "Written by `benches/run.sh`; what it does stands in [benches/README.md](../README.md). " + head(result), ""]
    parts += ["## What was asked for", "", bars(result), ""]
    for pace, settings in result["settings"]["paces"].items():
        of_pace = cells(result, pace)
        if of_pace:
            parts += [f"## {settings['rate']:g} requests per second", ""]
            parts += [text for mode, size in of_pace for text in (cell_table(result, pace, mode, size), "")]
    if result["idle_streams"]:
        parts += [idle_table(result), ""]
    return "\n".join(parts)


def short_table(result):
    pace = result["settings"]["paces"]["modest"]
    lines = [
        f"| streamed, {pace['rate']:g} requests per second | added to the first token, 1 KB: median / p99 | 64 KB: median / p99 "
        "| added gap between chunks, p99 | CPU per request, 1 KB | beside nginx | memory of an idle stream |",
        "|---|---|---|---|---|---|---|",
    ]
    small, large = rows(result, "modest", "stream", 1 << 10), rows(result, "modest", "stream", 64 << 10)
    memory = {row["gateway"]: f"{row['kib_per_stream']:.1f} KiB" for row in result["idle_streams"]}
    for name in small:
        if name == "direct":
            continue
        row, other = small[name], large[name]
        if not (row["requests"] and other["requests"]):
            lines.append(f"| {result['labels'][name]} | no answer | - | - | - | - | - |")
            continue
        ratio = row.get("cpu_ratio_to_nginx")
        lines.append(
            f"| {result['labels'][name]} | {ms(row['added_p50_us'])} / {ms(row['added_p99_us'])} ms "
            f"| {ms(other['added_p50_us'])} / {ms(other['added_p99_us'])} ms | {ms(row['added_gap_p99_us'])} ms "
            f"| {row['cpu_us_per_request'] / 1000:.2f} ms | {f'{ratio:.1f}x' if ratio else '-'} | {memory.get(name, '-')} |"
        )
    where = "[benches/results/side_by_side.md](benches/results/side_by_side.md)"
    lines += ["", f"{head(result)} More cells, rates and how it was measured: {where}."]
    return "\n".join(lines)


def write_readme(readme, result):
    text = readme.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{short_table(result)}\n{END}{after}")


if __name__ == "__main__":
    print(long_tables(json.loads(pathlib.Path(sys.argv[1]).read_text())))
