// Small .espdl files with heads, made here: three levels of a network for 64x64 pictures.
#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/espdl/maker.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"

namespace shrike::board::tests {

inline void rename(graph::Graph& graph, const std::string& from, const std::string& to) {
  graph::Tensor tensor = graph.tensor(from);
  tensor.name = to;
  graph.tensors.erase(from);
  graph.tensors[to] = tensor;
  for (graph::Node& node : graph.nodes) {
    for (std::string& name : node.inputs) name = name == from ? to : name;
    for (std::string& name : node.outputs) name = name == from ? to : name;
  }
}

// One convolution of a level: stem of its outputs' names and channels.
using Branches = std::vector<std::pair<std::string, int64_t>>;
inline const Branches kDetect = {{"box", 64}, {"score", 2}};
inline const Branches kPose = {{"box", 64}, {"score", 1}, {"kpt", 51}};
inline const Branches kTurned = {{"box", 64}, {"score", 1}, {"angle", 1}};

inline espdl::Program program_with(const Branches& branches, Target target, const std::string& names) {
  espdl::tests::Maker maker(8);
  std::string feature = maker.input("images", {1, 3, 64, 64});
  for (int i = 0; i < 2; ++i) feature = maker.conv(feature, 16, {.stride = 2});
  for (int level = 0; level < 3; ++level) {
    feature = maker.conv(feature, 16, {.stride = 2});
    for (const auto& [stem, channels] : branches) {
      const std::string output =
          maker.conv(feature, channels, {.kernel_height = 1, .kernel_width = 1, .pad = 0});
      rename(maker.graph, output, stem + std::to_string(level));
      maker.graph.outputs.push_back(stem + std::to_string(level));
    }
  }
  maker.graph.metadata["names"] = names;
  return espdl::lower(maker.graph, target);
}

inline std::vector<uint8_t> file_with(const Branches& branches, Target target, const std::string& names) {
  return espdl::serialize(program_with(branches, target, names));
}

// The file with one bit of a weight of `node`'s filter turned over, where it lies in the file.
inline std::vector<uint8_t> with_flipped_weight(std::vector<uint8_t> bytes, int32_t node) {
  host::IntegerModel model = host::IntegerModel::from_bytes(bytes, "file");
  const TensorView filter = model.model().node_input(node, 1);
  const uint8_t* data = static_cast<const uint8_t*>(filter.data);
  const auto at = std::search(bytes.begin(), bytes.end(), data, data + filter.bytes);
  if (at == bytes.end()) fail("the filter of node {} does not lie in the file as it is used", node);
  at[static_cast<std::ptrdiff_t>(filter.bytes / 2)] ^= 0x40;
  return bytes;
}

}  // namespace shrike::board::tests
