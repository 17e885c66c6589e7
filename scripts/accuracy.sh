#!/bin/bash
# Regenerates the table of docs/accuracy.md: quantises YOLO11n by every scheme, chip and size and evaluates each.
#
#   scripts/accuracy.sh PROGRAM SHARED [ROW...]
#
# PROGRAM is the built shrike, SHARED the folder with models/yolo11n.onnx, data/coco_calib320 and data/coco_val400. A
# ROW is scheme:chip:size, e.g. default:esp32p4:320 or float:-:640; without any, all rows, which takes hours. Prints
# the rows in the document's form, on standard output.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 2 ]; then sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; fi
program=$1 shared=$2
shift 2
model=$shared/models/yolo11n.onnx calibration=$shared/data/coco_calib320/images data=$shared/data/coco_val400
for needed in "$program" "$model" "$calibration" "$data"; do
  if [ ! -e "$needed" ]; then echo "accuracy.sh: '$needed' does not exist" >&2; exit 1; fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The number behind "KEY": in a JSON text, the first one; empty when absent.
number() { sed -n "s/.*\"$1\": *\([-0-9.e+]*\).*/\1/p" | head -1; }

options_of() {  # scheme chip size
  local options="--target $2"
  if [ "$3" != 640 ]; then options+=" --imgsz $3"; fi
  case $1 in
    default) ;;
    whole) options+=" --channel-groups off" ;;
    no_pads | percentile | minmax | tutorial_a | tutorial_b) options+=" --config examples/configs/$1.yaml" ;;
    *) echo "accuracy.sh: no scheme '$1'" >&2; exit 1 ;;
  esac
  echo "$options"
}

float_map() {  # size -> the float model's mAP50-95, measured once
  local kept=$work/float_$1
  if [ ! -e "$kept" ]; then
    "$program" eval "$model" --imgsz "$1" --data "$data" --quiet --json > "$kept"
  fi
  number AP < "$kept"
}

row() {  # scheme chip size
  local scheme=$1 chip=$2 size=$3
  if [ "$scheme" = float ]; then
    local float
    float=$(float_map "$size")
    printf '| float | %s | %.4f | | %.4f | | | | | `shrike eval yolo11n.onnx --imgsz %s` |\n' \
      "$size" "$float" "$(number AP50 < "$work/float_$size")" "$size"
    return
  fi
  local options file=$work/out.espdl
  options=$(options_of "$scheme" "$chip" "$size")
  # shellcheck disable=SC2086  # options are words
  "$program" quantize "$model" --calib "$calibration" -o "$file" --quiet --json $options > "$work/summary" 2> /dev/null
  "$program" eval "$file" --data "$data" --quiet --json > "$work/result"
  local ap float seconds
  ap=$(number AP < "$work/result")
  float=$(float_map "$size")
  seconds=$(sed -n '/"seconds"/,/}/s/.*: *\([0-9.e+-]*\),\{0,1\}$/\1/p' "$work/summary" |
    awk '/^[0-9]/ { sum += $1 } END { printf "%.0f", sum }')
  awk -v scheme="$scheme" -v chip="$chip" -v size="$size" -v ap="$ap" -v float="$float" \
    -v ap50="$(number AP50 < "$work/result")" -v seconds="$seconds" -v bytes="$(number bytes < "$work/summary")" \
    -v latency="$(number chip_milliseconds < "$work/summary")" \
    -v nodes="$(number requantize_nodes < "$work/summary")" -v options="$options" 'BEGIN {
      printf "| %s | %s %s | %.4f | %.4f | %.4f | %s s | %.2f MiB | %.0f ms | %d | `%s` |\n",
        scheme, chip, size, ap, float - ap, ap50, seconds, bytes / 1048576, latency, nodes, options
    }'
}

if [ $# -eq 0 ]; then
  set -- float:-:640 float:-:320
  for size in 640 320; do
    for chip in esp32p4 esp32s3; do
      if [ $chip = esp32p4 ]; then set -- "$@" "no_pads:$chip:$size"; else set -- "$@" "whole:$chip:$size"; fi
      for scheme in default percentile minmax tutorial_a tutorial_b; do set -- "$@" "$scheme:$chip:$size"; done
    done
  done
fi
echo '| scheme | chip, size | mAP50-95 | below float | mAP50 | time | file | est. latency | Requantize | options |'
echo '|---|---|---|---|---|---|---|---|---|---|'
for wanted in "$@"; do
  IFS=: read -r scheme chip size <<< "$wanted"
  row "$scheme" "$chip" "$size"
done
