#!/usr/bin/env bash
# Run the tests of a build folder and close with the sum.
set -uo pipefail
meson test -C "$1" --no-rebuild --print-errorlogs | tee "$1/test.log"
status=${PIPESTATUS[0]}
count() { awk -v what="$1" '$1 == what { print $2 }' "$2"; }
echo "$(count Ok: "$1/test.log") passed, $(($(count Fail: "$1/test.log") + $(count Timeout: "$1/test.log"))) failed, $(count Skipped: "$1/test.log") skipped"
exit "$status"
