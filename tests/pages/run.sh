#!/usr/bin/env bash
# Builds web/dist anew and fails on a difference, then drives the pages in Chromium against the built door.
# SURGEWALL and MODEL_DOUBLE name the programs, as test.sh sets them; words are passed on to Playwright.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

root="$PWD"
target="${CARGO_TARGET_DIR:-$root/target}"
made="$target/pages-made"
export PAGES_OUT="$target/pages"
CHROMIUM="$(command -v chromium-headless-shell || command -v chromium)"
export CHROMIUM

# Copies the tracked sources of FOLDER to DESTINATION and installs there what its lockfile pins.
install() { # FOLDER DESTINATION
  local sum
  mkdir -p "$2"
  find "$2" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name .pins -exec rm -rf {} +
  sum="$(cat "$1/package.json" "$1/package-lock.json" | cksum)"
  tar -C "$1" --exclude=node_modules --exclude=dist -cf - . | tar -C "$2" -xf -
  if [[ ! -f "$2/.pins" || "$(<"$2/.pins")" != "$sum" ]]; then
    (cd "$2" && npm ci --silent --no-audit --no-fund --ignore-scripts)
    echo "$sum" >"$2/.pins"
  fi
}

install web "$made/web"
(cd "$made/web" && npm run --silent check && npm run --silent build)
node tests/pages/same.mjs web/dist "$made/web/dist"

install tests/pages "$made/tests"
cd "$made/tests"
npx playwright test "$@"
