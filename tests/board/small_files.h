// Small .espdl files with heads, made here: three levels of a network for 64x64 pictures.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "tests/espdl/maker.h"
#include "toolchain/espdl/writer.h"

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

inline std::vector<uint8_t> file_with(const Branches& branches, Target target, const std::string& names) {
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
  return espdl::serialize(espdl::lower(maker.graph, target));
}

}  // namespace shrike::board::tests
