#!/usr/bin/env bash
# Run every test on an instrumented build and report what they cover: C by gcov, Python by coverage.py.
# usage: tools/check/coverage.sh     leaves build-coverage/{c,python}.txt and html; the last line is the sum
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build-coverage
[ -f $build/build.ninja ] || CFLAGS=-fprofile-update=atomic meson setup $build -Db_coverage=true --buildtype=debug >/dev/null
ninja -C $build --quiet
find $build -name '*.gcda' -delete
rm -f $build/.coverage*
cat > $build/coveragerc <<RC
[run]
source_pkgs = hoist
parallel = true
sigterm = true
patch = subprocess
data_file = $PWD/$build/.coverage
[report]
exclude_also =
    if TYPE_CHECKING:
RC
export COVERAGE_RCFILE=$PWD/$build/coveragerc LD_LIBRARY_PATH=$PWD/$build HOIST_BUILD=$PWD/$build
meson test -C $build --no-rebuild >$build/unit.log 2>&1 || { tail -30 $build/unit.log; exit 1; }
.venv/bin/python -m coverage run -m pytest tests/python tests/system -q -p no:cacheprovider -k "not takes_a_third and not takes_a_tenth" >$build/pytest.log 2>&1 || { tail -40 $build/pytest.log; exit 1; }
unset LD_LIBRARY_PATH
.venv/bin/python -m coverage combine -q $build
.venv/bin/python -m coverage report --skip-covered >$build/python.txt || true
.venv/bin/gcovr -r . --filter src/ -j2 --txt $build/c.txt --json-summary $build/c.json $build >/dev/null 2>$build/gcovr.log || { cat $build/gcovr.log; exit 1; }
.venv/bin/python - $build <<'PY'
"""The two figures as one line, and the parsers', of which all lines and 95% of the branches are wanted."""
import json
import re
import sys

c = json.load(open(f"{sys.argv[1]}/c.json", encoding="utf-8"))
python = re.search(r"^TOTAL.* (\d+)%", open(f"{sys.argv[1]}/python.txt", encoding="utf-8").read(), re.M).group(1)
print(f"src/: {c['line_percent']:.1f}% of {c['line_total']} lines, python/hoist: {python}% of lines, no exclusions but `if TYPE_CHECKING`")
parsers = [file for file in c["files"] if file["filename"].startswith("src/formats/")]
short = [f"{file['filename']}: {file['line_percent']}% of lines, {file['branch_percent']}% of branches" for file in parsers if file["line_percent"] < 100 or (file["branch_percent"] or 100) < 95]
print("\n".join(short) or f"src/formats/: 100% of lines, at least {min(file['branch_percent'] or 100 for file in parsers):.0f}% of the branches of each of {len(parsers)} files")
sys.exit(len(short) > 0 or c["line_percent"] < 95 or int(python) < 95)
PY
