// Elements of a head's tensors as real values.
#pragma once
#include "ops/numeric.h"
#include "shrike/tensor.h"

namespace shrike {

inline float read_value(const TensorView& view, int64_t index) {
  switch (view.type) {
    case DataType::kInt8:
      return static_cast<float>(static_cast<const int8_t*>(view.data)[index]) * power_of_two(view.exponent);
    case DataType::kInt16:
      return static_cast<float>(static_cast<const int16_t*>(view.data)[index]) * power_of_two(view.exponent);
    default:
      return static_cast<const float*>(view.data)[index];
  }
}

inline bool is_given(const TensorView& view) {
  return view.type != DataType::kUndefined;
}

inline bool has_readable_type(const TensorView& view) {
  return view.type == DataType::kInt8 || view.type == DataType::kInt16 || view.type == DataType::kFloat32;
}

}  // namespace shrike
