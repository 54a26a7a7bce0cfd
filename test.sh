#!/usr/bin/env bash
# Runs everything that is checked, in order, and stops at the first failure.
#   ./test.sh             all stages
#   ./test.sh sdk faults  only these (see the list below)
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

stages=(format lint test docs monitoring readme sdk pages faults drill)
# Everything that is made goes under target/, which git ignores.
[[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]] && PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"
export CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

fail() {
  echo "test.sh: $*" >&2
  exit 1
}

# Installs system packages, where that is possible, unless CHECK says that they are there.
need() { # CHECK PACKAGE...
  local check="$1"
  shift
  eval "$check" >/dev/null 2>&1 && return
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "installing $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q "$@" >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q "$@" >/dev/null; }
  fi
  eval "$check" >/dev/null 2>&1 || fail "missing: $* (checked by: $check)"
}

stage_format() { cargo fmt --all --check; }

stage_lint() {
  cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
  cargo clippy --package surgewall-gateway --features otel --all-targets --locked --quiet -- -D warnings
}

# Unit, property, golden and integration tests, and the tidy rules (links of the handbook among them).
# The last line is for what only a build with traces has.
# Probes are tried on real servers too.
stage_test() {
  need "redis-server --version" --no-install-recommends redis-server
  need "ls /usr/lib/postgresql/*/bin/initdb" --no-install-recommends postgresql
  need "prometheus --version" --no-install-recommends prometheus
  cargo test --workspace --locked --quiet --no-fail-fast
  cargo test --package surgewall-gateway --features otel --locked --quiet -- trace
}

stage_docs() {
  RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
}

# The alert rules and their tests, and the dashboard's queries. That their metrics exist is held by the Rust tests.
stage_monitoring() {
  need "python3 --version" python3
  need "promtool --version" --no-install-recommends prometheus
  promtool check config deploy/prometheus/prometheus.yml
  promtool test rules deploy/prometheus/surgewall.rules.test.yml
  mkdir -p "$CARGO_TARGET_DIR/monitoring"
  python3 tests/dashboard.py deploy/grafana/surgewall.json "$CARGO_TARGET_DIR/monitoring/dashboard.rules.yml"
  promtool check rules "$CARGO_TARGET_DIR/monitoring/dashboard.rules.yml"
}

# The programs that the following stages run: the same profile as the tests, so they are built already.
programs() {
  cargo build --locked --quiet --package surgewall --package surgewall-testkit --bins
  export SURGEWALL="$CARGO_TARGET_DIR/debug/surgewall"
  export MODEL_DOUBLE="$CARGO_TARGET_DIR/debug/model-double"
}

# What the README tells a new user to do.
stage_readme() {
  need "python3 --version" python3
  need "curl --version" curl
  programs
  python3 tests/first_steps.py
}

# The official SDKs of OpenAI and Anthropic, in Python and Node, against a door.
stage_sdk() {
  need "python3 --version" python3
  need "python3 -c 'import ensurepip, venv'" python3-venv
  need "node --version && npm --version" nodejs npm
  programs
  tests/sdk/run.sh
}

# The pages: what is committed of them is what their sources build, and a browser drives them against a door.
stage_pages() {
  need "node --version && npm --version" nodejs npm
  need "command -v chromium-headless-shell || command -v chromium" --no-install-recommends chromium-headless-shell
  programs
  tests/pages/run.sh
}

# kill -9, a full disk, a drain, a bad reload.
stage_faults() {
  need "python3 --version" python3
  programs
  python3 tests/faults/run.py
}

# The story of January 2025 against a door on loopback, in its short form.
stage_drill() {
  programs
  if ! "$SURGEWALL" drill --help >/dev/null 2>&1; then
    echo "not built"
    return
  fi
  "$SURGEWALL" drill deepseek --short
}

need "cc --version" gcc libc6-dev
command -v cargo >/dev/null || fail "cargo is missing: install Rust 1.94 or newer from https://rustup.rs"
cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
cargo clippy --version >/dev/null 2>&1 || rustup component add clippy

if (($#)); then
  for stage in "$@"; do
    [[ " ${stages[*]} " == *" $stage "* ]] || fail "there is no stage $stage; there are ${stages[*]}"
  done
  stages=("$@")
fi

for stage in "${stages[@]}"; do
  echo "== $stage"
  started=$SECONDS
  # Not in a condition: there `set -e` would not hold inside the function.
  "stage_$stage"
  echo "== $stage: passed in $((SECONDS - started)) s"
done
echo "== all ${#stages[@]} stages passed in $SECONDS s"
