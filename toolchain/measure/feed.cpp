#include "toolchain/measure/feed.h"

#include <mutex>

#include "toolchain/support/error.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

// What is kept at most: 96 pictures of 640x640 are 118 MB.
constexpr size_t kCacheBytes = 300'000'000;

data::Image fitted_image(const std::string& path, graph::ImageSize size, data::Geometry geometry) {
  return data::fit(data::load_image(path), static_cast<int>(size.width), static_cast<int>(size.height),
                   geometry, nullptr);
}

std::vector<float> as_input(const data::Image& fitted) {
  std::vector<float> planar(fitted.pixels.size());
  data::to_planar(fitted, planar.data());
  return planar;
}

}  // namespace

class Feed::Cache {
 public:
  Cache(graph::ImageSize size, data::Geometry geometry) : size_(size), geometry_(geometry) {}

  std::shared_ptr<const data::Image> image(const std::string& path) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = kept_.find(path); found != kept_.end()) return found->second;
    }
    const auto made = std::make_shared<const data::Image>(fitted_image(path, size_, geometry_));
    const std::lock_guard lock(mutex_);
    if (bytes_ + made->pixels.size() <= kCacheBytes && kept_.emplace(path, made).second)
      bytes_ += made->pixels.size();
    return made;
  }

 private:
  graph::ImageSize size_;
  data::Geometry geometry_;
  std::mutex mutex_;
  size_t bytes_ = 0;
  std::map<std::string, std::shared_ptr<const data::Image>> kept_;
};

graph::ImageSize input_size(const graph::Graph& graph) {
  if (graph.inputs.size() != 1)
    fail("the model has {} inputs; calibration on images needs exactly one", graph.inputs.size());
  const graph::Tensor& input = graph.tensor(graph.inputs[0]);
  if (input.shape.size() != 4 || input.shape[1] != 3) {
    fail("input '{}' is not an image: expected the shape [1,3,H,W]", input.name);
  }
  return {input.shape[2], input.shape[3]};
}

std::vector<float> network_input(const std::string& image, graph::ImageSize size, data::Geometry geometry) {
  return as_input(fitted_image(image, size, geometry));
}

std::vector<std::string> choose_images(const std::vector<std::string>& paths, int count) {
  if (count <= 0 || static_cast<size_t>(count) >= paths.size()) return paths;
  std::vector<std::string> chosen;
  for (int i = 0; i < count; ++i) chosen.push_back(paths[static_cast<size_t>(i) * paths.size() / count]);
  return chosen;
}

Feed::Feed(const graph::Graph& graph, std::vector<std::string> images, data::Geometry geometry, int threads)
    : size_(input_size(graph)),
      threads_(resolve_threads(threads)),
      images_(std::move(images)),
      cache_(std::make_shared<Cache>(size_, geometry)) {
  input_ = graph.inputs[0];
}

std::vector<float> Feed::values(size_t index) const {
  return as_input(*cache_->image(images_[index]));
}

std::map<std::string, engine::Array> Feed::inputs(size_t index) const {
  return {{input_, {{1, 3, size_.height, size_.width}, values(index)}}};
}

Feed Feed::evenly(int count) const {
  return with(choose_images(images_, count));
}

Feed Feed::with(std::vector<std::string> images) const {
  Feed other = *this;
  other.images_ = std::move(images);
  return other;
}

}  // namespace shrike::quantize
