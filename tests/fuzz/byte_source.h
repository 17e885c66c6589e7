// Decisions of a fuzz target, taken from the fuzzer's bytes one by one; when they run out every decision is
// 0.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

namespace shrike::fuzz {

class ByteSource {
 public:
  ByteSource(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  bool empty() const { return next_ == size_; }
  uint8_t byte() { return empty() ? uint8_t{0} : data_[next_++]; }
  int between(int lowest, int highest) { return lowest + byte() % (highest - lowest + 1); }
  bool flag() { return byte() % 2 != 0; }
  std::vector<int8_t> int8s(size_t count) { return bulk<int8_t, 16>(count); }
  std::vector<int16_t> int16s(size_t count) { return bulk<int16_t, 15>(count); }

 private:
  // Bulk data would use up the input: it comes from a generator that one decision seeds. One kind is random,
  // the others sit at the ends of the range, where sums and saturation are at stake. Each width takes its own
  // bits of the generator, from `kShift` up; the corpus was collected with them.
  template <typename Value, int kShift>
  std::vector<Value> bulk(size_t count) {
    constexpr Value kLowest = std::numeric_limits<Value>::min(), kHighest = std::numeric_limits<Value>::max();
    const int kind = between(0, 7);
    std::mt19937 random(byte());
    std::vector<Value> values(count);
    for (Value& value : values) {
      const int drawn = static_cast<int>(random() >> kShift);
      switch (kind) {
        case 1:
          value = kLowest;
          break;
        case 2:
          value = kHighest;
          break;
        case 3:
          value = drawn % 2 == 0 ? kLowest : kHighest;
          break;
        case 4:
          value = static_cast<Value>(drawn % 5 - 2);
          break;
        default:
          value = static_cast<Value>(drawn);
      }
    }
    return values;
  }

  const uint8_t* data_;
  size_t size_;
  size_t next_ = 0;
};

// Ends the fuzz target with a finding.
#define SHRIKE_FUZZ_EXPECT(condition, ...)                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, __VA_ARGS__);                                   \
      std::fputc('\n', stderr);                                            \
      std::abort();                                                        \
    }                                                                      \
  } while (0)

}  // namespace shrike::fuzz
