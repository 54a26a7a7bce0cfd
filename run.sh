#!/usr/bin/env bash
# Builds the door and starts it. Arguments are passed on:
#   ./run.sh                      serve with the defaults
#   ./run.sh --config my.toml     serve with a configuration
#   ./run.sh check config         any other subcommand of surgewall
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"

# A shell that was not started by a login may lack rustup's folder.
[[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]] && PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

for tool in cargo cc; do
  if ! command -v "$tool" >/dev/null; then
    echo "run.sh: $tool is missing. Surgewall needs Rust 1.94 or newer (https://rustup.rs) and a C compiler." >&2
    exit 2
  fi
done

# The current directory stays the caller's: surgewall.toml and surgewall-data are looked for there.
target="${CARGO_TARGET_DIR:-$root/target}"
if [[ ! -x "$target/release/surgewall" ]]; then
  echo "run.sh: the first build takes some minutes." >&2
fi
cargo build --release --locked --package surgewall --manifest-path "$root/Cargo.toml" >&2

surgewall="$target/release/surgewall"

# Without a subcommand among the arguments it is `serve`.
expects_value=no
for argument in "$@"; do
  if [[ $expects_value == yes ]]; then
    expects_value=no
    continue
  fi
  case "$argument" in
    --config | --data-dir) expects_value=yes ;;
    -h | --help | -V | --version) exec "$surgewall" "$@" ;;
    -*) ;;
    *) exec "$surgewall" "$@" ;;
  esac
done
exec "$surgewall" serve "$@"
