#!/usr/bin/env bash
# The side-by-side benchmark: Surgewall, nginx and LiteLLM before the same
# model-server double, in one run.
#   benches/run.sh                   about 20 minutes on a quiet machine with two cores
#   benches/run.sh --quick           two short rounds, to see that it works
#   benches/run.sh --write-readme    also puts the short table into README.md
#   benches/run.sh --with portkey,envoy
# Other arguments: benches/side_by_side.py --help. Loads the peers once, into target/bench.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"

with="$(value_of --with "$@")"
build
load_peers "nginx,litellm,$with"

run=(python3 benches/side_by_side.py --made "$made" --programs "$programs" "$@")
if [[ ",$with," == *,portkey,* ]]; then
  # It listens on every address: in a network namespace there is only loopback.
  for tool in unshare ip; do
    command -v "$tool" >/dev/null || fail "$tool is missing: Portkey would listen beyond loopback"
  done
  exec unshare --map-root-user --net bash -c 'ip link set lo up && exec "$@"' bash "${run[@]}"
fi
exec "${run[@]}"
