#include "toolchain/measure/feed.h"

#include <mutex>

#include "toolchain/support/error.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

// What is kept at most: 96 pictures of 640x640 are 118 MB.
constexpr size_t kCacheBytes = 300'000'000;

void check_sizes(const std::vector<data::Port>& ports) {
  for (const data::Port& port : ports) {
    for (const int64_t dim : port.shape) {
      if (dim == graph::kUnknownDim)
        fail("input '{}': its size is left open in the model; give it with --imgsz", port.name);
    }
  }
}

}  // namespace

// Pictures of networks with one input, fitted to it.
class Feed::Cache {
 public:
  std::shared_ptr<const data::Image> fitted(const std::string& path, const data::InputSpec& spec) {
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = kept_.find(path); found != kept_.end()) return found->second;
    }
    const auto made = std::make_shared<const data::Image>(
        data::fit(data::load_image(path), spec.width, spec.height, spec.geometry, nullptr));
    const std::lock_guard lock(mutex_);
    if (bytes_ + made->pixels.size() <= kCacheBytes && kept_.emplace(path, made).second)
      bytes_ += made->pixels.size();
    return made;
  }

 private:
  std::mutex mutex_;
  size_t bytes_ = 0;
  std::map<std::string, std::shared_ptr<const data::Image>> kept_;
};

std::vector<std::string> choose_samples(const std::vector<std::string>& samples, int count) {
  if (count <= 0 || static_cast<size_t>(count) >= samples.size()) return samples;
  std::vector<std::string> chosen;
  for (int i = 0; i < count; ++i) chosen.push_back(samples[static_cast<size_t>(i) * samples.size() / count]);
  return chosen;
}

Feed::Feed(const graph::Graph& graph, std::vector<std::string> samples, int threads)
    : ports_(data::ports_of(graph)),
      threads_(resolve_threads(threads)),
      samples_(std::move(samples)),
      cache_(std::make_shared<Cache>()) {
  check_sizes(ports_);
}

std::vector<float> Feed::values(size_t index) const {
  const std::string& sample = samples_[index];
  if (ports_.size() == 1 && ports_[0].picture && data::is_picture(sample)) {
    const data::InputSpec& spec = *ports_[0].picture;
    return data::to_network(*cache_->fitted(sample, spec), spec, nullptr);
  }
  std::vector<float> all;
  for (const std::vector<float>& input : data::load_sample(sample, ports_))
    all.insert(all.end(), input.begin(), input.end());
  return all;
}

std::map<std::string, engine::Array> Feed::inputs(size_t index) const {
  return inputs(values(index));
}

std::map<std::string, engine::Array> Feed::inputs(const std::vector<float>& values) const {
  std::map<std::string, engine::Array> inputs;
  auto next = values.begin();
  for (const data::Port& port : ports_) {
    const auto end = next + graph::element_count(port.shape);
    inputs[port.name] = {port.shape, {next, end}};
    next = end;
  }
  return inputs;
}

Feed Feed::evenly(int count) const {
  return with(choose_samples(samples_, count));
}

Feed Feed::fitted_by(std::optional<data::Geometry> geometry) const {
  Feed other = *this;
  if (!geometry) return other;
  for (data::Port& port : other.ports_) {
    if (port.picture) port.picture->geometry = *geometry;
  }
  other.cache_ = std::make_shared<Cache>();
  return other;
}

Feed Feed::with(std::vector<std::string> samples) const {
  Feed other = *this;
  other.samples_ = std::move(samples);
  return other;
}

}  // namespace shrike::quantize
