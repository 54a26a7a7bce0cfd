#!/usr/bin/env bash
# Instruction counts of the hot paths under callgrind, held against budgets.toml.
#   benches/instructions.sh             fails where a count is above its budget
#   benches/instructions.sh --update    writes the budgets anew, with 10 % of room
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
[[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]] && PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
for tool in cargo valgrind python3; do
  command -v "$tool" >/dev/null || { echo "benches/instructions.sh: $tool is missing" >&2; exit 2; }
done
target="${CARGO_TARGET_DIR:-$PWD/target}"
for crate in guard wire shield store; do
  cargo build --release --locked --quiet --package "surgewall-$crate" --examples
done
exec python3 benches/instructions.py "$target/release/examples" "$@"
