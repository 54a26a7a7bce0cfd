#!/usr/bin/env bash
# What signing in tells a stranger by its time, and what it takes while others flood the sign-up.
#   benches/sign_in.sh            about 6 minutes on a quiet machine with two cores
#   benches/sign_in.sh --quick    half a minute, to see that it works
# Other arguments: benches/sign_in.py --help.
set -euo pipefail
source "$(dirname -- "${BASH_SOURCE[0]}")/peers.sh"

build
exec python3 benches/sign_in.py --programs "$programs" "$@"
