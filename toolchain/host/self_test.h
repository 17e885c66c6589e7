// The test vectors embedded in a file (spec/espdl-format.md 4.6), run and compared element by element.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/host/integer_model.h"

namespace shrike::host {

struct Difference {
  std::string tensor;
  int32_t node = -1;  // that produces it
  std::string node_name, node_type;
  int64_t index = 0;  // in stored order
  std::string coordinate, expected, got;
};

struct TensorResult {
  std::string name;
  DataType type;
  int64_t values = 0;
  int64_t differing = 0;  // any difference at all
  int64_t beyond_tolerance = 0;
  double largest = 0;  // absolute difference
};

struct SelfTestResult {
  std::vector<TensorResult> tensors;  // in order of production
  std::optional<Difference> first;    // first difference beyond the tolerance, in order of production
  bool passed() const { return !first.has_value(); }
};

// `tolerance` applies to int16 values only; 8-bit values must be equal, float32 ones to a few units of the
// last place (the chip's own expf is not known that exactly, spec/numerics.md section 18). Throws Error when
// the file embeds no complete test, or one that does not fit the model.
SelfTestResult run_self_test(IntegerModel& model, int64_t tolerance = 0);

}  // namespace shrike::host
