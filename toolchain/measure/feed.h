// The pictures of a quantisation, as the network wants them.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "toolchain/data/image.h"
#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"
#include "toolchain/graph/passes.h"

namespace shrike::quantize {

// Told how much of a long piece of work is done.
using ProgressCallback = std::function<void(size_t done, size_t total)>;

// Spatial size of the graph's (single) image input [1,3,H,W].
graph::ImageSize input_size(const graph::Graph& graph);

// Reads and prepares one image as the network's float input [1,3,H,W], RGB in 0..1. Throws Error naming the
// image that can't be read.
std::vector<float> network_input(const std::string& image, graph::ImageSize size, data::Geometry geometry);

// `count` of the paths, evenly spread (all when count is 0 or exceeds them).
std::vector<std::string> choose_images(const std::vector<std::string>& paths, int count);

// Every step of a quantisation reads the same pictures: they are decoded and fitted once and kept, 8 bits a
// channel, as far as the memory allowed goes; the rest is decoded again. Copies share what is kept. May be
// read from several threads at once.
class Feed {
 public:
  // `threads`: that work on the pictures, 0 for all cores; never changes a result.
  Feed(const graph::Graph& graph, std::vector<std::string> images, data::Geometry geometry, int threads);

  size_t size() const { return images_.size(); }
  int threads() const { return threads_; }
  const std::string& name(size_t index) const { return images_[index]; }
  std::vector<float> values(size_t index) const;
  // The same under the input's name, for the float engine.
  std::map<std::string, engine::Array> inputs(size_t index) const;

  // `count` of the images, evenly spread (all when count is 0 or exceeds them).
  Feed evenly(int count) const;
  // Other images for the same network.
  Feed with(std::vector<std::string> images) const;

 private:
  class Cache;

  std::string input_;
  graph::ImageSize size_;
  int threads_;
  std::vector<std::string> images_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace shrike::quantize
