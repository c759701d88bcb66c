#!/usr/bin/env bash
# Run every fuzz target for so many seconds, with what was found before, and what tests/badfiles/ makes, as its first inputs.
# usage: tools/check/fuzz.sh [SECONDS [TARGET...]]   fails when one finds something, or does less than tests/fuzz/floors wants of it
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10}
shift || true
build=build-fuzz
[ -f $build/build.ninja ] || CC=clang meson setup $build -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debugoptimized >/dev/null
targets=${*:-$(sed -n 's/^\([a-z]*\) .*/\1/p' tests/fuzz/floors)}
ninja -C $build --quiet $(for target in $targets; do echo tests/fuzz/fuzz_$target; done)
python3 tests/fuzz/seeds.py $build/seeds
total=0
# Run one for so many seconds: sets runs and edges.
run() {
  local target=$1 log=$build/$1.log words
  words=$([ ! -f tests/fuzz/words/$target ] || echo -dict=tests/fuzz/words/$target)
  $build/tests/fuzz/fuzz_$target -max_total_time=$2 -timeout=5 -rss_limit_mb=1024 -max_len=65536 $words -artifact_prefix=$build/$target- \
    $build/corpus/$target tests/fuzz/corpus/$target $build/seeds/$target >$log 2>&1 || { tail -30 $log; echo "fuzz_$target found something: $build/$target-*"; exit 1; }
  runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' $log)
  edges=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' $log | tail -1)
}
for target in $targets; do
  mkdir -p $build/corpus/$target $build/seeds/$target
  read -r least_runs least_edges < <(sed -n "s/^$target //p" tests/fuzz/floors)
  run $target $seconds
  # On a machine that is busy with other things it gets more time to reach as much.
  if [ "$runs" -lt $((seconds * least_runs)) ] || [ "$edges" -lt "$least_edges" ]; then run $target $((5 * seconds)); fi
  echo "$target: $runs runs, $edges edges"
  [ "$runs" -ge $((seconds * least_runs)) ] || { echo "fuzz_$target is too slow: $((seconds * least_runs)) runs are wanted"; exit 1; }
  [ "$edges" -ge "$least_edges" ] || { echo "fuzz_$target reaches too little: $least_edges edges are wanted"; exit 1; }
  total=$((total + runs))
done
echo "$(echo $targets | wc -w) targets, $total runs, nothing found"
