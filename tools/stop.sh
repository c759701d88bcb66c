#!/usr/bin/env bash
# make stop: end the hoistd that make start began. Waits until it is gone.
set -euo pipefail
cd "$(dirname "$0")/.."
pid=$(cat demo/run/pid 2>/dev/null || true)
if [ -z "$pid" ] || ! kill -TERM "$pid" 2>/dev/null; then echo "hoistd is not running"; rm -f demo/run/pid; exit 0; fi
for _ in $(seq 70); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
rm -f demo/run/pid
kill -0 "$pid" 2>/dev/null && { echo "hoistd ($pid) does not end" >&2; exit 1; }
echo "hoistd is stopped"
