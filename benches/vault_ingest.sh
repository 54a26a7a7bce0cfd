#!/usr/bin/env bash
# Events into the store of records, redacted, sealed and provable, beside chDB (the
# ClickHouse engine) inserting the same lines and nothing else; and what it takes to
# erase one account.
#   benches/vault_ingest.sh            about 25 minutes on a quiet machine with two cores, and 12 GB of disk
#   benches/vault_ingest.sh --quick    about a minute: shows that it works, measures nothing
#   benches/vault_ingest.sh --soak     ten minutes of ingest besides
# Other arguments: benches/vault_ingest.py --help. Loads chDB once, into target/bench.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"

# The newest in the package registry in November 2026.
chdb_version=4.4.0

cargo build --profile "$profile" --locked --package surgewall-gateway --example vault_ingest
from_pypi chdb chdb "$chdb_version"
exec python3 benches/vault_ingest.py --made "$made" --programs "$programs" --chdb "$chdb_version" "$@"
