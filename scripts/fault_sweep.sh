#!/usr/bin/env bash
# What happens when the n-th allocation, open, read, write, rename, fsync or thread of a command fails? Prints a table: an
# error or a success is right, a crash is not, and a set of files is either all old or all new.
#
#   scripts/fault_sweep.sh [--points N] [--kinds "open read ..."] [--commands "info run ..."] BUILD
#
# BUILD is a build folder with bin/shrike, bin/draw_shapes and lib/libfaults.so. --points N tries at most N evenly spread points of
# each command and kind (default: all of them, which takes minutes for everything but allocations and hours for those). A run of
# more than five minutes counts as a crash. Exit status 0: no crash and no mixed set.
set -euo pipefail

points=0 kinds="open read write rename sync thread alloc" names="info run eval quantize auto"
while [ $# -gt 1 ]; do
  case $1 in
    --points) points=$2 ;;
    --kinds) kinds=$2 ;;
    --commands) names=$2 ;;
    *) break ;;
  esac
  shift 2
done
[ $# -eq 1 ] || {
  echo "usage: $0 [--points N] [--kinds KINDS] [--commands COMMANDS] BUILD" >&2
  exit 2
}
build=$(realpath "$1")
shrike=$build/bin/shrike
library=$build/lib/libfaults.so
here=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# A detector, a classifier and pictures as small as they get, and two sets of files that differ.
cp "$here/tests/fuzz/corpus/import/classifier.pt" .
"$build/bin/draw_shapes" . 10 4 >/dev/null
"$shrike" train --new yolo11 --width 0.0625 --reg-max 4 --imgsz 64 --data train --steps 2 --batch 2 --threads 1 --quiet \
  -o small.onnx >/dev/null
common=(--calib train/images --threads 1 --quiet --calibration-images 2 --refit-images 1 --bias-images 1)
mkdir old new out
"$shrike" quantize small.onnx "${common[@]}" -o detector.espdl >/dev/null
common+=(--imgsz 32)
"$shrike" quantize classifier.pt "${common[@]}" --target esp32s3 -o old/y.espdl >/dev/null
"$shrike" quantize classifier.pt "${common[@]}" -o new/y.espdl >/dev/null

# The files beside one another, as one hash; the journal of a search is not part of the set.
state() { (cd "$1" && find . -type f ! -name '*.auto.jsonl' | sort | xargs -r sha256sum | sha256sum); }
old=$(state old) new=$(state new)

declare -A commands=(
  [info]="info detector.espdl"
  [run]="run detector.espdl --output dump --threads 1"
  [eval]="eval detector.espdl --data val --limit 2 --threads 1 --quiet --save-json found.json"
  [quantize]="quantize classifier.pt ${common[*]} -o out/y.espdl"
  [auto]="quantize classifier.pt ${common[*]} --auto --budget +5% --auto-images 2 -o out/y.espdl"
)
failed=0
printf '%-9s %-7s %9s %7s %8s %8s %8s %6s\n' command kind calls points success refused crashes mixed
for name in $names; do
  read -ra words <<<"${commands[$name]}"
  rm -rf counts out && cp -r old out
  SHRIKE_FAULT_COUNTS=counts LD_PRELOAD=$library "$shrike" "${words[@]}" >/dev/null 2>&1 || true
  whole=$(state out)
  for kind in $kinds; do
    calls=$(awk -v kind=$kind '$1 == kind { print $2 }' counts)
    step=1
    [ "$points" -gt 0 ] && [ "$calls" -gt "$points" ] && step=$((calls / points))
    tried=0 success=0 refused=0 crashes=0 mixed=0
    for ((point = 1; point <= calls; point += step)); do
      rm -rf out && cp -r old out
      status=0
      timeout 300 env SHRIKE_FAULT="$kind $point" LD_PRELOAD="$library" "$shrike" "${words[@]}" >said 2>&1 || status=$?
      tried=$((tried + 1))
      case $status in
        0) success=$((success + 1)) ;;
        1) refused=$((refused + 1)) ;;
        *)
          crashes=$((crashes + 1))
          echo "$name $kind $point: status $status" >&2
          ;;
      esac
      now=$(state out)
      if [ "$now" != "$old" ] && [ "$now" != "$whole" ] && [ "$now" != "$new" ]; then
        mixed=$((mixed + 1))
        echo "$name $kind $point: files that do not belong together: $(ls out)" >&2
      fi
    done
    failed=$((failed + crashes + mixed))
    printf '%-9s %-7s %9d %7d %8d %8d %8d %6d\n' $name $kind "$calls" $tried $success $refused $crashes $mixed
  done
done
[ $failed -eq 0 ]
