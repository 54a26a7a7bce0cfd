#!/usr/bin/env bash
# 500 requests at once against a limit of tokens a minute: Surgewall beside LiteLLM.
#   benches/quota_accuracy.sh            about 8 minutes
#   benches/quota_accuracy.sh --quick    one round, to see that it works
# Other arguments: benches/quota_accuracy.py --help. Loads LiteLLM once, into target/bench.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"

build
load_peers litellm
exec python3 benches/quota_accuracy.py --made "$made" --programs "$programs" "$@"
