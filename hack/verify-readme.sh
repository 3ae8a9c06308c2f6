#!/usr/bin/env bash
#
# Fails when README.md names a test that does not exist: each row of "what works today" names its proof.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0

# The tests that README names, alone or with a case behind a slash.
# shellcheck disable=SC2016 # the backticks are README's
names=$(grep -oE '`(Test|Fuzz|Benchmark)[A-Z0-9_][A-Za-z0-9_]*[`/]' README.md | tr -d '`/' | LC_ALL=C sort -u) || true

if [[ -z $names ]]; then
  printf 'verify: README.md names no test at all\n' >&2
  exit 1
fi

while IFS= read -r name; do
  if ! grep --quiet --recursive --include='*_test.go' "^func $name(" api cmd hack pkg test; then
    printf 'verify: README.md names %s, but no _test.go has it\n' "$name" >&2
    failed=1
  fi
done <<<"$names"

exit "$failed"
