#!/usr/bin/env bash
# What a stranger gets: the work in an empty Debian 12 that holds a clone, or the .deb files, and nothing else. Prints packages,
# megabytes and minutes. Needs the superuser, debootstrap and the network.
#
#   scripts/fresh_root.sh demo FOLDER              clones this repository's HEAD into FOLDER/root and runs `make demo` there
#   scripts/fresh_root.sh packages FOLDER DEBS     installs the .deb files of the folder DEBS (from `make package`), without a
#                                                  compiler, and runs the commands that a user has then
#
# FOLDER/base, an empty Debian, is made when it is not there; SUITE=trixie takes Debian 13. Exit status: that of the work.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
repository=$(cd "$(dirname "$0")/.." && pwd)
step=$1 folder=$(realpath -m "$2") debs=${3:-}
mkdir -p "$folder"
[ -d "$folder/base" ] || debootstrap --variant=minbase "${SUITE:-bookworm}" "$folder/base" http://deb.debian.org/debian > "$folder/debootstrap.log"
root=$folder/root_$step
rm -rf "$root"
cp -a "$folder/base" "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
mount -t devtmpfs dev "$root/dev" 2>/dev/null || mount --bind /dev "$root/dev"
trap 'umount "$root/proc" "$root/dev"' EXIT
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 bash -c "$1"; }
packages() { chroot "$root" dpkg-query -f '.\n' -W | wc -l; }
megabytes() { du -smx "$root" | cut -f1; }
report() {  # what; since the script began
  times > "$folder/times"  # not in a pipe: a subshell has no children yet
  printf '%s: %d more packages, %d MB more, %.1f minutes (%.1f processor minutes)\n' "$1" \
    $(($(packages) - packages_before)) $(($(megabytes) - megabytes_before)) \
    "$(awk -v s=$SECONDS 'BEGIN { print s / 60 }')" \
    "$(awk 'NR == 2 { for (i = 1; i <= 2; ++i) { split($i, t, /[ms]/); sum += 60 * t[1] + t[2] } print sum / 60 }' "$folder/times")"
}
packages_before=$(packages) megabytes_before=$(megabytes)

if [ "$step" = demo ]; then
  git clone -q "$repository" "$root/shrike"
  inside 'apt-get -q update && apt-get -q -y install --no-install-recommends make' > "$folder/demo.log" 2>&1
  SECONDS=0
  status=0
  inside 'cd /shrike && time make program' >> "$folder/demo.log" 2>&1 || status=$?
  report 'make program'
  inside 'cd /shrike && time make demo' >> "$folder/demo.log" 2>&1 || status=$?
  report "make demo (all)"
  tail -3 "$folder/demo.log"
  echo "exit status $status"
  exit $status
fi

# Pictures, a float model and a quantised one: from the clone that made the packages.
mkdir -p "$root/work" "$root/debs"
cp "$debs"/*.deb "$root/debs"
cp "$repository/examples/shapes/shapes.onnx" "$root/work"
"$repository/build/bin/draw_shapes" "$root/work/shapes" 24 6 2
SECONDS=0
inside 'apt-get -q update && apt-get -q -y install --no-install-recommends /debs/shrike_*.deb' > "$folder/packages.log" 2>&1
report 'shrike'
inside 'cd /work && ! command -v g++ cc c++ && shrike --version && shrike info shapes.onnx | tail -4 && man -w shrike 2>/dev/null;
  ls -l /usr/share/man/man1/shrike.1* /usr/share/bash-completion/completions/shrike'
packages_before=$(packages) megabytes_before=$(megabytes) SECONDS=0
inside 'apt-get -q -y install --no-install-recommends /debs/shrike-float_*.deb' >> "$folder/packages.log" 2>&1
report 'shrike-float'
inside 'cd /work && shrike quantize shapes.onnx --calib shapes/train/images -o shapes.espdl --quiet'
inside 'cd /work && apt-get -q -y remove shrike-float > /dev/null 2>&1
  shrike info shapes.espdl | tail -3 && shrike run shapes.espdl | tail -2 && shrike test shapes.espdl; shrike profile shapes.espdl | tail -2 &&
  shrike eval shapes.espdl --data shapes/val --quiet | head -4 && shrike detect shapes.espdl shapes/val/images -o found | head -3 &&
  shrike project shapes.espdl --board p4-function-ev -o board && ls board'
