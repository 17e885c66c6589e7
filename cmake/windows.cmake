# 64-bit Windows by mingw-w64. Debian: g++-mingw-w64-x86-64-posix; wine runs what it makes. One file without DLLs. With
# SHRIKE_WINDOWS_ROOT, a folder that scripts/windows_root.sh made, the program can be built too, without the float
# engine; alone only the runtime.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)
set(CMAKE_CROSSCOMPILING_EMULATOR wine)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES SHRIKE_WINDOWS_ROOT)
if(SHRIKE_WINDOWS_ROOT)
  set(CMAKE_FIND_ROOT_PATH ${SHRIKE_WINDOWS_ROOT} /usr/x86_64-w64-mingw32)
  set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
endif()
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
# Windows aligns the stack to 16 bytes only, and this compiler takes 32-byte vectors on it for aligned (GCC's bug
# 54412); the assembler can make every move one that does not care.
set(CMAKE_CXX_FLAGS_INIT "-Wa,-muse-unaligned-vector-move")
