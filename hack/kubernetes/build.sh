#!/usr/bin/env bash
#
# Builds Kubernetes from its Go modules, once, and prints the folder that holds its programs: etcd,
# kube-apiserver, kube-controller-manager, kube-scheduler and kubectl.
#
#   hack/kubernetes/build.sh          builds what is missing; the folder is the only line on stdout
#   hack/kubernetes/build.sh --path   builds nothing: prints the folder, or fails if it is not built yet
#
# The folder lies outside the checkout, in ${KS_CACHE_DIR:-${XDG_CACHE_HOME:-~/.cache}/ks-controller-manager},
# so that a clean checkout, or a second one, does not build again. Its name holds a hash of everything that
# goes into the build, so a changed source never finds an old binary.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly programs=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl)
readonly main_package=github.com/ks-core/ks-controller-manager/hack/kubernetes

say() { printf 'kubernetes: %s\n' "$*" >&2; }

fail() {
  say "$*"
  exit 1
}

need() { command -v "$1" >/dev/null || fail "$1 is missing: $2"; }

# kubernetes_version is the version that go.mod pins, such as v1.37.2.
kubernetes_version() {
  awk '$1 == "k8s.io/kubernetes" && $2 ~ /^v/ { print $2; exit }' "$here/go.mod"
}

# fingerprint hashes what goes into the binary: sources, pins, flags (this script) and the toolchain.
fingerprint() {
  { cat "$here/go.mod" "$here/go.sum" "$here"/*.go "$here/build.sh" && go env GOVERSION GOOS GOARCH; } |
    sha256sum | cut -c1-12
}

# link_flags stamps the version into the binary: clients that parse the server's version need it.
link_flags() {
  local major minor stamped
  IFS=. read -r major minor _ <<<"${version#v}"

  printf -- '-s -w'
  for stamped in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf -- ' -X %s=%s' \
      "$stamped.gitVersion" "$version" "$stamped.gitMajor" "$major" "$stamped.gitMinor" "$minor" \
      "$stamped.gitTreeState" clean "$stamped.gitCommit" "$version"
  done
}

# progress replaces the last line on a terminal, and adds a line elsewhere (step: only every so often).
progress() {
  if [[ -t 2 ]]; then
    printf '\r\033[Kkubernetes: %s' "$*" >&2
  else
    say "$*"
  fi
}

end_progress() {
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

# show_downloads counts the go command's "go: downloading" lines; whatever else it says is passed on.
show_downloads() {
  local line count=0 step=25
  if [[ -t 2 ]]; then step=1; fi

  while IFS= read -r line; do
    if [[ $line != 'go: downloading '* ]]; then
      end_progress
      say "$line"
    elif ((++count % step == 0)); then
      progress "downloaded $count modules"
    fi
  done
  end_progress
}

# show_compiled counts the package names of "go build -v" against the number of packages there are.
# What is in Go's build cache already is not named, so the count may stop early.
show_compiled() {
  local total=$1 line count=0 percent shown=-1 step=5
  if [[ -t 2 ]]; then step=1; fi

  while IFS= read -r line; do
    if [[ $line == *' '* ]]; then # a message, not a package name
      end_progress
      say "$line"
      continue
    fi

    percent=$((++count * 100 / total))
    if ((percent >= shown + step || shown < 0)); then
      shown=$((percent / step * step))
      progress "compiled $count of about $total packages ($percent %)"
    fi
    if [[ $line == "$main_package" ]]; then
      progress "compiled $count of about $total packages, linking"
    fi
  done
  end_progress
}

# explain ends the script with the reason a step failed, as far as it can be told from its output.
explain() {
  local step=$1 log=$2
  if grep -q 'no space left on device' "$log"; then
    say "the disk is full; these folders need about 6 GB in all:"
    df -h "$cache" "$(go env GOCACHE)" "$(go env GOMODCACHE)" "${TMPDIR:-/tmp}" >&2 || true
    fail "make room and run again: what is compiled already is kept"
  fi
  fail "$step failed, see above"
}

# build compiles into the folder $1, which does not matter to anyone until it is renamed.
build() {
  local target=$1 log=$1/build.log flags total program
  flags=$(link_flags)

  say "finding the packages of Kubernetes $version (downloads what is missing)"
  go list -mod=readonly -deps . 2>&1 >"$target/packages" | tee -a "$log" | show_downloads ||
    explain "finding the packages" "$log"
  total=$(wc -l <"$target/packages")

  say "compiling up to $total packages"
  go build -v -mod=readonly -trimpath -buildvcs=false -ldflags "$flags" \
    -o "$target/kube" . 2>&1 | tee -a "$log" | show_compiled "$total" ||
    explain "compiling" "$log"

  for program in "${programs[@]}"; do
    ln -s kube "$target/$program"
  done
  rm "$target/packages" "$log"
}

main() {
  local only_path=${1:-}
  [[ -z $only_path || $only_path == --path ]] || fail "unknown argument $only_path: want none, or --path"

  need go "install it from https://go.dev/dl, at least the version that hack/kubernetes/go.mod names"
  cd "$here"
  export CGO_ENABLED=0 GOWORK=off

  version=$(kubernetes_version)
  [[ -n $version ]] || fail "go.mod does not require k8s.io/kubernetes"
  cache=${KS_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ks-controller-manager}/kubernetes
  folder=$cache/$version-$(fingerprint)
  readonly version cache folder

  if [[ -x $folder/kube ]]; then
    printf '%s\n' "$folder"

    return
  fi
  [[ -z $only_path ]] || fail "Kubernetes $version is not built yet ($folder): run \"make kubernetes\""

  build_once
  printf '%s\n' "$folder"
}

# build_once holds the lock while it builds, so that of two callers one builds and the other waits.
build_once() {
  need flock "install the package util-linux"
  mkdir -p "$cache" || fail "cannot create the cache folder $cache"

  exec 9>"$cache/lock"
  if ! flock --nonblock 9; then
    say "another build is running, waiting for it"
    flock 9
  fi
  if [[ -x $folder/kube ]]; then
    return
  fi

  say "building Kubernetes $version from its Go modules; the first time takes 8 to 10 minutes on two cores"
  rm -rf "$cache"/building.* # left by a build that was killed: none is running, the lock is ours
  temporary=$(mktemp -d "$cache/building.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT

  build "$temporary" 9>&-
  chmod 0755 "$temporary"
  mv "$temporary" "$folder"
  say "built Kubernetes $version in $((SECONDS / 60)) min $((SECONDS % 60)) s: $folder"
}

main "$@"; exit # one line: bash reads on in a file that changes while it runs
