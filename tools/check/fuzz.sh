#!/usr/bin/env bash
# Run every fuzz target for so many seconds, with what was found before as its first inputs.
# usage: tools/check/fuzz.sh [SECONDS [TARGET...]]   fails when one finds something, or runs too slowly to find anything
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10}
shift || true
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debugoptimized >/dev/null
targets=${*:-answer folder http index json safetensors sidecar wire}
ninja -C $build --quiet $(for target in $targets; do echo tests/fuzz/fuzz_$target; done)
total=0
for target in $targets; do
  mkdir -p $build/corpus/$target
  log=$build/$target.log
  $build/tests/fuzz/fuzz_$target -max_total_time=$seconds -timeout=5 -rss_limit_mb=1024 -max_len=65536 -artifact_prefix=$build/$target- \
    $build/corpus/$target tests/fuzz/corpus/$target >$log 2>&1 || { tail -30 $log; echo "fuzz_$target found something: $build/$target-*"; exit 1; }
  runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' $log)
  edges=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' $log | tail -1)
  echo "$target: $runs runs, $edges edges"
  [ "$runs" -ge $((seconds * 200)) ] || { echo "fuzz_$target is too slow"; exit 1; }
  total=$((total + runs))
done
echo "$(echo $targets | wc -w) targets, $total runs, nothing found"
