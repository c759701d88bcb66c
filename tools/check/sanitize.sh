#!/usr/bin/env bash
# Build with sanitizers and run the tests. usage: tools/check/sanitize.sh address|thread
# address: memory errors, leaks and undefined behaviour, in unit and system tests. thread: data races, in unit tests.
set -euo pipefail
cd "$(dirname "$0")/../.."
case $1 in
  address) build=build-asan sanitizers=address,undefined ;;
  thread) build=build-tsan sanitizers=thread ;;
  *) exit 2 ;;
esac
[ -f $build/build.ninja ] || meson setup $build -Db_sanitize=$sanitizers -Db_lundef=false --buildtype=debug >/dev/null
ninja -C $build --quiet
rm -f $build/report.*
export HOIST_SANITIZED=1 ASAN_OPTIONS=log_path=$PWD/$build/report UBSAN_OPTIONS=halt_on_error=1:log_path=$PWD/$build/report
meson test -C $build --no-rebuild --print-errorlogs >$build/unit.log 2>&1 || { tail -60 $build/unit.log; exit 1; }
sum="$(sed -n 's/^Ok: *//p' $build/unit.log | tr -d ' ') programs"
if [ "$1" = address ]; then
  HOIST_BUILD=$PWD/$build .venv/bin/python -m pytest tests/system -q -p no:cacheprovider >$build/pytest.log 2>&1 || { tail -60 $build/pytest.log; exit 1; }
  sum="$sum, $(tail -1 $build/pytest.log | sed 's/ in .*//') in system tests"
fi
if cat $build/report.* 2>/dev/null; then exit 1; fi
echo "$sum, no report"
