// What biases are corrected towards: the float network's convolution outputs at a few places of every image.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"

namespace shrike::quantize {

// Values at evenly spread places, the same for every tensor of a shape: [channel][place] of one image
// [1, C, ...].
std::vector<float> at_places(const StridedValues& values);
int64_t place_count(const graph::Shape& shape);

class FloatOutputs {
 public:
  // Of the images of a feed, nothing of which is known yet.
  FloatOutputs(const graph::Graph& graph, const Feed& feed);

  // Keeps what it wants of a tensor; other images and tensors are passed over. Different images may come from
  // several threads at once.
  void add(const std::string& image, const engine::TensorData& tensor);
  bool covers(const Feed& feed) const;
  // Of a convolution's output tensor, [channel][place].
  const std::vector<float>& at(const std::string& image, const std::string& tensor) const;

 private:
  std::set<std::string> wanted_;
  std::map<std::string, std::map<std::string, std::vector<float>>> kept_;  // by image, by tensor
};

// By a run of the float network.
FloatOutputs float_outputs(const graph::Graph& graph, const Feed& feed);

}  // namespace shrike::quantize
