#!/usr/bin/env bash
# make start: install what is missing, build, start hoistd on $MODELS (default: a demo library), and show what it does.
set -euo pipefail
cd "$(dirname "$0")/.."
run=demo/run
mkdir -p "$run"
tools/venv.sh demo
models=${MODELS:-demo/models}
[ -n "${MODELS:-}" ] || .venv/bin/python tools/demo/library.py demo/models 2> "$run/library.log" || { cat "$run/library.log" >&2; exit 1; }
[ -d "$models" ] || { echo "make start: there is no folder $models" >&2; exit 1; }

running() { [ -f "$run/pid" ] && kill -0 "$(cat "$run/pid")" 2>/dev/null; }
if running && { [ "$(cat "$run/models")" != "$models" ] || [ build/hoistd -nt "$run/pid" ]; }; then tools/stop.sh; fi
if ! running; then
  setsid nohup build/hoistd --models "$models" > "$run/out" 2> "$run/log" < /dev/null &
  echo $! > "$run/pid"
  echo "$models" > "$run/models"
  for _ in $(seq 100); do grep -q '^hoistd ready' "$run/out" && break; running || break; sleep 0.1; done
  grep -q '^hoistd ready' "$run/out" || { echo "make start: hoistd did not start:" >&2; cat "$run/log" >&2; exit 1; }
fi
url=$(sed -n 's/^hoistd ready url=\([^ ]*\).*/\1/p' "$run/out")
HOIST_SOCKET=$(sed -n 's/^hoistd ready .*socket=//p' "$run/out") .venv/bin/python tools/demo/show.py "$url" "$(cat "$run/pid")"
