// Work in the background, results in order: support/ordered.h for items that don't care which worker makes
// them.
#pragma once
#include <cstddef>
#include <functional>
#include <utility>

#include "toolchain/support/ordered.h"

namespace shrike::data {

// Calls sink(index, make(index)) for 0..count-1 in order on the calling thread; `make` runs on `threads`
// workers, at most `ahead` items are finished or in work beyond the one in `sink`. The first exception (in
// item order, or the sink's) stops the work and is thrown here.
template <typename Item>
void in_order(size_t count, int threads, size_t ahead, const std::function<Item(size_t)>& make,
              const std::function<void(size_t, Item)>& sink) {
  ordered_parallel<Item>(
      count, threads, [&](int, size_t index) { return make(index); },
      [&](size_t index, Item&& item) { sink(index, std::move(item)); }, ahead < 1 ? 1 : ahead);
}

}  // namespace shrike::data
