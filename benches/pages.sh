#!/usr/bin/env bash
# What the pages cost a browser: a long answer, a thousand messages, a reload, and Lighthouse.
#   benches/pages.sh              about 15 minutes on a quiet machine
#   benches/pages.sh --quick      once each: shows that it works, measures nothing
#   benches/pages.sh --realtime   on a machine that is not quiet, as root
# Needs Node and Chromium, as `test.sh pages` does. SURGEWALL and MODEL_DOUBLE name programs that are built already.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

root="$PWD"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
if [[ -z "${SURGEWALL:-}" || -z "${MODEL_DOUBLE:-}" ]]; then
  cargo build --locked --quiet --package surgewall --package surgewall-testkit --bins
  export SURGEWALL="$CARGO_TARGET_DIR/debug/surgewall" MODEL_DOUBLE="$CARGO_TARGET_DIR/debug/model-double"
fi
CHROMIUM="$(command -v chromium-headless-shell || command -v chromium)"
export CHROMIUM
# The pages are those of the sources, whenever the door was built.
export PAGES_DIST="$root/web/dist"

made="$CARGO_TARGET_DIR/bench/lighthouse"
mkdir -p "$made"
cp benches/pages/{package.json,package-lock.json,lighthouse.mjs} "$made"
sum="$(cksum <benches/pages/package-lock.json)"
if [[ ! -f "$made/.pins" || "$(<"$made/.pins")" != "$sum" ]]; then
  (cd "$made" && npm ci --loglevel=error --no-audit --no-fund --ignore-scripts)
  echo "$sum" >"$made/.pins"
fi
exec python3 benches/pages.py --lighthouse "$made" "$@"
