#!/usr/bin/env bash
# A flood at ten and twenty times the capacity of one model server: Surgewall
# beside HAProxy, nginx, Envoy and LiteLLM with their limits, and no door at all.
#   benches/overload.sh                        about 25 minutes on a quiet machine with two cores
#   benches/overload.sh --quick                about 6 minutes: shows that it works, measures nothing
#   benches/overload.sh --peers surgewall,haproxy --multiples 20 --rounds 3
# Other arguments: benches/overload.py --help. Loads the peers once, into target/bench.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"

peers="$(value_of --peers "$@")"
build
load_peers "${peers:-haproxy,nginx,envoy,litellm}"
exec python3 benches/overload.py --made "$made" --programs "$programs" "$@"
