# Sourced by ./tools/test, ./tools/demo and others: installs what is missing, configures, builds.
# Needs nothing but bash, coreutils, awk and apt. Talk goes to standard error.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PACKAGES="$ROOT/tools/packages.txt"

say() { printf '%s\n' "onward: $*" >&2; }
# Ends the script with a sysexits code and a sentence that says what to do.
give_up() { local code=$1; shift; say "$*"; exit "$code"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    give_up 77 "packages are missing, and installing them needs root or sudo; run this as root: apt-get install -y$MISSING"
  fi
}

# The packages of a group ("build", "ci") that are not installed, each after a space.
missing_packages() {
  local name group
  while read -r name group _; do
    [ "$group" = "$1" ] || continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf ' %s' "$name"
  done < <(grep -v '^[[:space:]]*#' "$PACKAGES")
}

install_packages() {
  MISSING=$(missing_packages "$1")
  [ -n "$MISSING" ] || return 0
  command -v apt-get >/dev/null 2>&1 ||
    give_up 69 "these packages of Debian 12 are missing and there is no apt-get to install them:$MISSING"
  say "installing what is missing:$MISSING"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null >&2 ||
    give_up 69 "apt-get update failed; is the package mirror reachable?"
  # shellcheck disable=SC2086  # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      -o Dpkg::Use-Pty=0 $MISSING </dev/null >&2 ||
    give_up 69 "apt-get could not install:$MISSING"
}

# How many compilers at once: a core each, and a gigabyte each for the heaviest files.
build_jobs() {
  local cores gigabytes
  cores=$(nproc 2>/dev/null || echo 1)
  gigabytes=$(awk '/^MemAvailable:/ {print int($2 / 1000000)}' /proc/meminfo 2>/dev/null)
  [ "${gigabytes:-0}" -ge 1 ] || gigabytes=1
  echo "${ONWARD_JOBS:-$((cores < gigabytes ? cores : gigabytes))}"
}

# Where a preset of CMakePresets.json builds.
build_folder() {
  case $1 in
    release) echo "$ROOT/build" ;;
    *) echo "$ROOT/build-$1" ;;
  esac
}

# build_preset PRESET [TARGET…]: configures and builds; without targets, everything.
build_preset() {
  local preset=$1 folder log target
  shift
  folder=$(build_folder "$preset")
  mkdir -p "$folder"
  log="$folder/configure.log"
  say "configuring ${folder#"$ROOT"/}"
  (cd "$ROOT" && cmake --preset "$preset" </dev/null >"$log" 2>&1) || {
    cat "$log" >&2
    give_up 70 "configuring failed"
  }
  say "building ${*:-everything} in ${folder#"$ROOT"/} with $(build_jobs) jobs (the first time takes minutes)"
  local targets=()
  for target in "$@"; do targets+=("$target"); done
  NINJA_STATUS='[%f/%t, %es] ' ninja -C "$folder" -j "$(build_jobs)" "${targets[@]}" </dev/null >&2 ||
    give_up 70 "the build failed"
}
