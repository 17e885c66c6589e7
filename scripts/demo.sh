#!/bin/sh
# The main job from end to end: draw pictures, quantise, measure, find out where accuracy goes, win it back, run on the
# chip's kind of machine. `make demo` calls it twice with MODEL, CALIB, DATA, TARGET, STEPS and OUT: as `demo.sh check ...`
# before anything is installed or built, and as `demo.sh run ...` for the work. An empty MODEL is the detector of
# examples/shapes, whose pictures are drawn; then CALIB and DATA are empty too.
set -eu
step=$1 model=$2 calib=$3 data=$4 target=$5 steps=$6 out=$7
bin=build/bin

if [ "$step" = check ]; then
  [ -n "$model$calib$data" ] || exit 0
  missing=""
  for path in "$model" "$calib" "$data"; do
    [ -n "$path" ] && [ -e "$path" ] || missing="$missing '$path'"
  done
  [ -n "$missing" ] || exit 0
  echo "make demo: not there:$missing. Name all three, or none for the example in examples/shapes:" >&2
  echo "  make demo MODEL=yolo11n.onnx CALIB=folder/of/images DATA=folder/with/images+instances.json" >&2
  exit 1
fi

say() { printf '\n== %s\n' "$*"; }
run() {
  (IFS=' ' && echo "+ $*")
  "$@"
}

mkdir -p "$out"
train=$calib
if [ -z "$model" ]; then
  say "Pictures of shapes, drawn with another seed than those that the detector knows: 600 to train with, 150 to measure with"
  model=examples/shapes/shapes.onnx
  run "$bin/draw_shapes" "$out/shapes" 600 150 2
  train=$out/shapes/train calib=$out/shapes/train/images data=$out/shapes/val
fi

say "To 8 bits, for the $target"
run "$bin/shrike" quantize "$model" --calib "$calib" --target "$target" -o "$out/model.espdl"

say "Accuracy in float, and by the chip's integers"
run "$bin/shrike" eval "$model" --data "$data"
run "$bin/shrike" eval "$out/model.espdl" --data "$data"

say "What it sees"
pictures=$(find "$data" -name '*.jpg' -o -name '*.png' | sort | head -3)
[ -n "$pictures" ] || pictures=$(find "$calib" -name '*.jpg' -o -name '*.png' | sort | head -3)
IFS='
'  # a path a line
run "$bin/shrike" detect "$out/model.espdl" $pictures -o "$out/pictures"

say "Where the noise comes from"
run "$bin/shrike" analyze "$model" "$out/model.espdl" --calib "$calib" --images 8 --tables graphwise --html "$out/report.html"

say "Training with the chip's rounding in the loop"
run "$bin/shrike" train "$model" --data "$train" --target "$target" --steps "$steps" -o "$out/trained.espdl"
run "$bin/shrike" eval "$out/trained.espdl" --data "$data"

if command -v qemu-system-riscv32 >/dev/null && command -v riscv64-unknown-elf-g++ >/dev/null; then
  say "The same file on a bare RISC-V machine, compared bit for bit"
  run "$bin/shrike" run-firmware "$out/trained.espdl" $(echo "$pictures" | head -1)
else
  say "No run on bare metal: qemu-system-riscv32 or riscv64-unknown-elf-g++ is not installed (make firmware-demo installs them)"
fi

say "Look at $out/pictures and $out/report.html; the files for the chip are $out/model.espdl and $out/trained.espdl"
