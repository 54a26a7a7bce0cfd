"""chDB's part of the ingest benchmark, in a process of its own: FOLDER LINES.

Prints what the plain insert and the deletion of one account took, as JSON.
"""

import json
import os
import pathlib
import resource
import sys
import time

from chdb.session import Session

LARGE = "user000000"


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work):
    cpu, wall = cpu_s(), time.monotonic()
    work()
    return cpu_s() - cpu, time.monotonic() - wall


def bytes_of(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file())


def main():
    folder, lines = sys.argv[1:]
    session = Session(folder)

    def number(sql):
        return int(session.query(sql, "CSV").bytes().decode().strip())

    session.query("CREATE DATABASE bench")
    session.query(
        "CREATE TABLE bench.log (at DateTime64(3), request_id String, account String, model LowCardinality(String), "
        "dialect LowCardinality(String), outcome LowCardinality(String), input_tokens UInt64, output_tokens UInt64, "
        "request String CODEC(ZSTD(1)), answer String CODEC(ZSTD(1))) ENGINE = MergeTree ORDER BY (account, at)"
    )
    insert = timed(
        lambda: session.query(
            "INSERT INTO bench.log SELECT fromUnixTimestamp64Milli(at), request_id, account, model, dialect, outcome, "
            "input_tokens, output_tokens, request, answer FROM file('" + os.path.abspath(lines) + "', JSONEachRow, "
            "'at Int64, request_id String, account String, model String, dialect String, outcome String, "
            "input_tokens UInt64, output_tokens UInt64, request String, answer String')"
        )
    )
    events = number("SELECT count() FROM bench.log")
    large = number(f"SELECT count() FROM bench.log WHERE account = '{LARGE}'")
    size = bytes_of(folder)
    erase = timed(
        lambda: session.query(f"ALTER TABLE bench.log DELETE WHERE account = '{LARGE}' SETTINGS mutations_sync = 2")
    )
    left = number(f"SELECT count() FROM bench.log WHERE account = '{LARGE}'")
    print(
        json.dumps(
            {
                "events": events,
                "cpu_us_per_event": insert[0] * 1e6 / events,
                "wall_s": insert[1],
                "events_per_s": events / insert[1],
                "bytes": size,
                "large_account_events": large,
                "erase_cpu_s": erase[0],
                "erase_wall_s": erase[1],
                "left": left,
                "peak_memory_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )


main()
