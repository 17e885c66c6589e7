// Internal to the ONNX import: weights in files beside the model.
#pragma once
#include <cstdint>
#include <string>
#include <utility>

#include "toolchain/import/onnx/proto.h"

namespace shrike::graph {

// Reads what TensorProto.external_data names, only from regular files inside the model's folder: no absolute
// path, no "..", no symbolic link that leads out. Without a folder (a model in memory) everything is refused.
class ExternalData {
 public:
  explicit ExternalData(std::string folder) : folder_(std::move(folder)) {}

  // The `bytes` bytes of the tensor; `where` begins the error sentence. Throws Error when the file is not
  // allowed, not there or too short, or when the length it states differs.
  std::string read(const onnx::TensorProto& proto, uint64_t bytes, const std::string& where);

 private:
  std::string file_of(const std::string& location, const std::string& where) const;

  std::string folder_;  // "": none
  uint64_t total_ = 0;
};

}  // namespace shrike::graph
