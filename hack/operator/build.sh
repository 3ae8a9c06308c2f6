#!/usr/bin/env bash
#
# Builds the pinned prometheus-operator, once, and prints the folder that holds it and, in crd, its definitions. Only
# tests run it.
#
#   hack/operator/build.sh           builds it if it is missing; the folder is the only line on stdout
#   hack/operator/build.sh --path    builds nothing: prints the folder, or fails if it is not built yet
#
# The folder lies outside the checkout, in ${KS_CACHE_DIR:-${XDG_CACHE_HOME:-~/.cache}/ks-controller-manager}.
# Its name holds a hash of the pins, this script and the toolchain, so a second call costs nothing.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ks-controller-manager}/operator
module=github.com/prometheus-operator/prometheus-operator
readonly here cache module

# As everything else in the repository: what they share is compiled once.
export CGO_ENABLED=0 GOWORK=off

say() { printf 'operator: %s\n' "$*" >&2; }

fingerprint() {
  { cat "$here"/go.{mod,sum} "$here/build.sh" && go env GOVERSION GOOS GOARCH; } | sha256sum | cut -c1-12
}

# build leaves a folder that is complete or not there: the last step is one rename.
build() {
  local temporary source start=$SECONDS
  say "building"
  mkdir -p "$cache"
  rm -rf "$cache"/building.* # left by a build that was killed: none is running, the lock is ours
  temporary=$(mktemp -d "$cache/building.XXXXXX")

  go -C "$here" build -mod=readonly -trimpath -buildvcs=false -ldflags '-s -w' -o "$temporary/operator" \
    "$module/cmd/operator" >&2
  source=$(go -C "$here" list -mod=readonly -m -f '{{.Dir}}' "$module")
  mkdir "$temporary/crd"
  cp "$source"/example/prometheus-operator-crd/*.yaml "$temporary/crd/"
  chmod -R u+w "$temporary"
  mv "$temporary" "$folder"
  say "built in $((SECONDS - start)) s"
}

main() {
  folder=$cache/$(fingerprint)
  readonly folder

  if [[ ! -d $folder ]]; then
    if [[ ${1:-} == --path ]]; then
      say "it is not built yet ($folder): run \"make engines\""
      exit 1
    fi
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    [[ -d $folder ]] || build
  fi
  printf '%s\n' "$folder"
}

main "$@"; exit # one line: bash reads on in a file that changes while it runs
