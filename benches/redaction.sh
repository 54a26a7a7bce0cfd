#!/usr/bin/env bash
# How fast redaction is, beside Kingfisher, detect-secrets and Presidio (about 6 minutes).
#   benches/redaction.sh                        synthetic events only
#   benches/redaction.sh --secrets LINES.jsonl  CredData's lines as well (see detection_quality.sh)
#   benches/redaction.sh --quick                shows that it works, measures nothing
# The peers run without a network. Rates are bytes per second of processor time.
set -euo pipefail
# shellcheck source=benches/peers.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"
file="$(value_of --secrets "$@")"
[[ -z $file || -f $file ]] || fail "--secrets: $file is missing; see detection_quality.sh for what it is"
load_peers kingfisher,detect-secrets,presidio
cargo build --release --locked --quiet --package surgewall-guard --examples
exec python3 benches/redaction.py --made "$made" --examples "$CARGO_TARGET_DIR/release/examples" "$@"
