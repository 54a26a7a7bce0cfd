#!/usr/bin/env bash
# The order of admission by itself: how evenly clients are served, beside other orders, and what a decision takes at a
# million principals.
#   benches/admission.sh            about a minute
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
[[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]] && PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
for tool in cargo python3; do
  command -v "$tool" >/dev/null || { echo "benches/admission.sh: $tool is missing" >&2; exit 2; }
done
cargo build --release --locked --quiet --package surgewall-shield --examples
exec python3 benches/admission.py --programs "${CARGO_TARGET_DIR:-$PWD/target}/release/examples" "$@"
