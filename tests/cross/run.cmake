# Builds the runtime, the kernels' tests and examples/test_vectors for another machine and runs them in its emulator.
# Called by ctest: cmake -D NAME=aarch64 -D SOURCE=<repository> -D FOLDER=<build folder> -D GENERATOR=...
# -D NATIVE=<test_vectors of this machine> -P run.cmake
# Each emulated processor is a list: its name, the kernels it must choose, and the command that runs a program on it.
cmake_minimum_required(VERSION 3.24)
include(${CMAKE_CURRENT_LIST_DIR}/needs.cmake)

if(NAME STREQUAL "aarch64")
  set(toolchain aarch64-linux)
  set(tools aarch64-linux-gnu-g++ qemu-aarch64)
  set(packages "g++-aarch64-linux-gnu and qemu-user (packages.txt: arm)")
  set(emulator qemu-aarch64 -L /usr/aarch64-linux-gnu)
  set(processors plain dot)
  set(plain neon ${emulator} -cpu cortex-a53)
  set(dot neon_dot ${emulator} -cpu max)
  set(kernels portable neon neon_dot)
  set(programs test_vectors cross_test_kernels)
else()
  set(toolchain windows)
  set(tools x86_64-w64-mingw32-g++-posix wine)
  set(packages "g++-mingw-w64-x86-64-posix and wine (packages.txt: windows)")
  set(processors plain)
  set(plain any wine)  # those of the machine itself
  set(kernels portable)
  set(programs test_vectors)  # its kernels are those of this machine, which are tested here
  set(ENV{WINEDEBUG} -all)
  set(ENV{WINEPREFIX} ${FOLDER}-wine)
endif()

need_programs(cross.${NAME} "${packages}" ${tools})

# Runs a command; what it prints is `output` then, its exit status `result`.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  string(REPLACE "\r" "" output "${output}")
  string(REPLACE ";" " " words "${ARGN}")
  set(result "${result}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
  set(errors "${errors}" PARENT_SCOPE)
  set(words "${words}" PARENT_SCOPE)
endfunction()
macro(must_run)
  run(${ARGN})
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${words}: ${result}\n${output}\n${errors}")
  endif()
endmacro()

must_run(${CMAKE_COMMAND} -S ${SOURCE} -B ${FOLDER} -G ${GENERATOR}
  -D CMAKE_TOOLCHAIN_FILE=${SOURCE}/cmake/${toolchain}.cmake -D CMAKE_BUILD_TYPE=Release -D SHRIKE_TOOLCHAIN=OFF)
must_run(${CMAKE_COMMAND} --build ${FOLDER} --target ${programs})
set(suffix "")
if(NAME STREQUAL "windows")
  set(suffix .exe)
endif()

# What is compiled for instructions that not every machine has offers nothing but its kernels to the linker: an inline
# function shared from there would end the program where they are missing.
if(NAME STREQUAL "aarch64")
  must_run(aarch64-linux-gnu-nm -C ${FOLDER}/runtime/CMakeFiles/shrike_runtime.dir/kernels/neon_dot/conv8.cpp.o)
  string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" shared "${output}")
  string(REGEX MATCHALL "[^\n]* T [^\n]*" exported "${output}")
  list(FILTER exported EXCLUDE REGEX " shrike::neon_dot::")
  if(shared OR exported OR NOT output MATCHES " T shrike::neon_dot::conv8_run")
    message(FATAL_ERROR "neon_dot/conv8.cpp offers more than its kernels:\n${shared}\n${exported}")
  endif()
endif()

foreach(processor ${processors})
  set(command ${${processor}})
  list(POP_FRONT command best)
  # Its usage lists the kernels of this processor, the best one last.
  run(${command} ${FOLDER}/bin/test_vectors${suffix})
  if(NOT result EQUAL 2 OR (NOT best STREQUAL "any" AND NOT errors MATCHES "kernels of this machine: [^\n]* ${best}\n"))
    message(FATAL_ERROR "${words}: ${result}\n${errors}")
  endif()
  if(cross_test_kernels IN_LIST programs)
    must_run(${command} ${FOLDER}/bin/cross_test_kernels${suffix} --gtest_brief=1)
    message("${processor}: ${output}")
  endif()
endforeach()

# The golden vectors: the same bits as here by the portable kernels, values that differ from the embedded ones
# (simulated in floats at 16 bits, golden/README.md) included.
foreach(pair c_8:c esp32s3_8:esp32s3 esp32p4_8:esp32p4 esp32p4_16:esp32p4)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 folder)
  list(GET pair 1 chip)
  file(GLOB_RECURSE files RELATIVE ${SOURCE}/golden/ops/${folder} ${SOURCE}/golden/ops/${folder}/*.espdl)
  list(LENGTH files count)
  if(count LESS 30)
    message(FATAL_ERROR "golden/ops/${folder} holds ${count} files")
  endif()
  execute_process(COMMAND ${NATIVE} --isa portable --target ${chip} ${files}
    WORKING_DIRECTORY ${SOURCE}/golden/ops/${folder} OUTPUT_VARIABLE expected RESULT_VARIABLE native_result)
  if(expected MATCHES FAILED OR (folder MATCHES "_8$" AND NOT native_result EQUAL 0))
    message(FATAL_ERROR "${folder} on this machine: ${native_result}\n${expected}")
  endif()
  foreach(isa ${kernels})
    list(GET processors -1 processor)
    set(command ${${processor}})
    list(POP_FRONT command best)
    execute_process(COMMAND ${command} ${FOLDER}/bin/test_vectors${suffix} --isa ${isa} --target ${chip} ${files}
      WORKING_DIRECTORY ${SOURCE}/golden/ops/${folder} OUTPUT_VARIABLE output ERROR_VARIABLE errors)
    string(REPLACE "\r" "" output "${output}")
    if(NOT output STREQUAL expected)
      file(WRITE ${FOLDER}/${folder}.expected "${expected}")
      file(WRITE ${FOLDER}/${folder}.${isa} "${output}")
      message(FATAL_ERROR "${folder}, kernels ${isa}: outputs differ, see ${FOLDER}/${folder}.*\n${errors}")
    endif()
  endforeach()
  message("${folder}: ${count} files give this machine's bits with ${kernels}")
endforeach()
