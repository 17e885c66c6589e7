# Builds the program, without the float engine, for another machine, runs it in an emulator and compares what it prints and
# writes with this machine's, byte for byte. Called by ctest: cmake -D NAME=<aarch64 or windows> -D SOURCE=<repository>
# -D ROOT=<folder of scripts/arm_root.sh or windows_root.sh> -D FOLDER=<build folder> -D GENERATOR=...
# -D PROGRAM=<shrike of this machine> -D DRAW=<draw_shapes> -D LAUNCHER=<compiler cache or nothing> -P program.cmake
cmake_minimum_required(VERSION 3.24)
include(${CMAKE_CURRENT_LIST_DIR}/needs.cmake)

if(NAME STREQUAL "aarch64")
  set(toolchain aarch64-linux)
  set(tools aarch64-linux-gnu-g++ qemu-aarch64)
  set(packages "g++-aarch64-linux-gnu and qemu-user (packages.txt: arm)")
  set(root_script arm_root.sh)
  set(root_option SHRIKE_ARM_ROOT)
  set(onnx ${ROOT}/usr/include/onnx)
  set(there qemu-aarch64 -cpu max -L ${ROOT} ${FOLDER}/bin/shrike)
  set(developer OFF)
  set(programs shrike)
else()
  set(toolchain windows)
  set(tools x86_64-w64-mingw32-g++-posix wine)
  set(packages "g++-mingw-w64-x86-64-posix and wine (packages.txt: windows)")
  set(root_script windows_root.sh)
  set(root_option SHRIKE_WINDOWS_ROOT)
  set(onnx ${ROOT}/include/onnx)
  set(there wine ${FOLDER}/bin/shrike.exe)
  set(developer ON)  # warnings are errors, and the test of the system's half is built
  set(programs shrike cross_test_system)
  set(ENV{WINEDEBUG} -all)
  set(ENV{WINEPREFIX} ${FOLDER}/wine)
  set(ENV{LC_ALL} C.UTF-8)  # wine takes the names of files to be in the encoding of the locale
endif()

need_programs(cross.${NAME}_program "${packages}" ${tools})
if(NOT EXISTS ${onnx})
  message("cross.${NAME}_program: Skipped\nneeds libraries for that machine: scripts/${root_script} ${ROOT}")
  return()
endif()

execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${FOLDER} -G ${GENERATOR}
  -D CMAKE_TOOLCHAIN_FILE=${SOURCE}/cmake/${toolchain}.cmake -D ${root_option}=${ROOT} -D CMAKE_BUILD_TYPE=Release
  -D SHRIKE_FLOAT=OFF -D SHRIKE_DEVELOPER_MODE=${developer} -D CMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}
  COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${FOLDER} --target ${programs} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
if(NAME STREQUAL "windows")
  # One file that needs nothing beside it but Windows.
  execute_process(COMMAND x86_64-w64-mingw32-objdump -p ${FOLDER}/bin/shrike.exe OUTPUT_VARIABLE headers
    COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "DLL Name: [^\n]*" libraries "${headers}")
  list(FILTER libraries EXCLUDE REGEX "DLL Name: (KERNEL32|SHELL32|msvcrt)\\.dll")
  if(libraries OR NOT headers MATCHES "DLL Name: KERNEL32")
    message(FATAL_ERROR "shrike.exe needs ${libraries}")
  endif()
  # The first start makes wine's folder, talks about it and leaves processes that hold its output open: no pipe, which
  # would be waited for. They stay for those that follow, and end a minute after the last one.
  execute_process(COMMAND wineserver -p60 OUTPUT_FILE ${FOLDER}/wine.log ERROR_FILE ${FOLDER}/wine.log)
  execute_process(COMMAND ${there} --version OUTPUT_FILE ${FOLDER}/wine.log ERROR_FILE ${FOLDER}/wine.log
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND wine ${FOLDER}/bin/cross_test_system.exe --gtest_brief=1 RESULT_VARIABLE status
    OUTPUT_VARIABLE printed ERROR_VARIABLE said)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "cross_test_system: ${status}\n${printed}${said}")
  endif()
  message("${printed}")
endif()

# The same files for both, in two folders.
set(work ${FOLDER}/work)
file(REMOVE_RECURSE ${work})
set(shapes ${SOURCE}/examples/shapes/shapes.onnx)
execute_process(COMMAND ${DRAW} ${work}/shapes 12 4 2 COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
execute_process(COMMAND ${PROGRAM} quantize ${shapes} --calib ${work}/shapes/train/images -o ${work}/shapes.espdl
  --test-image ${work}/shapes/val/images/000012.jpg --quiet RESULT_VARIABLE quantised OUTPUT_QUIET ERROR_VARIABLE errors)
if(NOT quantised EQUAL 0 AND NOT errors MATCHES "float engine")
  message(FATAL_ERROR "quantize: ${quantised}\n${errors}")
endif()

# What both find in their folder.
set(picture ${work}/shapes/val/images/000013.jpg)
foreach(place here there)
  file(MAKE_DIRECTORY ${work}/${place} "${work}/${place}/größe 图 😀")
  file(COPY_FILE ${picture} "${work}/${place}/größe 图 😀/bild ü.jpg")
  file(WRITE ${work}/${place}/no_picture.jpg "no picture")
  file(WRITE ${work}/${place}/list.txt "größe 图 😀/bild ü.jpg\n../shapes/val/images/000012.jpg\n")
  file(WRITE ${work}/${place}/lists_missing.txt "größe 图 😀/missing ü.jpg\n")
  foreach(list list lists_missing)
    file(WRITE ${work}/${place}/${list}.yaml "path: .\nval: ${list}.txt\nnames: [circle, square, triangle, star, cross, ring, letter A, letter R]\n")
  endforeach()
  file(WRITE ${work}/${place}/boxes.json "what an earlier run has left")
  file(WRITE ${work}/${place}/boxes.json.4711.partial "what a killed run has left")
endforeach()

# Runs `shrike ARGN` here and there; the exit statuses must be equal and match `expected`, what is printed must be equal.
set(commands 0)
function(compare expected)
  foreach(place here there)
    set(command ${PROGRAM})
    if(place STREQUAL "there")
      set(command ${there})
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
compare(1 info no/such/folder/model.espdl)
compare(1 info .)
compare(2 quantise)
compare(2 info ${shapes} --no-such-option)
compare(2 run)
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
  compare(0 run ${work}/shapes.espdl --input images=${work}/shapes/val/images/000013.jpg --output dump)  # replaces it
  compare(0 compare dump dump)
  compare(0 eval ${work}/shapes.espdl --data ${work}/shapes/val --save-json boxes.json)
  compare(0 eval ${work}/shapes.espdl --data ${work}/shapes/val --save-json /dev/stdout)
  compare(0 detect ${work}/shapes.espdl ${work}/shapes/val/images -o drawn)
  # Names beyond ASCII, also in a list, in what is printed and in what is written.
  compare(0 detect ${work}/shapes.espdl "größe 图 😀" -o "größe 图 😀/gefunden")
  compare(0 eval ${work}/shapes.espdl --data list.yaml --save-json "Kästen ü.json")
  compare(0 run ${work}/shapes.espdl --input "images=größe 图 😀/bild ü.jpg" --output "größe 图 😀/dump")
  # What fails says the same, and leaves what was there.
  compare(1 eval ${work}/shapes.espdl --data missing)
  compare(1 eval ${work}/shapes.espdl --data ${work}/shapes/val --save-json no/such/boxes.json)
  compare(1 eval ${work}/shapes.espdl --data ${work}/shapes/val --save-json dump)
  compare(1 detect ${work}/shapes.espdl no_picture.jpg -o drawn)
  compare(1 eval ${work}/shapes.espdl --data lists_missing.yaml)
  compare(1 detect ${work}/shapes.espdl ${work}/shapes/val/images -o boxes.json)
  compare(1 run ${work}/shapes.espdl --input "images=größe 图 😀/missing ü.jpg")
  compare(1 run no_picture.jpg)
  compare(0 project ${work}/shapes.espdl --board p4-function-ev -o board)
  compare(0 project ${work}/shapes.espdl --c-array -o array)
endif()

# What needs the float engine says so, and writes nothing.
execute_process(COMMAND ${there} quantize ${shapes} --calib ${work}/shapes/train/images -o quantized.espdl
  WORKING_DIRECTORY ${work}/there RESULT_VARIABLE status ERROR_VARIABLE said OUTPUT_VARIABLE printed)
if(NOT status EQUAL 1 OR NOT said MATCHES "^shrike: this needs the float engine, [^\n]*\n$" OR printed)
  message(FATAL_ERROR "quantize without the float engine: ${status}\n${printed}${said}")
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
message("${commands} commands print the same on ${NAME}, ${files} files have the same bytes")
