#!/usr/bin/env bash
# Headers and libraries of a 64-bit ARM Debian 12, for building the program for such a machine on this one: the preset
# aarch64-program and the test cross.aarch64_program look for them in build-arm-root. Packages are fetched and
# unpacked, nothing of them is run. Needs the superuser, debootstrap (packages.txt: arm) and the network; 400 MB.
#
#   scripts/arm_root.sh FOLDER      makes the folder; does nothing when it is there
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$(realpath -m "$1")
[ ! -e "$folder/usr/include/onnx" ] || exit 0
cd "$(dirname "$0")/.."
# What the program is built with, without the float engine: the libraries of the group core.
libraries=$(awk '/^\[/ { inside = $0 == "[core]"; next } inside && /-dev$|^fonts-/' packages.txt | paste -sd,)
as_root=""
[ "$(id -u)" -eq 0 ] || as_root=sudo
unfinished=$folder.unfinished
$as_root rm -rf "$unfinished" "$folder"
$as_root debootstrap --foreign --arch=arm64 --variant=minbase --include="libc6-dev,$libraries" bookworm "$unfinished" \
  http://deb.debian.org/debian > "$folder.log" || { tail -3 "$folder.log" >&2; exit 1; }
for package in "$unfinished"/var/cache/apt/archives/*.deb; do $as_root dpkg -x "$package" "$unfinished"; done
$as_root rm -rf "$unfinished"/var/cache/apt/archives "$unfinished/debootstrap"
$as_root mv "$unfinished" "$folder"
