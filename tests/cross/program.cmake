# Builds the program, without the float engine, for 64-bit ARM, runs it in an emulator and compares what it prints and
# writes with this machine's. Called by ctest: cmake -D SOURCE=<repository> -D ROOT=<folder of scripts/arm_root.sh>
# -D FOLDER=<build folder> -D GENERATOR=... -D PROGRAM=<shrike of this machine> -D DRAW=<draw_shapes> -D LAUNCHER=<compiler
# cache or nothing> -P program.cmake
cmake_minimum_required(VERSION 3.24)

include(${CMAKE_CURRENT_LIST_DIR}/needs.cmake)

need_programs(cross.aarch64_program "g++-aarch64-linux-gnu and qemu-user (packages.txt: arm)"
  aarch64-linux-gnu-g++ qemu-aarch64)
if(NOT EXISTS ${ROOT}/usr/include/onnx)
  message("cross.aarch64_program: Skipped\nneeds the libraries of an ARM Debian: scripts/arm_root.sh ${ROOT}")
  return()
endif()

execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${FOLDER} -G ${GENERATOR}
  -D CMAKE_TOOLCHAIN_FILE=${SOURCE}/cmake/aarch64-linux.cmake -D SHRIKE_ARM_ROOT=${ROOT} -D CMAKE_BUILD_TYPE=Release
  -D SHRIKE_FLOAT=OFF -D SHRIKE_DEVELOPER_MODE=OFF -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
  COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${FOLDER} --target shrike COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)

# The same files for both, in two folders.
set(work ${FOLDER}/work)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work}/here ${work}/there)
set(shapes ${SOURCE}/examples/shapes/shapes.onnx)
execute_process(COMMAND ${DRAW} ${work}/shapes 12 4 2 COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
execute_process(COMMAND ${PROGRAM} quantize ${shapes} --calib ${work}/shapes/train/images -o ${work}/shapes.espdl
  --test-image ${work}/shapes/val/images/000012.jpg --quiet RESULT_VARIABLE quantised OUTPUT_QUIET ERROR_VARIABLE errors)
if(NOT quantised EQUAL 0 AND NOT errors MATCHES "float engine")
  message(FATAL_ERROR "quantize: ${quantised}\n${errors}")
endif()

# Runs `shrike ARGN` here and there; the exit statuses must be equal and match `expected`, what is printed must be equal.
set(commands 0)
function(compare expected)
  foreach(place here there)
    set(command ${PROGRAM})
    if(place STREQUAL "there")
      set(command qemu-aarch64 -cpu max -L ${ROOT} ${FOLDER}/bin/shrike)
    endif()
    execute_process(COMMAND ${command} ${ARGN} WORKING_DIRECTORY ${work}/${place}
      RESULT_VARIABLE status_${place} OUTPUT_VARIABLE printed_${place} ERROR_VARIABLE said_${place})
    # The speed and the kernels of the machine, and a last line of progress that a slow one has.
    string(REGEX REPLACE "[0-9.]+ s, [0-9.]+ images/s|avx[a-z0-9]+|neon[a-z_]*|sse[a-z0-9]*|portable" "" printed_${place} "${printed_${place}}")
    string(REGEX REPLACE "\"(isa|seconds|images_per_second)\": [^,\n]*" "" printed_${place} "${printed_${place}}")
    string(REGEX REPLACE "[a-z]+ [0-9]+/[0-9]+ in [0-9.]+ s\n" "" said_${place} "${said_${place}}")
  endforeach()
  string(REPLACE ";" " " words "shrike;${ARGN}")
  if(NOT status_here MATCHES "^${expected}$" OR NOT status_there EQUAL status_here)
    message(FATAL_ERROR "${words}: exit status ${status_here} here, ${status_there} there, ${expected} was expected\n"
      "${said_here}\n${said_there}")
  endif()
  if(NOT printed_here STREQUAL printed_there OR NOT said_here STREQUAL said_there)
    message(FATAL_ERROR "${words}\n--- here\n${printed_here}${said_here}--- there\n${printed_there}${said_there}")
  endif()
  math(EXPR commands "${commands} + 1")
  set(commands ${commands} PARENT_SCOPE)
endfunction()

compare(0 --version)
compare(0 --help)
compare(0 info ${shapes})
compare(0 info ${shapes} --json)
compare(1 info ${work}/missing.onnx)
compare(2 quantise)
compare(1 quantize ${shapes} --calib ${work}/shapes/train/images -o no/such/folder/a.espdl)
file(GLOB_RECURSE vectors ${SOURCE}/golden/ops/esp32p4_8/*.espdl ${SOURCE}/golden/ops/esp32s3_8/*.espdl)
list(LENGTH vectors count)
if(count LESS 60)
  message(FATAL_ERROR "golden/ops holds ${count} files")
endif()
foreach(vector ${vectors})
  compare([01] test ${vector})  # some differ from the embedded values (golden/README.md)
  compare(0 run ${vector} --seed 3 --tensors)
endforeach()
if(quantised EQUAL 0)
  compare(0 info ${work}/shapes.espdl)
  compare(0 test ${work}/shapes.espdl)
  compare(0 run ${work}/shapes.espdl --input images=${work}/shapes/val/images/000013.jpg --output dump)
  compare(0 eval ${work}/shapes.espdl --data ${work}/shapes/val --save-json boxes.json)
  compare(0 detect ${work}/shapes.espdl ${work}/shapes/val/images -o drawn)
  compare(0 project ${work}/shapes.espdl --board p4-function-ev -o board)
  compare(0 project ${work}/shapes.espdl --c-array -o array)
endif()

# What was written, byte for byte.
file(GLOB_RECURSE written RELATIVE ${work}/here ${work}/here/*)
file(GLOB_RECURSE written_there RELATIVE ${work}/there ${work}/there/*)
if(NOT written STREQUAL written_there)
  message(FATAL_ERROR "files here: ${written}\nthere: ${written_there}")
endif()
foreach(name ${written})
  file(SHA256 ${work}/here/${name} here)
  file(SHA256 ${work}/there/${name} there)
  if(NOT here STREQUAL there)
    message(FATAL_ERROR "${work}/here/${name} and ${work}/there/${name} differ")
  endif()
endforeach()
list(LENGTH written files)
message("${commands} commands print the same on ARM, ${files} files have the same bytes")
