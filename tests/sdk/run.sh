#!/usr/bin/env bash
# The tours of the official SDKs, in Python and Node, against a door with two
# model-server doubles. Loads the pinned SDKs from the package registries once.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."

made="${CARGO_TARGET_DIR:-$PWD/target}/sdk"
mkdir -p "$made/node"

# A marker with the pins' checksum says that the folder is what they ask for.
fresh() { # FOLDER PINS...
  local folder="$1" sum
  shift
  sum="$(cat "$@" | cksum)"
  [[ -f "$folder/.pins" && "$(<"$folder/.pins")" == "$sum" ]] && return 0
  pins="$sum"
  return 1
}

requirements=tests/sdk/python/requirements.txt
if ! fresh "$made/python" "$requirements"; then
  python3 -m venv --clear "$made/python"
  "$made/python/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    --require-hashes --requirement "$requirements"
  echo "$pins" >"$made/python/.pins"
fi

if ! fresh "$made/node" tests/sdk/node/package.json tests/sdk/node/package-lock.json; then
  cp tests/sdk/node/package.json tests/sdk/node/package-lock.json "$made/node/"
  (cd "$made/node" && npm ci --silent --no-audit --no-fund --ignore-scripts)
  echo "$pins" >"$made/node/.pins"
fi
# Node looks for packages beside the script, so the script goes to them.
cp tests/sdk/node/*.mjs "$made/node/"

exec python3 tests/sdk/run.py "$made/python/bin/python" "$made/node/tour.mjs"
