"""The page of results, from the lines of JSON that the program printed."""

import datetime
import json
import os
import platform
import sys

rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
engines = [row for row in rows if "engine" in row]
cases = [row for row in rows if "case" in row]
load = " ".join(f"{n:.2f}" for n in os.getloadavg())

print(f"""# Engines and compression for sealed records

{datetime.date.today()}; {os.cpu_count()} cores, Linux {platform.release()}; load average at the end {load}.
`benches/record_engines/run.sh` makes this page. One run of each.

## Engines

{engines[0]["batches"]} batches of 1 MiB of sealed (random) bytes, one fdatasync each, in blocks of 100,000 accounts, with an index of (account, time). Then 100 accounts are read, and the older half is removed, 16 batches at a time. Processor time is that of the whole process; making the batches is taken off.

| blocks in a batch | engine | write: CPU s per GiB | wall s per GiB | disk bytes per byte | read 100 accounts: CPU s / wall s | remove half: CPU s / wall s | disk bytes per byte after |
|---|---|---|---|---|---|---|---|""")
for row in engines:
    print(
        f"| {row['blocks']} | {row['engine']} | {row['write_cpu_s_per_gib']:.2f} | {row['write_wall_s_per_gib']:.2f} | "
        f"{row['bytes_per_byte']:.2f} | {row['read_100_cpu_s']:.3f} / {row['read_100_wall_s']:.3f} | "
        f"{row['remove_half_cpu_s']:.2f} / {row['remove_half_wall_s']:.2f} | {row['bytes_per_byte_after']:.2f} |"
    )

subjects = sorted({row["subjects"] for row in cases})
print("""
## Compression

Events of 556 bytes (as JSON), in batches of 1 MiB. A unit is what is compressed and sealed as one: an event, the events of one account in the batch, or, as the upper bound that forbids erasure of one account, the whole batch. The ratio counts the 33 bytes that sealing adds to each unit. Each cell: ratio, then microseconds of processor time for each event.
""")
print("| | " + " | ".join(f"{n} accounts in a batch" for n in subjects) + " |")
print("|---" * (len(subjects) + 1) + "|")
for name in dict.fromkeys(row["case"] for row in cases):
    by = {row["subjects"]: row for row in cases if row["case"] == name}
    print(f"| {name} | " + " | ".join(f"{by[n]['ratio']:.2f}, {by[n]['us_per_event']:.1f} µs" for n in subjects) + " |")
