#!/usr/bin/env bash
#
# Builds the pinned generators and linters, once, and prints the folder that holds them:
# controller-gen and golangci-lint.
#
#   hack/tools/build.sh    builds what is missing; the folder is the only line on stdout
#
# The folder lies outside the checkout, in ${KS_CACHE_DIR:-${XDG_CACHE_HOME:-~/.cache}/ks-controller-manager}.
# Its name holds a hash of everything that decides what the tools are, so a tool of another branch's
# version is never used by mistake, and a second call costs nothing.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${KS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ks-controller-manager}/tools
readonly here cache

say() { printf 'tools: %s\n' "$*" >&2; }

# fingerprint hashes what goes into the tools: pins, flags (this script) and the toolchain.
fingerprint() {
  { cat "$here"/go.{mod,sum} "$here"/lint/go.{mod,sum} "$here/build.sh" && go env GOVERSION GOOS GOARCH; } |
    sha256sum | cut -c1-12
}

# pinned is the version that the go.mod of folder $1 requires of module $2.
pinned() {
  awk -v module="$2" '$1 == module { print $2; exit }' "$1/go.mod"
}

# show counts what the go command downloads and compiles, on one line of a terminal and silently
# elsewhere; what else it says (errors) is passed on.
show() {
  local line count=0
  while IFS= read -r line; do
    if [[ $line == *' '* && $line != 'go: downloading '* ]]; then
      say "$line"
    elif [[ -t 2 ]]; then
      printf '\r\033[Ktools: %d modules and packages so far' $((++count)) >&2
    fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

# build builds one tool into the folder $1: its name, the folder of the module that pins it, its package
# and the linker flags that tell it its version, which it cannot find out when another module builds it.
build() {
  local target=$1 name=$2 module=$3 package=$4 flags=$5 start=$SECONDS
  say "building $name"
  CGO_ENABLED=0 GOWORK=off go build -C "$module" -v -mod=readonly -trimpath -buildvcs=false \
    -ldflags "-s -w $flags" -o "$target/$name" "$package" 2>&1 | show
  say "built $name in $((SECONDS - start)) s"
}

# build_once holds the lock while it builds, so that of two callers one builds and the other waits.
build_once() {
  local controller_tools golangci_lint
  controller_tools=$(pinned "$here" sigs.k8s.io/controller-tools)
  golangci_lint=$(pinned "$here/lint" github.com/golangci/golangci-lint/v2)

  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
  if [[ -d $folder ]]; then return; fi

  rm -rf "$cache"/building.* # left by a build that was killed: none is running, the lock is ours
  temporary=$(mktemp -d "$cache/building.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT

  say "controller-gen $controller_tools and golangci-lint $golangci_lint; the first time takes about 3 minutes"
  build "$temporary" controller-gen "$here" sigs.k8s.io/controller-tools/cmd/controller-gen \
    "-X sigs.k8s.io/controller-tools/pkg/version.version=$controller_tools" 9>&-
  build "$temporary" golangci-lint "$here/lint" github.com/golangci/golangci-lint/v2/cmd/golangci-lint \
    "-X main.version=${golangci_lint#v} -X main.commit=$golangci_lint -X main.date=unknown" 9>&-

  chmod 0755 "$temporary"
  mv "$temporary" "$folder" # one rename: the folder is complete or not there
}

main() {
  folder=$cache/$(fingerprint)
  readonly folder
  if [[ ! -d $folder ]]; then build_once; fi
  printf '%s\n' "$folder"
}

main "$@"; exit # one line: bash reads on in a file that changes while it runs
