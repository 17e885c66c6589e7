#!/bin/bash
# Regenerates the table of docs/training.md: trains YOLO11n for a chip, measures it beside the default quantisation and
# the float network, image by image.
#
#   scripts/training.sh PROGRAM SHARED [ROW...]
#
# PROGRAM is the built shrike, SHARED the folder with models/yolo11n.onnx, data/coco_calib320, data/coco_train800 and
# data/coco_val400. A ROW is chip:size:labels|pictures:steps[:evaluations], e.g. esp32s3:320:labels:120:6 (4 evaluations
# when not said); without any, all rows, which takes hours. Prints the rows in the document's form, on standard output.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; fi
program=$1 shared=$2
shift 2
model=$shared/models/yolo11n.onnx calibration=$shared/data/coco_calib320/images
training=$shared/data/coco_train800 data=$shared/data/coco_val400
for needed in "$program" "$model" "$calibration" "$training" "$data"; do
  if [ ! -e "$needed" ]; then echo "training.sh: '$needed' does not exist" >&2; exit 1; fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The float network's boxes at a size, found once.
float_boxes() {
  local kept=$work/float_$1.json
  if [ ! -e "$kept" ]; then
    "$program" eval "$model" --imgsz "$1" --data "$data" --quiet --save-json "$kept" > /dev/null
  fi
  echo "$kept"
}

# mAP, and "difference ± standard error" against the float network.
measured() {  # file size
  "$program" eval "$1" --data "$data" --quiet --against "$(float_boxes "$2")" |
    awk '$1 == "AP" && !ap { ap = $NF }
         / against the / { difference = $1; error = $0; sub(/.*standard error /, "", error); sub(/ .*/, "", error) }
         END { printf "%s (%s ± %s)", ap, difference, error }'
}

# Of the outputs: at the start, then of the file that was kept.
errors() {
  awk '$1 == "start" { start = $7 } /<- kept/ { kept = $7 } END { printf "%s, %s", start, kept }' "$work/table"
}

row() {  # chip size kind steps evaluations
  local chip=$1 size=$2 kind=$3 steps=$4 evaluations=$5 pictures=$training minutes
  if [ "$kind" = pictures ]; then pictures=$training/images; fi
  "$program" quantize "$model" --calib "$calibration" --target "$chip" --imgsz "$size" -o "$work/ptq.espdl" \
    --quiet > /dev/null 2>&1
  times > "$work/before"
  "$program" train "$model" --data "$pictures" --target "$chip" --imgsz "$size" --steps "$steps" --evaluations "$evaluations" \
    -o "$work/qat.espdl" --quiet > "$work/table" 2> /dev/null
  times > "$work/after"
  minutes=$(cat "$work/before" "$work/after" | tr 'ms' '  ' |  # the second line of each: of the programs it ran
    awk '{ total[NR] = 60 * $1 + $2 + 60 * $3 + $4 } END { printf "%.0f", (total[4] - total[2]) / 60 }')
  printf '| %s %s | %s | %s | %s | %s | %s | %s |\n' "$chip" "$size" "$kind" "$steps" "$(errors)" \
    "$(measured "$work/ptq.espdl" "$size")" "$(measured "$work/qat.espdl" "$size")" "$minutes"
}

if [ $# -eq 0 ]; then
  set -- esp32p4:640:labels:32 esp32p4:640:pictures:32 esp32s3:640:labels:32 esp32s3:640:pictures:32 \
    esp32p4:320:labels:60 esp32p4:320:pictures:60 esp32s3:320:labels:120:6 esp32s3:320:pictures:60
fi
echo '| chip, size | trained on | steps | error of the outputs, start and kept | default quantisation | trained | processor minutes |'
echo '|---|---|---|---|---|---|---|'
for wanted in "$@"; do
  IFS=: read -r chip size kind steps evaluations <<< "$wanted"
  row "$chip" "$size" "$kind" "$steps" "${evaluations:-4}"
done
