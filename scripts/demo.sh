#!/bin/sh
# The main job on real input: quantise, measure, detect. `make demo` calls it twice with MODEL, CALIB, DATA and OUT:
# as `demo.sh check ...` before anything is installed or built, and as `demo.sh run ...` for the work.
set -eu
step=$1 model=$2 calib=$3 data=$4 out=$5
shrike=build/bin/shrike

if [ "$step" = check ]; then
  missing=""
  for path in "$model" "$calib" "$data" "$data/images" "$data/instances.json"; do
    [ -e "$path" ] || missing="$missing '$path'"
  done
  [ -n "$missing" ] || exit 0
  echo "make demo: not there:$missing. Name your files:" >&2
  echo "  make demo MODEL=yolo11n.onnx CALIB=folder/of/images DATA=folder/with/images+instances.json" >&2
  exit 1
fi

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
