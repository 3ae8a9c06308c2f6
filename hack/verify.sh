#!/usr/bin/env bash
#
# Fails, with the difference, when a generated file or a go.mod is not what its sources say.
#
# Files are generated in a copy of the checkout: looking changes nothing, and tests may run beside it.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0

say() { printf 'verify: %s\n' "$*" >&2; }

copies=$(mktemp -d)
trap 'rm -rf "$copies"' EXIT
mkdir "$copies/checkout"

# Tracked files and new ones, as they are now: what git ignores is no source.
git ls-files -z --cached --others --exclude-standard --deduplicate |
  while IFS= read -r -d '' file; do
    if [[ -e $file ]]; then printf '%s\0' "$file"; fi # not deleted without telling git
  done |
  tar --create --null --files-from=- | tar --extract --directory="$copies/checkout"
cp -a "$copies/checkout" "$copies/generated"

say "generating"
if ! MAKEFLAGS="" make --no-print-directory -C "$copies/generated" generate >"$copies/log" 2>&1; then
  cat "$copies/log" >&2
  say "make generate fails"
  failed=1
elif ! (cd "$copies" && git --no-pager diff --no-index --no-prefix checkout generated); then
  say "generated files are not current: run \"make generate\" and commit what it changes"
  failed=1
fi

while IFS= read -r -d '' file; do
  say "go mod tidy in $(dirname "$file")"
  if ! (cd "$(dirname "$file")" && GOWORK=off go mod tidy -diff) >"$copies/tidy"; then
    sed '/^diff current\/go.sum/,$d' "$copies/tidy" # the long rest follows from go.mod
    say "$file is not tidy: run \"go mod tidy\" in $(dirname "$file")"
    failed=1
  fi
done < <(git ls-files -z --cached --others --exclude-standard --deduplicate -- go.mod '*/go.mod')

exit "$failed"
