// One engine behind all data movers: copies a box of elements from one strided array to another. Transpose,
// Slice, Split, Concat, Pad, InsertZeros, DepthToSpace … only differ in the strides they ask for.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "ops/op.h"

namespace shrike {

constexpr int32_t kMaxCopyRank = 8;
// Below this a copy is not worth waking another thread for.
constexpr int64_t kBytesPerThread = 32768;

// Outermost axis first; strides and offsets in bytes. `block` contiguous bytes are moved per innermost index.
struct StridedCopy {
  int32_t rank = 0;
  uint32_t block = 0;
  int32_t dims[kMaxCopyRank] = {};
  ptrdiff_t source_strides[kMaxCopyRank] = {};
  ptrdiff_t target_strides[kMaxCopyRank] = {};
  ptrdiff_t source_offset = 0;
  ptrdiff_t target_offset = 0;

  void add_axis(int32_t size, ptrdiff_t source_stride, ptrdiff_t target_stride) {
    dims[rank] = size;
    source_strides[rank] = source_stride;
    target_strides[rank] = target_stride;
    ++rank;
  }
};

// Row-major strides of a dense tensor in bytes.
void dense_strides(const Shape& shape, uint32_t element_bytes, ptrdiff_t* strides);

// Drops axes of one, merges neighbours that are one run in both arrays and widens `block`; same copy, fewer
// loops.
void simplify(StridedCopy* copy);

// Source and target must not overlap. Shared out to `workers` when large.
void run_copy(const StridedCopy& copy, const void* source, void* target, WorkerPool* workers);

// The node's inputs put together in its output, or its input taken apart to its outputs: copies[k] is that of
// input or output k, each of the same length of its outermost axis. All parts of a stretch of that axis are
// copied before the next: the side that they share stays in the cache.
enum class Parts { kInputs, kOutputs };
void run_copies(const StridedCopy* copies, Parts parts, const Run& node);

}  // namespace shrike
