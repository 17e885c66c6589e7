// Tensors of a run written as raw files with an index, and the comparison of two such folders.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "toolchain/host/integer_model.h"

namespace shrike::host {

struct DumpedTensor {
  std::string name;
  std::string node;  // that produced it; empty for graph inputs
  std::string type;  // "int8" ...
  Shape shape;
  int32_t exponent = 0;
  std::string sha256;  // of the element bytes, little-endian
  std::string file;    // in the folder; empty when not written
  std::vector<uint8_t> bytes;
  bool as_stated = true;  // the bytes have that hash; read_dump() finds it out
};

enum class Which { kOutputs, kAll };  // kAll: graph inputs and every node output, in order of production

// Runs the model on the inputs it holds and takes the tensors as they are produced (in the planned memory).
std::vector<DumpedTensor> run_and_dump(IntegerModel& model, Which which);

// Writes `<number>_<name>.bin` for each tensor and, last, index.json; then removes what an older dump in the
// folder had beyond it.
void write_dump(const std::string& folder, const IntegerModel& model, std::vector<DumpedTensor>& tensors);
// Reads a folder written by write_dump(); throws Error when something is missing or does not fit.
std::vector<DumpedTensor> read_dump(const std::string& folder);
// Throws Error naming the first file that has not the hash which the index states: the dump was interrupted
// half-way over an older one, or changed.
void require_as_stated(const std::string& folder, const std::vector<DumpedTensor>& tensors);

// One sentence about the first tensor (in the order of `a`) and element where the dumps differ; none when
// they agree.
std::optional<std::string> first_difference(const std::vector<DumpedTensor>& a,
                                            const std::vector<DumpedTensor>& b);

}  // namespace shrike::host
