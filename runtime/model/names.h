// Lookup by name without a heap: sorted arrays of indices and binary search.
#pragma once
#include <stdint.h>
#include <string.h>

#include "plan/sort.h"
#include "shrike/tensor.h"

namespace shrike {

// Any total order will do; lengths first is the cheapest.
inline int compare(Text a, Text b) {
  if (a.size != b.size) return a.size < b.size ? -1 : 1;
  return a.size == 0 ? 0 : memcmp(a.data, b.data, a.size);
}

// Indices 0..count-1 of things with names, sorted by name. `name_of(index)` gives the name.
template <typename NameOf>
class NameIndex {
 public:
  NameIndex() = default;
  NameIndex(int32_t* indices, int32_t count, NameOf name_of)
      : indices_(indices), count_(count), name_of_(name_of) {
    for (int32_t i = 0; i < count; ++i) indices[i] = i;
    heap_sort(indices, count, [&](int32_t a, int32_t b) {
      const int order = compare(name_of(a), name_of(b));
      return order != 0 ? order < 0 : a < b;
    });
  }

  // The lowest index with this name, -1 when there is none.
  int32_t find(Text name) const {
    int32_t low = 0, high = count_;
    while (low < high) {
      const int32_t middle = low + (high - low) / 2;
      if (compare(name_of_(indices_[middle]), name) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < count_ && compare(name_of_(indices_[low]), name) == 0 ? indices_[low] : -1;
  }

  // A name (not empty) that occurs twice: the higher index, else -1.
  int32_t duplicate() const {
    for (int32_t i = 1; i < count_; ++i) {
      const Text name = name_of_(indices_[i]);
      if (name.size != 0 && compare(name, name_of_(indices_[i - 1])) == 0) return indices_[i];
    }
    return -1;
  }

 private:
  int32_t* indices_ = nullptr;
  int32_t count_ = 0;
  NameOf name_of_ = {};
};

}  // namespace shrike
