// Sorting without a heap.
#pragma once
#include <stdint.h>

namespace shrike {

// Sorts in place; `less` must be a strict total order (break ties by index), so the result is unique.
template <typename T, typename Less>
void heap_sort(T* items, int32_t count, Less less) {
  auto sink = [&](int32_t root, int32_t end) {
    for (;;) {
      int32_t child = 2 * root + 1;
      if (child >= end) return;
      if (child + 1 < end && less(items[child], items[child + 1])) ++child;
      if (!less(items[root], items[child])) return;
      const T swapped = items[root];
      items[root] = items[child];
      items[child] = swapped;
      root = child;
    }
  };
  for (int32_t root = count / 2 - 1; root >= 0; --root) sink(root, count);
  for (int32_t end = count - 1; end > 0; --end) {
    const T swapped = items[0];
    items[0] = items[end];
    items[end] = swapped;
    sink(0, end);
  }
}

}  // namespace shrike
