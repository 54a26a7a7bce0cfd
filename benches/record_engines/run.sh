#!/usr/bin/env bash
# Which engine keeps sealed records, and in what unit they are compressed.
#   benches/record_engines/run.sh              about 10 minutes; writes benches/results/record_engines.md
#   benches/record_engines/run.sh --quick      under a minute: shows that it works, writes nothing
set -euo pipefail
here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
root="$here/../.."
target="${CARGO_TARGET_DIR:-$root/target}/record_engines"
batches=1024
[[ "${1:-}" == --quick ]] && batches=64

CARGO_TARGET_DIR="$target" cargo build --release --quiet --manifest-path "$here/Cargo.toml"
program="$target/release/record-engines"
rows="$(mktemp)"
folder="$(mktemp -d "$target/data.XXXXXX")"
trap 'rm -rf -- "$rows" "$folder"' EXIT
for blocks in 10 100 1000; do
  for engine in sqlite fjall redb; do
    "$program" engine "$engine" "$folder/$engine-$blocks" "$batches" "$blocks" | tee -a "$rows"
    rm -rf -- "${folder:?}/$engine-$blocks"
  done
done
"$program" compress | tee -a "$rows"
[[ "${1:-}" == --quick ]] || python3 "$here/page.py" "$rows" >"$root/benches/results/record_engines.md"
