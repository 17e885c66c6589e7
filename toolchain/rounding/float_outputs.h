// What biases are corrected towards: the float network's convolution outputs at a few places of every image.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"
#include "toolchain/measure/feed.h"
#include "toolchain/system/scratch.h"

namespace shrike::quantize {

// Values at evenly spread places, the same for every tensor of a shape: [channel][place] of one image
// [1, C, ...].
std::vector<float> at_places(const StridedValues& values);
int64_t place_count(const graph::Shape& shape);

// They are on disk: half a gigabyte of YOLO11n's on 96 images, made when the network is calibrated and wanted
// when all else is done.
class FloatOutputs {
 public:
  // Of the images of a feed, nothing of which is known yet.
  FloatOutputs(const graph::Graph& graph, const Feed& feed);

  // Keeps what it wants of a tensor; other images and tensors are passed over. Different images may come from
  // several threads at once.
  void add(const std::string& image, const engine::TensorData& tensor);
  bool covers(const Feed& feed) const;
  // Of a convolution's output tensor, [channel][place].
  std::vector<float> at(const std::string& image, const std::string& tensor) const;

 private:
  struct Kept {
    int64_t place = 0;  // in the scratch file
    size_t count = 0;
    std::vector<float> values;  // where the disk did not take them
  };

  std::set<std::string> wanted_;
  std::map<std::string, std::map<std::string, Kept>> kept_;  // by image, by tensor
  std::unique_ptr<Scratch> scratch_ = std::make_unique<Scratch>();
};

// By a run of the float network.
FloatOutputs float_outputs(const graph::Graph& graph, const Feed& feed);

}  // namespace shrike::quantize
