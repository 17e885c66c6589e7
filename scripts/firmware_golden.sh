#!/bin/sh
# Runs the test vectors embedded in every .espdl file under a folder on a bare RISC-V machine in QEMU.
# Called by `make firmware-golden` with the folder and the chip it was made for.
set -eu
folder=$1 target=$2

[ -d "$folder" ] || {
  echo "make firmware-golden: '$folder' does not exist; name the folder with GOLDEN=..." >&2
  exit 1
}
cmake --preset firmware >/dev/null
cmake --build --preset firmware --target vectors >/dev/null
find "$(realpath "$folder")" -name '*.espdl' | sort | sed "s/^/$target /" >build-firmware/vectors.list
cd build-firmware
timeout 600 qemu-system-riscv32 -M virt -cpu rv32 -m 256M -nographic -monitor none -serial none -bios none \
  -semihosting-config enable=on -kernel bin/vectors.elf </dev/null 2>&1 | grep -v '^output' | tee vectors.log
grep -q ' 0 failed' vectors.log
