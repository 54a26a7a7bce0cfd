#!/usr/bin/env bash
# How good detection is on labelled data, beside other tools (about 3 minutes).
#   benches/detection_quality.sh --secrets LINES.jsonl --personal TEXTS.json [--write]
# LINES is CredData's in the form of one JSON object a line (text, truth, category,
# start, end); TEXTS is presidio-research's synthetic set. Either may be left out.
# The data stays where it is: only counts are printed and written. The other tools
# run without a network.
set -euo pipefail
# shellcheck source=benches/peers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"
for option in --secrets --personal; do
  file="$(value_of "$option" "$@")"
  [[ -z $file || -f $file ]] || fail "$option: $file is missing; see the head of this script for what it is"
done
[[ -n "$(value_of --secrets "$@")$(value_of --personal "$@")" ]] || fail "name --secrets or --personal"
load_peers kingfisher,detect-secrets,presidio
cargo build --release --locked --quiet --package surgewall-guard --examples
exec python3 benches/detection_quality.py --made "$made" --examples "$CARGO_TARGET_DIR/release/examples" "$@"
