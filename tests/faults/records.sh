#!/usr/bin/env bash
# Kills the store of records with -9 while events come in, and looks for every
# event that was acknowledged.
#   tests/faults/records.sh          100 times, about a minute
#   tests/faults/records.sh 1000
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
RECORDS_KILLS="${1:-100}" cargo test --locked --quiet --package surgewall-store --test it -- \
  records_kill::nothing_that_was_acknowledged
