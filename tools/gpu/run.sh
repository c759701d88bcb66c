#!/bin/sh
# Ask and measure the card of this machine. usage: ./run.sh test|bench [NAME...]   GPU_DOUBLE=1: the double of the driver instead of a card. PYTHON: another Python than python3.
cd "$(dirname "$0")" || exit 1
here=$(pwd) what=${1:-test} python=${PYTHON:-python3}
[ $# -gt 0 ] && shift
have=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2) need=$(cat needs-glibc)
[ "$(printf '%s\n' "$have" "$need" | sort -V | head -n 1)" = "$need" ] || { echo "the C library here is $have, and these programs need $need: make the bundle on an older system"; exit 2; }
"$python" tools/gpu/python.py "$here"
mkdir -p results
export PYTHONPATH="$here/python${PYTHONPATH:+:$PYTHONPATH}" HOIST_BUILD="$here/bin" PYTHONDONTWRITEBYTECODE=1
case $what in
test) GPU_RESULTS="$here/results/gpu-test.json" exec "$python" tests/gpu/run.py "$here/bin" "$@" ;;
bench) exec "$python" bench/gpu.py "$here/bin" "$here/results" "$@" ;;
*) echo "usage: ./run.sh test|bench [NAME...]" >&2; exit 2 ;;
esac
