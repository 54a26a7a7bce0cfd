"""Events into the store of records beside chDB's plain insert of the same lines.

    benches/vault_ingest.sh             about 25 minutes
    benches/vault_ingest.sh --quick     about a minute: shows that it works

Ours: redaction, grouping, compression, sealing under a key of each account, one
transaction with an fdatasync for each batch, the ledger with its proofs. chDB: one
INSERT from a file of lines, nothing else. Both have the whole machine, in turn.
Writes benches/results/vault_ingest.json and .md.
"""

import argparse
import datetime
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

from side_by_side import ROOT, commit, load_average, machine

EVENTS = 5_000_000
QUICK_EVENTS = 200_000
ROUNDS = 5
SOAK_S = 600
# What the store is built for.
CPU_US_PER_EVENT_MAX = 20
MEDIANS = ("cpu_us_per_event", "wall_s", "events_per_s", "bytes", "erase_cpu_s", "erase_wall_s", "peak_memory_kib")


def run(words, folder, **options):
    """One process in an empty folder; what it printed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    shutil.rmtree(folder, ignore_errors=True)
    if done.returncode != 0:
        sys.exit(f"{words[0]} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def ours(setup, folder, events, seconds=()):
    row = run([setup.program, "store", folder, events, *seconds], folder)
    assert row["secrets_leaked"] == 0 and row["erased_is_unreadable"], row
    assert 0 < row["batches"] == row["batches_proved"], row
    return row


def chdb(setup, folder, lines):
    # No network: what has no address cannot call home.
    words = [setup.made / "chdb/bin/python", ROOT / "benches/vault_chdb.py", folder, lines]
    if shutil.which("unshare"):
        words = ["unshare", "--map-root-user", "--net", *words]
    row = run(words, folder)
    assert row["left"] == 0, row
    return row


def medians(rows):
    return {name: statistics.median(row[name] for row in rows) for name in MEDIANS}


def page(result):
    settings, summary = result["settings"], result["summary"]
    told, machine_is = result["machine"], []
    machine_is.append(f"{told['processor']}, {told['cores']} cores, Linux {told['kernel']}")
    lines = [
        "# Ingest of records",
        "",
        f"{result['date']}, commit {result['commit']}; {machine_is[0]}; load average {result['load_average_before']} before and "
        f"{result['load_average_after']} after; chDB {settings['chdb']}; {settings['events']:,} events of 556 bytes as JSON, "
        f"{settings['rounds']} rounds, medians. `benches/vault_ingest.sh` makes this page.",
        "",
    ]
    if result["quick"]:
        lines += ["**A quick run: it shows that the scripts work and measures nothing.**", ""]
    lines += [
        "A fifth of the events are one account's, the others those of 1,000 accounts. One line in a hundred holds a secret. "
        "Surgewall redacts, seals for each account and proves each batch in the ledger, and acknowledges after the batch's "
        "fdatasync; chDB inserts the lines from a file and does nothing else.",
        "",
        "| | CPU per event, µs | events per second | bytes on disk per event | erase one account: CPU s | wall s | peak memory, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, label in (("surgewall", "Surgewall"), ("chdb", "chDB, plain insert")):
        row = summary[name]
        lines.append(
            f"| {label} | {row['cpu_us_per_event']:.1f} | {row['events_per_s']:,.0f} | {row['bytes'] / settings['events']:.0f} | "
            f"{row['erase_cpu_s']:.2f} | {row['erase_wall_s']:.4f} | {row['peak_memory_kib'] / 1024:.0f} |"
        )
    spread = [row["cpu_us_per_event"] for row in result["runs"]["surgewall"]]
    lines += [
        "",
        f"The aim is at most {CPU_US_PER_EVENT_MAX} µs: {'held' if max(spread) <= CPU_US_PER_EVENT_MAX else 'missed'} "
        f"(from {min(spread):.1f} to {max(spread):.1f} over the rounds). The making of the events is in it.",
        "",
        f"Of {result['runs']['surgewall'][0]['secrets_planted']:,} events with a planted secret, those of the large account were read "
        f"again: {sum(row['secrets_leaked'] for row in result['runs']['surgewall'])} of its events held one. "
        "The sealed blocks of every batch give the root that the ledger has. Erasing destroys the account's keys; its sealed bytes stay until their time is over. chDB's deletion rewrites the parts "
        "that hold the account.",
    ]
    if result.get("soak"):
        soak = result["soak"]
        lines += [
            "",
            f"Ten minutes of ingest: {soak['events']:,} events, {soak['cpu_us_per_event']:.1f} µs of CPU for each, "
            f"{soak['events_per_s']:,.0f} per second, peak memory {soak['peak_memory_kib'] / 1024:.0f} MiB.",
        ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--made", type=pathlib.Path, required=True, help="where the peers are")
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="where ours are")
    parser.add_argument("--chdb", required=True, help="chDB's version")
    parser.add_argument("--events", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--soak", action="store_true", help="ten minutes of ingest besides")
    parser.add_argument("--quick", action="store_true", help="one short round, written nowhere")
    setup = parser.parse_args()
    setup.program = setup.programs / "examples/vault_ingest"
    events = setup.events or (QUICK_EVENTS if setup.quick else EVENTS)
    rounds = setup.rounds or (1 if setup.quick else ROUNDS)
    folder = setup.made / "vault_ingest"
    folder.mkdir(exist_ok=True)
    result = {
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "machine": machine(),
        "quick": setup.quick,
        "settings": {"events": events, "rounds": rounds, "chdb": setup.chdb},
        "load_average_before": load_average(),
        "runs": {"surgewall": [], "chdb": []},
    }
    lines = folder / "lines.jsonl"
    with lines.open("wb") as out:
        subprocess.run([setup.program, "lines", str(events)], stdout=out, check=True)
    for nth in range(rounds):
        result["runs"]["surgewall"].append(ours(setup, folder / "surgewall", events))
        result["runs"]["chdb"].append(chdb(setup, folder / "chdb", lines))
        # The same work: every event of the large account is in both.
        assert len({rows[-1]["large_account_events"] for rows in result["runs"].values()}) == 1, result["runs"]
        for name, rows in result["runs"].items():
            print(f"round {nth + 1}: {name} {json.dumps(rows[-1])}", file=sys.stderr)
    lines.unlink()
    if setup.soak:
        result["soak"] = ours(setup, folder / "surgewall", 10**12, (SOAK_S,))
    result["load_average_after"] = load_average()
    result["summary"] = {name: medians(rows) for name, rows in result["runs"].items()}
    if setup.quick:
        print(page(result))
        return
    base = ROOT / "benches/results/vault_ingest"
    base.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    base.with_suffix(".md").write_text(page(result))
    print(base.with_suffix(".md"))


if __name__ == "__main__":
    main()
