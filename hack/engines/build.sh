#!/usr/bin/env bash
#
# Builds the pinned engines of alerting, once, and prints the folder that holds their programs: prometheus,
# promtool, alertmanager and thanos. Only tests run them.
#
#   hack/engines/build.sh            builds what is missing; the folder is the only line on stdout
#   hack/engines/build.sh ENGINE...  builds these only
#   hack/engines/build.sh --path     builds nothing: prints the folder, or fails if something is not built yet
#
# The folder lies outside the checkout, in ${KS_CACHE_DIR:-${XDG_CACHE_HOME:-~/.cache}/ks-controller-manager}.
# Its name holds a hash of the pins, this script and the toolchain, so a second call costs nothing.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ks-controller-manager}/engines
readonly here cache

# All engines are built with these, as is the rest of the repository: what they share is compiled once.
export CGO_ENABLED=0 GOWORK=off

say() { printf 'engines: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

# fingerprint hashes what goes into the engines: pins, flags (this script) and the toolchain.
fingerprint() {
  { cat "$here/pins" "$here/build.sh" && go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-12
}

# pins prints the lines of the engines $@, or of all without one.
pins() {
  awk -v wanted=" $* " '!/^#/ && NF && (wanted == "  " || index(wanted, " " $1 " "))' "$here/pins"
}

# programs prints what the engines $@ consist of.
programs() {
  pins "$@" | awk '{ for (i = 6; i <= NF; i++) { sub(".*/", "", $i); print $i } }'
}

# missing tells whether a program of the engines $@ is not built yet.
missing() {
  local program
  for program in $(programs "$@"); do
    [[ -x $folder/$program ]] || return 0
  done

  return 1
}

# show counts what the go command downloads and compiles, on one line of a terminal and silently
# elsewhere; what else it says (errors) is passed on.
show() {
  local line count=0
  while IFS= read -r line; do
    if [[ $line == *' '* && $line != 'go: downloading '* ]]; then
      say "$line"
    elif [[ -t 2 ]]; then
      printf '\r\033[Kengines: %d modules and packages so far' $((++count)) >&2
    fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

# unpack downloads a module and prints its folder, after its checksum has been compared.
unpack() {
  local module=$1 version=$2 sum=$3 answer found
  # Outside of every module: this download is to change no go.sum.
  answer=$(go -C "$temporary" mod download -json "$module@$version") ||
    fail "cannot download $module@$version: $answer"
  found=$(sed -n 's/.*"Sum": "\(.*\)".*/\1/p' <<<"$answer")
  [[ $found == "$sum" ]] || fail "the checksum of $module@$version is $found, and pins says $sum"
  sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$answer"
}

# build builds one engine into the folder.
build() {
  local name=$1 module=$2 version=$3 sum=$4 tags=$5 start=$SECONDS source stamp program
  shift 5
  say "building $name $version"
  source=$(unpack "$module" "$version" "$sum")
  if [[ $tags == - ]]; then tags=; fi

  # Prometheus' module v0.316.0 is the program 3.16.0.
  stamp=${version#v}
  if [[ $name == prometheus ]]; then stamp=3.$((10#$(cut -d. -f2 <<<"$stamp") - 300)).$(cut -d. -f3 <<<"$stamp"); fi

  mkdir -p "$temporary/bin"
  go -C "$source" build -v -mod=readonly -trimpath -buildvcs=false -tags "$tags" \
    -ldflags "-s -w -X github.com/prometheus/common/version.Version=$stamp" -o "$temporary/bin/" "$@" 2>&1 | show

  mkdir -p "$folder"
  for program in $(programs "$name"); do
    mv "$temporary/bin/$program" "$folder/$program" # one rename: a program is complete or not there
  done
  say "built $name $version in $((SECONDS - start)) s"
}

# build_once holds the lock while it builds, so that of two callers one builds and the other waits.
build_once() {
  local -a pin
  command -v flock >/dev/null || fail "flock is missing: install the package util-linux"

  mkdir -p "$cache"
  exec 9>"$cache/lock"
  if ! flock --nonblock 9; then
    say "another build is running, waiting for it"
    flock 9
  fi

  rm -rf "$cache"/building.* # left by a build that was killed: none is running, the lock is ours
  temporary=$(mktemp -d "$cache/building.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT

  while read -ra pin <&8; do
    if missing "${pin[0]}"; then build "${pin[@]}" 8<&- 9>&-; fi
  done 8< <(pins "$@")
}

main() {
  local only_path=
  if [[ ${1:-} == --path ]]; then
    only_path=yes
    shift
  fi

  [[ -n $(pins "$@") ]] || fail "there is no engine $*: want ENGINE of hack/engines/pins, none, or --path"
  folder=$cache/$(fingerprint)/bin
  readonly folder

  if missing "$@"; then
    [[ -z $only_path ]] || fail "the engines are not all built yet ($folder): run \"make engines\""
    build_once "$@"
  fi
  printf '%s\n' "$folder"
}

main "$@"; exit # one line: bash reads on in a file that changes while it runs
