# Bare-metal RV32IMAFC with picolibc: the instruction set of ESP32-P4's cores without their vector unit.
# Debian: gcc-riscv64-unknown-elf, picolibc-riscv64-unknown-elf, qemu-system-misc.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv32)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_CXX_COMPILER riscv64-unknown-elf-g++)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)

set(shrike_machine "--specs=picolibc.specs -march=rv32imafc -mabi=ilp32f -msave-restore -ffunction-sections -fdata-sections")
set(CMAKE_C_FLAGS_INIT "${shrike_machine}")
set(CMAKE_ASM_FLAGS_INIT "-march=rv32imafc -mabi=ilp32f")
set(CMAKE_CXX_FLAGS_INIT "${shrike_machine} -fno-exceptions -fno-rtti -fno-threadsafe-statics")
# Small everywhere but in the inner loops (runtime/CMakeLists.txt).
set(CMAKE_CXX_FLAGS_RELEASE "-Os -DNDEBUG" CACHE STRING "")
