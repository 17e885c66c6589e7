#!/usr/bin/env bash
# Do two builds of shrike write the same bytes? A change that claims to alter no result shows it with this table.
#
#   scripts/same_bytes.sh [--quick] OLD_PROGRAM NEW_PROGRAM MODEL CALIB
#
# Quantises MODEL (YOLO11n or another network with 640x640 inputs) with both programs: default settings for both chips at
# 640 and 320, and the tutorial's two schemes. Prints the SHA-256 of every file, with --quick at 64x64 on the first 8 pictures of
# CALIB (the tutorial's layers exist in YOLO11n only). Exit status 0: all equal, 1: a difference or a failed run, 2: wrong arguments.
set -euo pipefail

quick=no
if [ "${1:-}" = --quick ]; then
  quick=yes
  shift
fi
if [ $# -ne 4 ]; then
  echo "usage: $0 [--quick] OLD_PROGRAM NEW_PROGRAM MODEL CALIB" >&2
  exit 2
fi
programs=("$1" "$2") model=$3 calib=$4
for path in "${programs[@]}" "$model" "$calib"; do
  [ -e "$path" ] || {
    echo "$0: '$path' does not exist" >&2
    exit 2
  }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ $quick = yes ]; then
  mkdir "$work/calib"
  find -L "$(realpath "$calib")" -maxdepth 1 -type f \( -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.png' \) | sort | sed -n 1,8p |
    while IFS= read -r picture; do ln -s "$picture" "$work/calib/"; done
  calib=$work/calib
fi

# recipes: a name, then options of `shrike quantize`
recipes=()
for target in esp32p4 esp32s3; do
  if [ $quick = yes ]; then
    recipes+=("$target|--target $target --imgsz 64")
  else
    for size in 640 320; do recipes+=("$target $size|--target $target --imgsz $size"); done
  fi
done
for scheme in tutorial_a tutorial_b; do
  size=640
  [ $quick = yes ] && size=64
  recipes+=("$scheme|--config CONFIGS/$scheme.yaml --imgsz $size")
done

# configs_of PROGRAM: the schemes of the checkout that it was built in, for their words may change, else those beside this script
configs_of() {
  local own
  own=$(dirname "$(realpath "$1")")/../../examples/configs
  [ -d "$own" ] || own=$(dirname "$0")/../examples/configs
  realpath "$own"
}

# hash_of PROGRAM OUTPUT OPTIONS...: 16 digits, or "failed" with the program's message on stderr
hash_of() {
  local program=$1 output=$2
  shift 2
  set -- "${@//CONFIGS/$(configs_of "$program")}"
  if "$program" quantize "$model" --calib "$calib" "$@" -o "$output" --quiet >/dev/null 2>"$work/message"; then
    sha256sum <"$output" | cut -c1-16
  else
    cat "$work/message" >&2
    echo failed
  fi
}

status=0
printf '%-14s %-18s %-18s %s\n' recipe old new ''
for recipe in "${recipes[@]}"; do
  read -ra options <<<"${recipe#*|}"
  old=$(hash_of "${programs[0]}" "$work/old.espdl" "${options[@]}")
  new=$(hash_of "${programs[1]}" "$work/new.espdl" "${options[@]}")
  verdict=equal
  if [ "$old" = failed ] || [ "$new" = failed ]; then
    verdict=failed
  elif [ "$old" != "$new" ]; then
    verdict=different
  fi
  [ $verdict = equal ] || status=1
  printf '%-14s %-18s %-18s %s\n' "${recipe%%|*}" "$old" "$new" "$verdict"
  rm -f "$work"/old.* "$work"/new.*
done
exit $status
