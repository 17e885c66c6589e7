#include "plan/planner.h"

#include "plan/sort.h"

namespace shrike::plan {
namespace {

// With more buffers the quadratic search would take too long for what it could still gain.
constexpr int32_t kMaxBuffersToImprove = 1024;
constexpr int kImprovements = 400;

struct Search {
  Buffer* buffers;
  int32_t count;   // of `order`
  int32_t* order;  // buffers to place, in this order
  int32_t* best_order;
  int32_t* placed;    // already placed buffers of the current attempt, by offset
  uint64_t* offsets;  // of the current attempt, by buffer
  uint64_t* best_offsets;
  uint64_t* breadth;  // largest live sum over a buffer's lifetime, by buffer
  uint64_t best = UINT64_MAX;
  uint64_t bound = 0;
};

enum class Fit { kFirst, kBest };

// Lowest (kFirst) or tightest (kBest) gap among the placed buffers that are alive together with `buffer`.
uint64_t find_gap(const Search& search, int32_t placed_count, const Buffer& buffer, Fit fit) {
  uint64_t end = 0, best_gap = UINT64_MAX, best_offset = UINT64_MAX;
  for (int32_t i = 0; i < placed_count; ++i) {
    const Buffer& other = search.buffers[search.placed[i]];
    if (!alive_together(buffer, other)) continue;
    const uint64_t offset = search.offsets[search.placed[i]];
    if (offset > end && offset - end >= buffer.bytes && offset - end < best_gap) {
      if (fit == Fit::kFirst) return end;
      best_gap = offset - end;
      best_offset = end;
    }
    const uint64_t other_end = offset + other.bytes;
    if (other_end > end) end = other_end;
  }
  return best_offset != UINT64_MAX ? best_offset : end;
}

void insert_by_offset(const Search& search, int32_t placed_count, int32_t buffer) {
  int32_t at = placed_count;
  while (at > 0 && search.offsets[search.placed[at - 1]] > search.offsets[buffer]) {
    search.placed[at] = search.placed[at - 1];
    --at;
  }
  search.placed[at] = buffer;
}

// Places all of `order`; keeps the result when it beats the best so far.
void attempt(Search& search, Fit fit) {
  uint64_t total = 0;
  for (int32_t i = 0; i < search.count; ++i) {
    const int32_t index = search.order[i];
    const Buffer& buffer = search.buffers[index];
    search.offsets[index] = find_gap(search, i, buffer, fit);
    insert_by_offset(search, i, index);
    const uint64_t end = search.offsets[index] + buffer.bytes;
    if (end > total) total = end;
  }
  if (total >= search.best) return;
  search.best = total;
  for (int32_t i = 0; i < search.count; ++i) {
    search.best_order[i] = search.order[i];
    search.best_offsets[search.order[i]] = search.offsets[search.order[i]];
  }
}

template <typename Key>
void attempt_sorted(Search& search, Key key) {
  if (search.best == search.bound) return;
  heap_sort(search.order, search.count, [&](int32_t a, int32_t b) {
    const auto key_a = key(search.buffers[a], a), key_b = key(search.buffers[b], b);
    if (key_a != key_b) return key_a > key_b;
    if (search.buffers[a].bytes != search.buffers[b].bytes)
      return search.buffers[a].bytes > search.buffers[b].bytes;
    return a < b;
  });
  attempt(search, Fit::kFirst);
  attempt(search, Fit::kBest);
}

// Moves the buffer that sticks out highest to an earlier place in the order and tries again; a small
// deterministic generator says how far.
void improve(Search& search) {
  uint64_t random = 0x9E3779B97F4A7C15u;
  for (int step = 0; step < kImprovements && search.best > search.bound; ++step) {
    int32_t highest = 0;
    uint64_t highest_end = 0;
    for (int32_t i = 0; i < search.count; ++i) {
      search.order[i] = search.best_order[i];
      const int32_t index = search.order[i];
      const uint64_t end = search.best_offsets[index] + search.buffers[index].bytes;
      if (end > highest_end) {
        highest_end = end;
        highest = i;
      }
    }
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    const int32_t moved =
        step % 2 == 0 ? highest : static_cast<int32_t>(random % static_cast<uint32_t>(search.count));
    const int32_t to = moved == 0 ? 0 : static_cast<int32_t>((random >> 32) % static_cast<uint32_t>(moved));
    const int32_t index = search.order[moved];
    for (int32_t i = moved; i > to; --i) search.order[i] = search.order[i - 1];
    search.order[to] = index;
    attempt(search, step % 4 < 2 ? Fit::kFirst : Fit::kBest);
  }
}

// The largest live sum is reached when some buffer begins.
uint64_t live_sum(const Buffer* buffers, const int32_t* order, int32_t count, int32_t step) {
  uint64_t sum = 0;
  for (int32_t i = 0; i < count; ++i) {
    const Buffer& buffer = buffers[order[i]];
    if (buffer.first <= step && step <= buffer.last) sum += buffer.bytes;
  }
  return sum;
}

uint64_t lower_bound(const Buffer* buffers, const int32_t* order, int32_t count) {
  uint64_t bound = 0;
  for (int32_t i = 0; i < count; ++i) {
    const uint64_t sum = live_sum(buffers, order, count, buffers[order[i]].first);
    if (sum > bound) bound = sum;
  }
  return bound;
}

void compute_breadth(Search& search) {
  for (int32_t i = 0; i < search.count; ++i) search.breadth[search.order[i]] = 0;
  for (int32_t i = 0; i < search.count; ++i) {
    const int32_t step = search.buffers[search.order[i]].first;
    const uint64_t sum = live_sum(search.buffers, search.order, search.count, step);
    for (int32_t j = 0; j < search.count; ++j) {
      const Buffer& buffer = search.buffers[search.order[j]];
      uint64_t& breadth = search.breadth[search.order[j]];
      if (buffer.first <= step && step <= buffer.last && sum > breadth) breadth = sum;
    }
  }
}

uint64_t lifetime(const Buffer& buffer) {
  return static_cast<uint64_t>(buffer.last - buffer.first) + 1;
}

enum class Worth { kPerByte, kPerByteAndStep };

uint64_t cost(const Buffer& buffer, Worth worth) {
  return worth == Worth::kPerByte ? buffer.bytes : buffer.bytes * lifetime(buffer);
}

struct Filled {
  uint64_t traffic = 0;
  uint64_t used = 0;
};

// Fast pool: buffers by traffic per cost, each where it fits below the limit. Those left over stay in
// `order`.
Filled fill_internal(Search& search, uint64_t limit, Worth worth) {
  for (int32_t i = 0; i < search.count; ++i) {
    search.order[i] = i;
    search.buffers[i].internal = false;
  }
  heap_sort(search.order, search.count, [&](int32_t a, int32_t b) {
    const Buffer& x = search.buffers[a];
    const Buffer& y = search.buffers[b];
    const double worth_x = static_cast<double>(x.traffic) / static_cast<double>(cost(x, worth));
    const double worth_y = static_cast<double>(y.traffic) / static_cast<double>(cost(y, worth));
    if (worth_x != worth_y) return worth_x > worth_y;
    if (x.bytes != y.bytes) return x.bytes < y.bytes;
    return a < b;
  });
  Filled filled;
  int32_t placed = 0;
  for (int32_t i = 0; i < search.count; ++i) {
    const int32_t index = search.order[i];
    Buffer& buffer = search.buffers[index];
    const uint64_t offset = find_gap(search, placed, buffer, Fit::kBest);
    if (buffer.bytes > limit || offset > limit - buffer.bytes) continue;
    search.offsets[index] = buffer.offset = offset;
    buffer.internal = true;
    insert_by_offset(search, placed++, index);
    filled.traffic += buffer.traffic;
    if (offset + buffer.bytes > filled.used) filled.used = offset + buffer.bytes;
  }
  return filled;
}

// Takes the better of two measures of worth; `order` keeps what has to go outside.
uint64_t use_internal(Search& search, uint64_t limit) {
  const uint64_t by_step = fill_internal(search, limit, Worth::kPerByteAndStep).traffic;
  Filled filled = fill_internal(search, limit, Worth::kPerByte);
  if (filled.traffic < by_step) filled = fill_internal(search, limit, Worth::kPerByteAndStep);
  const int32_t all = search.count;
  search.count = 0;
  for (int32_t i = 0; i < all; ++i) {
    if (!search.buffers[i].internal) search.order[search.count++] = i;
  }
  return filled.used;
}

// The best offsets for the buffers in `order`.
void search_offsets(Search& search) {
  search.best = search.count == 0 ? 0 : UINT64_MAX;
  search.bound = lower_bound(search.buffers, search.order, search.count);
  attempt_sorted(search, [](const Buffer& buffer, int32_t) { return buffer.bytes; });
  attempt_sorted(search, [](const Buffer& buffer, int32_t) { return buffer.bytes * lifetime(buffer); });
  attempt_sorted(search, [](const Buffer& buffer, int32_t) { return -int64_t{buffer.first}; });
  if (search.count > kMaxBuffersToImprove) return;
  attempt_sorted(search, [](const Buffer& buffer, int32_t) { return lifetime(buffer); });
  attempt_sorted(search, [](const Buffer& buffer, int32_t) { return int64_t{buffer.last}; });
  compute_breadth(search);
  attempt_sorted(search, [&](const Buffer&, int32_t index) { return search.breadth[index]; });
  improve(search);
}

void apply(const Search& search, bool internal) {
  for (int32_t i = 0; i < search.count; ++i) {
    const int32_t index = search.best_order[i];
    search.buffers[index].offset = search.best_offsets[index];
    search.buffers[index].internal = internal;
  }
}

}  // namespace

size_t workspace_bytes(int32_t count) {
  return static_cast<size_t>(count) * (3 * sizeof(uint64_t) + 3 * sizeof(int32_t)) + sizeof(uint64_t);
}

Result make_plan(Buffer* buffers, int32_t count, uint64_t internal_limit, void* workspace) {
  Result result = {};
  if (count == 0) return result;
  const size_t size = static_cast<size_t>(count);
  Search search = {};
  search.buffers = buffers;
  search.count = count;
  search.best = UINT64_MAX;
  search.offsets = static_cast<uint64_t*>(workspace);
  search.best_offsets = search.offsets + size;
  search.breadth = search.best_offsets + size;
  search.order = reinterpret_cast<int32_t*>(search.breadth + size);
  search.best_order = search.order + size;
  search.placed = search.best_order + size;
  for (int32_t i = 0; i < count; ++i) {
    search.order[i] = i;
    buffers[i].internal = false;
  }
  result.lower_bound = lower_bound(buffers, search.order, count);
  search_offsets(search);
  if (internal_limit > 0 && search.best <= internal_limit) {
    apply(search, true);
    result.internal_bytes = search.best;
    return result;
  }
  if (internal_limit > 0) {
    result.internal_bytes = use_internal(search, internal_limit);
    search_offsets(search);
  }
  apply(search, false);
  result.external_bytes = search.best;
  return result;
}

bool is_valid(const Buffer* buffers, int32_t count, const Result& result) {
  for (int32_t i = 0; i < count; ++i) {
    const Buffer& a = buffers[i];
    const uint64_t pool = a.internal ? result.internal_bytes : result.external_bytes;
    if (a.offset % kAlignment != 0 || a.offset > pool || a.bytes > pool - a.offset) return false;
    for (int32_t j = i + 1; j < count; ++j) {
      const Buffer& b = buffers[j];
      if (a.internal != b.internal || !alive_together(a, b)) continue;
      if (a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) return false;
    }
  }
  return true;
}

}  // namespace shrike::plan
