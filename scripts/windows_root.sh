#!/usr/bin/env bash
# Headers and static libraries for 64-bit Windows, for building shrike.exe on this machine: the preset windows-program and
# the test cross.windows_program look for them in build-windows-root. The sources are those that Debian 12 was released with,
# fetched from its archive and compared with the sums below; later corrections by Debian are not in them. Header-only
# libraries are copied from this machine, ONNX's format is made from the description that its libonnx-dev holds.
# Needs the groups core and windows of packages.txt and the network: 13 MB are fetched, 19 MB stay.
#
#   scripts/windows_root.sh FOLDER      makes the folder; does nothing when it is there
set -euo pipefail
[ $# -eq 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$(realpath -m "$1")
[ ! -e "$folder" ] || exit 0
toolchain=$(realpath "$(dirname "$0")/../cmake/windows.cmake")
unfinished=$folder.unfinished
rm -rf "$unfinished"
mkdir -p "$unfinished/work" "$unfinished/include" "$unfinished/lib"
cd "$unfinished/work"
exec 3>&1 > "$folder.log" 2>&1  # the builds talk; the log tells where one failed
trap 'status=$?; if [ $status -ne 0 ]; then tail -3 "$folder.log" >&3; fi' EXIT

launcher=$(command -v ccache || true)
export CCACHE_BASEDIR=$unfinished CCACHE_NOHASHDIR=1

# fetch PLACE SUM: the archive PLACE of Debian's pool/main, unpacked; the folder that it makes is $source then.
fetch() {
  local archive=${1##*/}
  curl --fail --location --silent --show-error --retry 3 -o "$archive" "http://deb.debian.org/debian/pool/main/$1"
  echo "$2  $archive" | sha256sum --check --quiet
  source=$(tar -tf "$archive" | sed 's|/.*||' | uniq)
  tar -xf "$archive"
}

# build TARGET OPTION...: one target of the fetched source that is built by CMake, in $source/build.
build() {
  local target=$1
  shift
  cmake -S "$source" -B "$source/build" -G Ninja -D CMAKE_TOOLCHAIN_FILE="$toolchain" -D SHRIKE_WINDOWS_ROOT="$unfinished" \
    -D CMAKE_BUILD_TYPE=Release -D CMAKE_INSTALL_PREFIX="$unfinished" -D BUILD_SHARED_LIBS=OFF \
    -D CMAKE_C_COMPILER_LAUNCHER="$launcher" -D CMAKE_CXX_COMPILER_LAUNCHER="$launcher" "$@"
  cmake --build "$source/build" --target "$target"
}

# archive NAME FILE...: a library of the C sources of $source.
archive() {
  local name=$1
  shift
  (cd "$source"
   for file in "$@"; do $launcher x86_64-w64-mingw32-gcc-posix -O2 -I"$unfinished/include" -c "$file"; done
   x86_64-w64-mingw32-ar rcs "$unfinished/lib/lib$name.a" "${@/%.c/.o}")
}

fetch z/zlib/zlib_1.2.13.dfsg.orig.tar.bz2 71feb7947e3c00ef125f83b79a4e529bde31171e5babe48b391f06758d1ab0a1
archive z adler32.c compress.c crc32.c deflate.c infback.c inffast.c inflate.c inftrees.c trees.c uncompr.c zutil.c
cp "$source"/zlib.h "$source"/zconf.h "$unfinished/include"

fetch libp/libpng1.6/libpng1.6_1.6.39.orig.tar.gz a00e9d2f2f664186e4202db9299397f851aea71b36a35e74910b8820e380d441
cp "$source/scripts/pnglibconf.h.prebuilt" "$source/pnglibconf.h"
archive png png.c pngerror.c pngget.c pngmem.c pngpread.c pngread.c pngrio.c pngrtran.c pngrutil.c pngset.c pngtrans.c \
  pngwio.c pngwrite.c pngwtran.c pngwutil.c
cp "$source"/png.h "$source"/pngconf.h "$source"/pnglibconf.h "$unfinished/include"

# The instructions beyond plain C need another assembler and change no pixel.
fetch libj/libjpeg-turbo/libjpeg-turbo_2.1.5.orig.tar.gz 254f3642b04e309fee775123133c6464181addc150499561020312ec61c1bf7c
build jpeg-static -D ENABLE_SHARED=OFF -D WITH_SIMD=OFF -D WITH_TURBOJPEG=OFF
cp "$source"/build/libjpeg.a "$unfinished/lib"
cp "$source"/{jpeglib,jerror,jmorecfg}.h "$source"/build/jconfig.h "$unfinished/include"

fetch f/freetype/freetype_2.12.1+dfsg.orig.tar.xz 7dedb6b9adf331559daea614a83b8de42a753e685ec8e1c4bdb4529eb880b0d1
build freetype -D FT_DISABLE_BZIP2=ON -D FT_DISABLE_PNG=ON -D FT_DISABLE_HARFBUZZ=ON -D FT_DISABLE_BROTLI=ON
cmake --install "$source/build"

fetch f/fmtlib/fmtlib_9.1.0+ds1.orig.tar.gz 84ce1c2d0be3a9863935137969dcec6970125caac032f82474640bfc81463583
build fmt -D FMT_TEST=OFF -D FMT_DOC=OFF
cmake --install "$source/build"

fetch y/yaml-cpp/yaml-cpp_0.7.0+dfsg.orig.tar.xz dc63708605404e0b963e0ca3a9619d1c8270eda2839603e6fa0384e5e51e5312
build yaml-cpp -D YAML_CPP_BUILD_TESTS=OFF -D YAML_CPP_BUILD_TOOLS=OFF -D YAML_BUILD_SHARED_LIBS=OFF
cmake --install "$source/build"

fetch p/protobuf/protobuf_3.21.12.orig.tar.gz 930c2c3b5ecc6c9c12615cf5ad93f1cd6e12d0aba862b572e076259970ac3a53
build libprotobuf -D protobuf_BUILD_TESTS=OFF -D protobuf_BUILD_PROTOC_BINARIES=OFF -D protobuf_WITH_ZLIB=OFF
cp "$source/build/libprotobuf.a" "$unfinished/lib"
(cd "$source/src" && find google '(' -name '*.h' -o -name '*.inc' ')' -exec cp --parents -t "$unfinished/include" {} +)

# The file that libonnx-dev holds is meant for the small protobuf library; it lacks one kind of value that Debian's own
# classes have, Opaque, which no network uses.
mkdir -p onnx "$unfinished/include/onnx"
grep -v '^option optimize_for' /usr/include/onnx/onnx.proto > onnx/onnx-ml.proto
protoc --cpp_out="$unfinished/include" onnx/onnx-ml.proto
x86_64-w64-mingw32-g++-posix -O2 -std=c++17 -I"$unfinished/include" -c "$unfinished/include/onnx/onnx-ml.pb.cc" -o onnx-ml.o
x86_64-w64-mingw32-ar rcs "$unfinished/lib/libonnx_proto.a" onnx-ml.o
rm "$unfinished/include/onnx/onnx-ml.pb.cc"
cp /usr/include/onnx/onnx_pb.h "$unfinished/include/onnx"

for library in flatbuffers nlohmann CLI; do cp -r "/usr/include/$library" "$unfinished/include"; done
mkdir -p "$unfinished/lib/cmake"
for package in nlohmann_json CLI11; do
  found=$(find /usr/share/cmake /usr/lib/cmake /usr/lib/*-linux-gnu*/cmake -maxdepth 1 -name "$package" | head -1)
  echo "package $package: $found"
  cp -r "$found" "$unfinished/lib/cmake"
done
cd "$unfinished"
rm -rf work
mv "$unfinished" "$folder"
