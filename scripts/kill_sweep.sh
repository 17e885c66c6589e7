#!/usr/bin/env bash
# Kills (-9) quantize, train and quantize --auto at random moments and runs them again. Nothing may be lost: files are the old
# ones, the new ones, or told to be mixed; what is written at last has the bytes of a run that nobody killed.
#
#   scripts/kill_sweep.sh [--kills N] BUILD
#
# BUILD is a build folder with bin/shrike and bin/draw_shapes; N kills of each command (default 34, so about 100 in all).
# The moments come from a fixed seed, but where in the work they fall depends on the machine. Exit status 0: nothing was lost.
set -euo pipefail

kills=34
if [ "${1:-}" = --kills ]; then
  kills=$2
  shift 2
fi
[ $# -eq 1 ] || {
  echo "usage: $0 [--kills N] BUILD" >&2
  exit 2
}
build=$(realpath "$1")
shrike=$build/bin/shrike
here=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
RANDOM=17

"$build/bin/draw_shapes" . 10 4 >/dev/null
training=(train --new yolo11 --width 0.0625 --reg-max 4 --imgsz 64 --data train --steps 8 --batch 2 --evaluations 4 --threads 1 --quiet)
common=(quantize "$here/tests/fuzz/corpus/import/classifier.pt" --imgsz 32 --calib train/images --threads 1 --quiet
  --calibration-images 2 --refit-images 1 --bias-images 1)
auto=(--auto --budget +5% --auto-images 2)
mkdir out

# $1: name, $2: file that counts, then the command; `resume` is appended once there is something to go on from.
sweep() {
  local name=$1 result=$2 resume=$3 done=0 mixed=0 told=0 different=0 killed=0
  shift 3
  rm -rf out && mkdir out
  local start=${EPOCHREALTIME/./}
  "$shrike" "$@" >/dev/null 2>&1
  local span=$((${EPOCHREALTIME/./} - start)) whole
  whole=$(sha256sum <"$result")
  while [ $done -lt "$kills" ]; do
    rm -rf out && mkdir out
    # Killed again and again until it is whole or has been killed three times.
    local attempt
    for attempt in 1 2 3; do
      local more=()
      [ -n "$resume" ] && [ -e "$result.ckpt" ] && more=("$resume")
      "$shrike" "$@" "${more[@]}" >/dev/null 2>said &
      local process=$!
      sleep "$(awk -v r=$RANDOM -v span=$span 'BEGIN { printf "%.4f", r / 32768 * span / 1e6 }')"
      kill -9 $process 2>/dev/null && killed=$((killed + 1))
      wait $process 2>/dev/null || true
      done=$((done + 1))
      if [ -e out/y.espdl ] && [ -e out/y.json ] && ! grep -q "$(sha256sum <out/y.espdl | cut -c1-64)" out/y.json; then
        mixed=$((mixed + 1))
        "$shrike" info out/y.espdl 2>&1 >/dev/null | grep -q 'was not written with' && told=$((told + 1))
      fi
    done
    local more=()
    [ -n "$resume" ] && [ -e "$result.ckpt" ] && more=("$resume")
    "$shrike" "$@" "${more[@]}" >/dev/null 2>said || { cat said >&2; different=$((different + 1)); }
    [ "$(sha256sum <"$result")" = "$whole" ] || different=$((different + 1))
    if ls out/*.partial >/dev/null 2>&1; then different=$((different + 1)); fi
  done
  printf '%-10s %7d %7d %7d %7d %11d\n' "$name" $done $killed $mixed $told $different
  [ $different -eq 0 ] && [ $mixed -eq $told ]
}

status=0
printf '%-10s %7s %7s %7s %7s %11s\n' command tries killed mixed told 'not as whole'
sweep quantize out/y.espdl '' "${common[@]}" -o out/y.espdl || status=1
sweep auto out/y.espdl '' "${common[@]}" "${auto[@]}" -o out/y.espdl || status=1
sweep train out/t.onnx --resume "${training[@]}" -o out/t.onnx || status=1
exit $status
