// Offsets for buffers with known lifetimes. Knows nothing about models; needs no heap.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace shrike::plan {

constexpr uint64_t kAlignment = 16;

// Alive at the steps first..last, both included; two buffers that are alive at a common step must not
// overlap.
struct Buffer {
  uint64_t bytes;    // a multiple of kAlignment
  uint64_t traffic;  // bytes written and read over one run: what the fast pool saves
  int32_t first;
  int32_t last;
  // Results
  uint64_t offset;  // in its pool, a multiple of kAlignment
  bool internal;    // in the fast pool
};

struct Result {
  uint64_t external_bytes;  // size of the pool without limit
  uint64_t internal_bytes;  // used bytes of the fast pool
  uint64_t lower_bound;     // largest sum of simultaneously live buffers, both pools together
};

constexpr bool alive_together(const Buffer& a, const Buffer& b) {
  return a.first <= b.last && b.first <= a.last;
}

// Memory for make_plan(), 8-byte aligned.
size_t workspace_bytes(int32_t count);

// Fills a fast pool of `internal_limit` bytes (0: none) with the buffers that move most bytes per byte
// stored, and places the rest by the best of several greedy orders, improved while it stays above the lower
// bound. Deterministic.
Result make_plan(Buffer* buffers, int32_t count, uint64_t internal_limit, void* workspace);

// True when no two buffers of a pool that are alive together overlap, by plain comparison of all pairs.
bool is_valid(const Buffer* buffers, int32_t count, const Result& result);

}  // namespace shrike::plan
