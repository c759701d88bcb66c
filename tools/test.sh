#!/usr/bin/env bash
# Run every test of a build folder and close with the sum. usage: tools/test.sh BUILD
set -uo pipefail
cd "$(dirname "$0")/.."
build=$1
meson test -C "$build" --no-rebuild --print-errorlogs 2>&1 | tee "$build/unit.log" | grep -v ' OK  ' || true
HOIST_BUILD=$PWD/$build .venv/bin/python -m pytest tests/python tests/system -q -p no:cacheprovider --junitxml="$build/pytest.xml"
.venv/bin/python - "$build" <<'PY'
"""Add up what meson and pytest counted."""
import re
import sys
import xml.etree.ElementTree as xml

build = sys.argv[1]
unit = dict(re.findall(r"^(\w[\w ]*?):\s+(\d+)\s*$", open(f"{build}/unit.log", encoding="utf-8").read(), re.M))
suite = xml.parse(f"{build}/pytest.xml").getroot().find("testsuite").attrib
failed = int(unit.get("Fail", 1)) + int(unit.get("Timeout", 0)) + int(suite["failures"]) + int(suite["errors"])
skipped = int(unit.get("Skipped", 0)) + int(suite["skipped"])
passed = int(unit.get("Ok", 0)) + int(suite["tests"]) - int(suite["failures"]) - int(suite["errors"]) - int(suite["skipped"])
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed > 0)
PY
