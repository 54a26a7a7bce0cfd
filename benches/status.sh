#!/usr/bin/env bash
# How soon the status listener answers while the door beside it is saturated.
#   benches/status.sh            about 5 minutes on a quiet machine with two cores
#   benches/status.sh --quick    one short round, to see that it works
# Other arguments: benches/status.py --help.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"

[[ " $* " == *" --programs "* ]] || set -- --programs "$programs" "$@"
[[ " $* " == *" --built "* ]] || build
exec python3 benches/status.py "$@"
