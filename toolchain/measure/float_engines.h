// The float network for the images of a feed: one image a thread, so that sums are the same whatever the
// number of threads.
#pragma once
#include <cstddef>

#include "toolchain/engine/engine.h"
#include "toolchain/measure/feed.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {

class FloatEngines {
 public:
  // `feed` stays.
  FloatEngines(const graph::Graph& graph, const Feed& feed) : feed_(feed), engine_(graph) {}

  // For each of the first `count` images make(engine, index), on any thread, then consume(index, item) on
  // this one, in order.
  template <typename Item, typename Make, typename Consume>
  void for_each(size_t count, const Make& make, const Consume& consume) {
    ordered_parallel<Item>(
        count, feed_.threads(),
        [&](int, size_t index) {
          engine::set_threads(1);
          return make(engine_, index);
        },
        consume);
  }

  // The same with see(item, index, tensor) of every tensor.
  template <typename Item, typename See, typename Consume>
  void observe(size_t count, const See& see, const Consume& consume) {
    for_each<Item>(
        count,
        [&](engine::Engine& engine, size_t index) {
          Item item{};
          engine.observe(feed_.inputs(index),
                         [&](const engine::TensorData& tensor) { see(item, index, tensor); });
          return item;
        },
        consume);
  }

 private:
  const Feed& feed_;
  engine::Engine engine_;  // of all threads
};

}  // namespace shrike::quantize
