# Front door. Each target does all the set-up it needs: the Debian packages of its groups that are missing
# (packages.txt), configuration, build of what it uses and nothing else.
#   make demo      quantise, measure, analyse, train and run a detector: the one of examples/shapes, or MODEL with CALIB and DATA
#   make test      everything that must hold
#   make cross-test  the runtime and the program on 64-bit ARM and Windows, emulated
#   make documents types what README and docs show, and compares
#   make install   program, float module, headers and libraries into PREFIX
#   make web       the page in the browser: build/web/shrike.html
#   make package   three .deb files in build/packages: shrike, shrike-float, shrike-dev
# Nothing named: the detector of examples/shapes and pictures that are drawn for it.
MODEL ?=
CALIB ?=
DATA  ?=
TARGET ?= esp32p4
STEPS ?= 100
OUT   ?= build/demo
PREFIX ?= /usr/local

.PHONY: demo test documents install package web program build sanitize-test sanitize-all firmware-demo firmware-golden cross-test bench \
  format clean

# What was named is looked for before anything is installed or built.
demo:
	@scripts/demo.sh check '$(MODEL)' '$(CALIB)' '$(DATA)' '$(TARGET)' '$(STEPS)' '$(OUT)'
	@$(MAKE) --no-print-directory program
	@cmake --build --preset release --target draw_shapes
	@scripts/demo.sh run '$(MODEL)' '$(CALIB)' '$(DATA)' '$(TARGET)' '$(STEPS)' '$(OUT)'

# The program and the module that it opens for float networks.
program:
	@scripts/install_packages.sh core float
	cmake --preset release
	cmake --build --preset release --target shrike

test: build sanitize-test
	ctest --test-dir build --no-tests=error --output-on-failure -j2 --output-junit junit.xml; status=$$?; \
	scripts/skipped.sh build/junit.xml && exit $$status

# README and docs against the program: every command line is read, the sessions are typed and their figures compared. With the
# shared folder (SHRIKE_SHARED, else ../shared) those of YOLO11n too, which take minutes.
documents: program
	cmake --build --preset release --target draw_shapes
	scripts/documents.sh run build/bin/shrike $(or $(SHRIKE_SHARED),$(wildcard ../shared))

build:
	@scripts/install_packages.sh core float test fuzz firmware
	cmake --preset release
	cmake --build --preset release

install: program
	cmake --build --preset release --target shrike_install
	cmake --install build --prefix '$(PREFIX)'

package: program
	@scripts/install_packages.sh package
	cmake --build --preset release --target shrike_install
	cd build && cpack -G DEB

# The parts that meet hostile input, under the address and undefined-behaviour sanitizers.
sanitize-test:
	@scripts/install_packages.sh core float test
	cmake --preset asan+ubsan
	cmake --build --preset asan+ubsan --target sanitize_tests
	ctest --test-dir build-asan --output-on-failure -j2 -L sanitize

# The whole program and all of its tests under the sanitizers: an hour and more.
sanitize-all:
	@scripts/install_packages.sh core float test
	cmake --preset asan+ubsan
	cmake --build --preset asan+ubsan
	ctest --test-dir build-asan --output-on-failure -j2

# The page in the browser, one file without a server: build/web/shrike.html (docs/web.md).
web:
	@scripts/install_packages.sh web
	cmake --preset web
	cmake --build --preset web
	@echo "Open build/web/shrike.html in a browser."

# The runtime, the program and, on ARM, the tests of the kernels on 64-bit ARM and Windows, in emulators. `make test`
# includes them where their packages are installed and their libraries made, and installs none of them.
cross-test:
	@scripts/install_packages.sh core test arm windows
	scripts/arm_root.sh build-arm-root
	scripts/windows_root.sh build-windows-root
	cmake --preset release -D SHRIKE_FLOAT=OFF -B build-cross
	cmake --build build-cross --target test_vectors shrike draw_shapes
	ctest --test-dir build-cross --no-tests=error --output-on-failure -R '^cross\.'

# Kernels against oneDNN, the network against the float engine. Needs a quantised file: run `make demo` first.
bench: build
	build/bin/bench_kernels
	build/bin/bench_network $(OUT)/model.espdl --onnx $(or $(MODEL),examples/shapes/shapes.onnx) --threads 1,2

# The demo with its last step, the run on a bare RISC-V machine in QEMU, for sure.
firmware-demo:
	@scripts/install_packages.sh firmware
	@$(MAKE) --no-print-directory demo

# The 8-bit golden vectors of esp32p4, executed in QEMU.
GOLDEN ?= ../shared/golden/ops/esp32p4_8
firmware-golden:
	@scripts/install_packages.sh core firmware
	scripts/firmware_golden.sh $(GOLDEN) esp32p4

format:
	clang-format -i $$(git ls-files '*.cpp' '*.h')

clean:
	rm -rf build build-asan build-debug build-firmware build-cross build-aarch64 build-aarch64-program build-arm-root build-arm-root.log build-windows \
	  build-windows-program build-windows-root build-windows-root.log
