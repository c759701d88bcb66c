#!/usr/bin/env bash
# make stop: end the hoistd that make start began. Waits until it is gone, and frees what one that was killed left behind.
set -euo pipefail
cd "$(dirname "$0")/.."
free() { build/hoistd --free-kept > /dev/null 2>&1 || true; } # refuses when another hoistd runs, which keeps its own
pid=$(cat demo/run/pid 2>/dev/null || true)
if [ -z "$pid" ] || ! kill -TERM "$pid" 2>/dev/null; then echo "hoistd is not running"; rm -f demo/run/pid; free; exit 0; fi
for _ in $(seq 70); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
rm -f demo/run/pid
kill -0 "$pid" 2>/dev/null && { echo "hoistd ($pid) does not end" >&2; exit 1; }
free
echo "hoistd is stopped"
