// Any bytes as a checkpoint (.pt), as the pickle inside one, or as a .tflite file: an Error that says
// something, or a graph that is sound. Nothing else may be thrown, and nothing that the bytes name is opened.
#include <cstdlib>
#include <cstring>

#include "tests/import/zip_writer.h"
#include "toolchain/import/pt/import.h"
#include "toolchain/import/tflite/import.h"
#include "toolchain/support/error.h"

namespace {

using shrike::graph::Graph;

Graph import(const std::string& bytes) {
  const std::string name = "fuzz";
  if (bytes.starts_with("PK")) return shrike::graph::import_checkpoint(bytes, name);
  // A pickle goes into an archive here: its checksum would keep nearly all changes from being read.
  if (bytes.starts_with("\x80"))
    return shrike::graph::import_checkpoint(shrike::tests::ZipWriter().add("m/data.pkl", bytes).bytes(),
                                            name);
  return shrike::graph::import_tflite(bytes, name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Graph graph = import({reinterpret_cast<const char*>(data), size});
    shrike::graph::check(graph);
  } catch (const shrike::Error& error) {
    if (std::strlen(error.what()) == 0) std::abort();
  }
  return 0;
}
