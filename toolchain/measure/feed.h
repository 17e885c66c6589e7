// The samples of a quantisation, pictures or arrays, as the network wants them: everything that runs a
// network on them feeds it here.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/data/samples.h"
#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Told how much of a long piece of work is done.
using ProgressCallback = std::function<void(size_t done, size_t total)>;

// `count` of the samples, evenly spread (all when count is 0 or exceeds them).
std::vector<std::string> choose_samples(const std::vector<std::string>& samples, int count);

// Every step of a quantisation reads the same samples: pictures are decoded and fitted once and kept, 8 bits
// a channel, as far as the memory allowed goes; the rest is decoded again. What the inputs are and want is in
// the graph (data/samples.h). Copies share what is kept. May be read from several threads at once.
class Feed {
 public:
  // `threads`: that work on the samples, 0 for all cores; never changes a result. Throws Error where the size
  // of an input is still open.
  Feed(const graph::Graph& graph, std::vector<std::string> samples, int threads);

  size_t size() const { return samples_.size(); }
  int threads() const { return threads_; }
  const std::string& name(size_t index) const { return samples_[index]; }
  const std::vector<data::Port>& ports() const { return ports_; }
  // All inputs one behind the other, in the graph's order and each in logical order. Throws Error naming the
  // file that can't be read or doesn't fit.
  std::vector<float> values(size_t index) const;
  // The same under the inputs' names, for the float engine.
  std::map<std::string, engine::Array> inputs(size_t index) const;
  std::map<std::string, engine::Array> inputs(const std::vector<float>& values) const;

  // `count` of the samples, evenly spread (all when count is 0 or exceeds them).
  Feed evenly(int count) const;
  // Pictures fitted in another way than the graph says they are in use; nothing: as it says.
  Feed fitted_by(std::optional<data::Geometry> geometry) const;
  // Other samples for the same network.
  Feed with(std::vector<std::string> samples) const;

 private:
  class Cache;

  std::vector<data::Port> ports_;
  int threads_;
  std::vector<std::string> samples_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace shrike::quantize
