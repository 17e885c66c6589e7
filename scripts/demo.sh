#!/bin/sh
# The main job on real input: quantise, measure, detect. Called by `make demo`, which passes MODEL, CALIB, DATA and OUT.
set -eu
shrike=$1 model=$2 calib=$3 data=$4 out=$5

for path in "$model" "$calib" "$data"; do
  [ -e "$path" ] && continue
  echo "make demo: '$path' does not exist. Name your files:" >&2
  echo "  make demo MODEL=yolo11n.onnx CALIB=folder/of/images DATA=folder/with/images+instances.json" >&2
  exit 1
done
mkdir -p "$out"

set -x
"$shrike" quantize "$model" --calib "$calib" --target esp32p4 -o "$out/yolo11n.espdl"
"$shrike" eval "$out/yolo11n.espdl" --data "$data"
set +x
pictures=$(find "$data/images" -name '*.jpg' | sort | head -3)
set -x
"$shrike" detect "$out/yolo11n.espdl" $pictures -o "$out/pictures"
set +x
echo "The pictures with their boxes are in $out/pictures"
