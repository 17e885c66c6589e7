#!/bin/sh
# Installs the Debian packages of the named groups of packages.txt that are missing. Does nothing (and needs no rights)
# when all are there.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { echo "usage: $0 GROUP...   groups: $(sed -n 's/^\[\(.*\)\]$/\1/p' packages.txt | tr '\n' ' ')" >&2; exit 2; }

missing=""
for group in "$@"; do
  grep -qx "\[$group\]" packages.txt || { echo "packages.txt has no group '$group'" >&2; exit 2; }
  for package in $(awk -v wanted="[$group]" '/^\[/ { inside = $0 == wanted; next } inside && !/^#/ && NF' packages.txt); do
    if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
      missing="$missing $package"
    fi
  done
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
as_root=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "These packages are missing and sudo is not there to install them:$missing" >&2; exit 1; }
  as_root="sudo"
fi
$as_root apt-get update -q
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -q -y --no-install-recommends $missing
