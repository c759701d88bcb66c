#!/usr/bin/env bash
# Install what building and testing hoist need and this machine lacks (Debian 12, Ubuntu 24.04). Quick when all is there.
# usage: tools/setup.sh [check]     check: also what `make check` and `make docs` need
set -euo pipefail
packages="build-essential clang libclang-rt-14-dev meson ninja-build pkg-config libuv1-dev libjansson-dev libsqlite3-dev
  libyaml-dev libssl-dev libxxhash-dev zlib1g-dev liburing-dev libcmocka-dev node-llhttp strace python3 python3-venv python3-dev python3-yaml"
if [ "${1:-}" = check ]; then
  packages="$packages doxygen graphviz pmccabe"
  command -v npx >/dev/null || packages="$packages npm"
fi
missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "please install:$missing" >&2; exit 1; }
  as_root=sudo
fi
echo "installing:$missing"
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq $missing >/dev/null
