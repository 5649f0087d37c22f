# Sourced by ./tools/test, ./tools/demo and others: installs what is missing, configures, builds.
# Requires bash, coreutils, awk, sed and apt. Progress goes to standard error.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PACKAGES="$ROOT/tools/packages.txt"

say() { printf '%s\n' "onward: $*" >&2; }
# Ends the script with a sysexits code and a sentence that says what to do.
give_up() { local code=$1; shift; say "$*"; exit "$code"; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# "45 s" or "3 min".
duration() { if [ "$1" -lt 90 ]; then echo "$1 s"; else echo "$((($1 + 30) / 60)) min"; fi; }

# follow LABEL LOG PATTERN: copies standard input to LOG and shows progress in one line. PATTERN is
# a regular expression for the lines that count; its groups are how many steps are done, and how
# many there are. Without groups each match is one step of STEPS, which may be set by a line
# "N newly installed". On a terminal the line is rewritten; elsewhere every tenth is printed.
follow() {
  local label=$1 log=$2 pattern=$3 line done=0 total=0 shown=0 percent text left began=$SECONDS
  while IFS= read -r line; do
    printf '%s\n' "$line" >>"$log"
    # A package is downloaded, unpacked and set up.
    if [[ $line =~ ([0-9]+)\ newly\ installed ]]; then total=$((BASH_REMATCH[1] * 3)); fi
    [[ $line =~ $pattern ]] || continue
    if [ ${#BASH_REMATCH[@]} -gt 1 ]; then
      done=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]}
    else
      done=$((done + 1))
    fi
    [ "$total" -gt 0 ] || continue
    percent=$((100 * done / total))
    [ "$percent" -gt "$shown" ] || continue
    text="onward: $label: $percent %" left=$(((SECONDS - began) * (total - done) / done))
    if [ $((SECONDS - began)) -ge 5 ] && [ "$left" -gt 0 ]; then text+=", about $(duration "$left") left"; fi
    if [ -t 2 ]; then
      printf '\r\033[K%s' "$text" >&2
      shown=$percent
    elif [ "$percent" -ge $((shown + 10)) ]; then
      printf '%s\n' "$text" >&2
      shown=$((percent / 10 * 10))
    fi
  done
  if [ -t 2 ]; then printf '\r\033[K' >&2; fi
}

# The packages of a group of packages.txt that are not installed, each after a space.
missing_packages() {
  local name group
  while read -r name group _; do
    [ "$group" = "$1" ] || continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf ' %s' "$name"
  done < <(grep -v '^[[:space:]]*#' "$PACKAGES")
}

# install_packages GROUP...: installs what is missing of these groups of packages.txt.
install_packages() {
  local missing='' group log="$ROOT/build/packages.log" began=$SECONDS
  for group in "$@"; do missing+=$(missing_packages "$group"); done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null 2>&1 ||
    give_up 69 "these packages of Debian 12 are missing and there is no apt-get to install them:$missing"
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null 2>&1 ||
    give_up 77 "packages are missing, and installing them requires root or sudo; run this as root: apt-get install -y$missing"
  mkdir -p "$ROOT/build"
  say "installing packages (details: build/packages.log):$missing"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    give_up 69 "apt-get update failed; is the package mirror reachable?"
  }
  # shellcheck disable=SC2086  # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      -o Dpkg::Use-Pty=0 $missing </dev/null 2>&1 |
    follow 'installing packages' "$log" '^Get:[0-9]|^Unpacking |^Setting up ' || {
    tail -n 20 "$log" >&2
    give_up 69 "apt-get could not install:$missing"
  }
  say "installed packages in $(duration $((SECONDS - began)))"
}

# How many compilers run at once: one per core, as far as 2 GB of memory are free for each.
build_jobs() {
  local cores jobs
  cores=$(nproc 2>/dev/null || echo 1)
  jobs=$(awk '/^MemAvailable:/ {print int($2 / 2000000)}' /proc/meminfo 2>/dev/null)
  [ "${jobs:-0}" -ge 1 ] || jobs=1
  echo "${ONWARD_JOBS:-$((cores < jobs ? cores : jobs))}"
}

# The folder in which a preset of CMakePresets.json builds.
build_folder() {
  case $1 in
    release) echo "$ROOT/build" ;;
    *) echo "$ROOT/build-$1" ;;
  esac
}

# build_preset PRESET [TARGET...]: configures and builds; without targets, everything.
build_preset() {
  local preset=$1 folder log began=$SECONDS
  shift
  folder=$(build_folder "$preset")
  mkdir -p "$folder"
  log="$folder/configure.log"
  (cd "$ROOT" && cmake --preset "$preset" </dev/null >"$log" 2>&1) || {
    cat "$log" >&2
    give_up 70 "configuring failed"
  }
  log="$folder/build.log"
  say "building ${*:-everything} with $(build_jobs) jobs (details: ${log#"$ROOT"/})"
  : >"$log"
  NINJA_STATUS='%f %t ' ninja -C "$folder" -j "$(build_jobs)" "$@" </dev/null 2>&1 |
    follow building "$log" '^([0-9]+) ([0-9]+) ' || {
    sed -n '/^FAILED: /,$p' "$log" | head -n 60 >&2
    give_up 70 "the build failed; everything that was printed is in ${log#"$ROOT"/}"
  }
  say "built in $(duration $((SECONDS - began)))"
}
