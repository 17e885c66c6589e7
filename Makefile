# Front door. Each target does all the set-up it needs: missing Debian packages, configuration, build.
#   make demo    quantise YOLO11n, measure its mAP, draw detections
#   make test    everything that must hold
MODEL ?= ../shared/models/yolo11n.onnx
CALIB ?= ../shared/data/coco_calib320/images
DATA  ?= ../shared/data/coco_val400
OUT   ?= build/demo

.PHONY: demo test build setup sanitize-test firmware-demo firmware-golden bench format clean

demo: build
	scripts/demo.sh build/bin/shrike $(MODEL) $(CALIB) $(DATA) $(OUT)

test: build sanitize-test
	ctest --test-dir build --output-on-failure -j2

setup:
	@scripts/install_packages.sh

build: setup
	cmake --preset release
	cmake --build --preset release

# The parts that meet hostile input, under the address and undefined-behaviour sanitizers.
sanitize-test: setup
	cmake --preset asan+ubsan
	cmake --build --preset asan+ubsan --target sanitize_tests
	ctest --test-dir build-asan --output-on-failure -j2 -L sanitize

# Kernels against oneDNN, the network against the float engine. Needs a quantised file: run `make demo` first.
bench: build
	build/bin/bench_kernels
	build/bin/bench_network $(OUT)/yolo11n.espdl --onnx $(MODEL) --threads 1,2

# YOLO11n at 320x320 on a bare RISC-V machine in QEMU, beside the host. IMAGE names another picture.
IMAGE ?= $(firstword $(wildcard $(DATA)/images/*.jpg))
firmware-demo: build
	mkdir -p $(OUT)
	build/bin/shrike quantize $(MODEL) --calib $(CALIB) --target esp32p4 --imgsz 320 -o $(OUT)/yolo11n_320.espdl
	build/bin/shrike run-firmware $(OUT)/yolo11n_320.espdl $(IMAGE)

# The 8-bit golden vectors of esp32p4, executed in QEMU.
GOLDEN ?= ../shared/golden/ops/esp32p4_8
firmware-golden: setup
	scripts/firmware_golden.sh $(GOLDEN) esp32p4

format:
	clang-format -i $$(git ls-files '*.cpp' '*.h')

clean:
	rm -rf build build-asan build-debug
