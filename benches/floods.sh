#!/usr/bin/env bash
# What a good client feels while the door is attacked.
#   benches/floods.sh                     about 15 minutes on a quiet machine with two cores
#   benches/floods.sh --quick             two short rounds, to see that it works
#   benches/floods.sh --only ping,silent
# Other arguments: benches/floods.py --help.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"

[[ " $* " == *" --table "* ]] || build
exec python3 benches/floods.py --programs "$programs" "$@"
