#include "toolchain/import/import.h"

#include "toolchain/import/onnx/import.h"

namespace shrike::graph {

Graph import_model(const std::string& path) {
  return import_onnx(path);
}

}  // namespace shrike::graph
