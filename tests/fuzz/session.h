// One model with its own arena, run by the fuzz targets.
#pragma once
#include <cstring>

#include "shrike/inspect.h"
#include "tests/fuzz/byte_source.h"

namespace shrike::fuzz {

// Claims two threads and runs the pieces last to first: results may depend on neither.
struct BackwardsPool final : WorkerPool {
  int threads() const override { return 2; }
  void run(void (*task)(void* argument, int index), void* argument, int count) override {
    for (int i = count; i-- > 0;) task(argument, i);
  }
};

// Static, since fresh memory of this size would cost more than most inputs.
struct Arena {
  alignas(16) uint8_t bytes[1 << 20];
};
inline Arena plain_arena, fast_arena;

class Session {
 public:
  // `fill`: what the arena holds before. Results must not depend on it.
  Session(const void* file, size_t bytes, const ModelOptions& options, Arena& arena, uint8_t fill) {
    std::memset(arena.bytes, fill, sizeof arena.bytes);
    status_ = model_.load(file, bytes, arena.bytes, sizeof arena.bytes, options);
  }

  const Status& status() const { return status_; }
  InspectableModel& model() { return model_; }

  // Multiply-adds and bytes of one run.
  uint64_t work() const {
    uint64_t sum = 0;
    for (int32_t i = 0; i < model_.node_count(); ++i) {
      sum += model_.node_macs(i);
      for (int32_t k = 0; k < model_.node_output_count(i); ++k) sum += model_.node_output(i, k).bytes;
    }
    return sum;
  }

  void run(unsigned seed) {
    std::mt19937 random(seed);
    for (int32_t i = 0; i < model_.input_count(); ++i) {
      const TensorView input = model_.input(i);
      uint8_t* data = static_cast<uint8_t*>(input.data);
      for (uint64_t k = 0; k < input.bytes; ++k) data[k] = static_cast<uint8_t>(random() >> 24);
    }
    const Status status = model_.run();
    SHRIKE_FUZZ_EXPECT(status.ok(), "a loaded model does not run: %s", status.detail);
  }

 private:
  InspectableModel model_;
  Status status_;
};

inline void expect_equal(const TensorView& expected, const TensorView& actual, const char* isa) {
  const int length = static_cast<int>(expected.name.size);
  SHRIKE_FUZZ_EXPECT(expected.bytes == actual.bytes && expected.shape == actual.shape,
                     "%.*s: shapes differ (%s)", length, expected.name.data, isa);
  const uint8_t* a = static_cast<const uint8_t*>(expected.data);
  const uint8_t* b = static_cast<const uint8_t*>(actual.data);
  for (uint64_t i = 0; i < expected.bytes; ++i) {
    SHRIKE_FUZZ_EXPECT(a[i] == b[i], "%.*s: byte %llu is %d, not %d (%s)", length, expected.name.data,
                       static_cast<unsigned long long>(i), b[i], a[i], isa);
  }
}

inline void expect_equal_outputs(const Model& expected, const Model& actual, const char* isa) {
  for (int32_t i = 0; i < expected.output_count(); ++i)
    expect_equal(expected.output(i), actual.output(i), isa);
}

}  // namespace shrike::fuzz
