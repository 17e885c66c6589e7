// Checks that most prepare() functions share. The file is hostile: nothing about counts, types, exponents or
// shapes is known before these have passed.
#pragma once
#include "ops/op.h"

namespace shrike {

// Outputs and intermediate sums are indexed with 32 bits.
constexpr int64_t kMaxTensorBytes = INT32_MAX;
// Powers of two within this bound, their squares' exponents and differences are representable everywhere.
constexpr int32_t kLargestOperandExponent = 60;

inline bool is_integer_8_or_16(DataType type) {
  return type == DataType::kInt8 || type == DataType::kInt16;
}

inline Status expect_operands(const Prepare& node, int32_t min_inputs, int32_t max_inputs,
                              int32_t outputs = 1) {
  if (node.input_count < min_inputs || node.input_count > max_inputs || node.output_count != outputs) {
    return node.error(StatusCode::kBadShape, "wrong number of inputs or outputs");
  }
  for (int32_t i = 0; i < min_inputs; ++i) {
    if (!node.inputs[i]->present()) return node.error(StatusCode::kBadShape, "a required input is absent");
  }
  for (int32_t i = 0; i < outputs; ++i) {
    if (!node.outputs[i]->present()) return node.error(StatusCode::kBadShape, "an output has no type");
  }
  return {};
}

inline Status expect_exponents(const Prepare& node, const Tensor& a, const Tensor& b) {
  if (a.exponent < -kLargestOperandExponent || a.exponent > kLargestOperandExponent ||
      b.exponent < -kLargestOperandExponent || b.exponent > kLargestOperandExponent) {
    return node.error(StatusCode::kBadExponent, "an exponent is outside -60..60");
  }
  return {};
}

inline Status expect_same_type(const Prepare& node, const Tensor& a, const Tensor& b) {
  if (a.type != b.type) return node.error(StatusCode::kUnsupportedType, "input and output types differ");
  if (size_of(a.type) == 0) return node.error(StatusCode::kUnsupportedType, "data type has no fixed size");
  return {};
}

// An operator that copies integers leaves them on their grid: type and exponent must agree
// (spec/espdl-format.md 8).
inline Status expect_same_format(const Prepare& node, const Tensor& a, const Tensor& b) {
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, a, b));
  if (a.exponent != b.exponent) {
    return node.error(StatusCode::kBadExponent,
                      "an operator that copies integers has different exponents in and out");
  }
  return {};
}

// 8- or 16-bit integers in, the same type out, exponents in range.
inline Status expect_integer_operator(const Prepare& node) {
  if (!is_integer_8_or_16(node.inputs[0]->type)) {
    return node.error(StatusCode::kUnsupportedType, "the input is not INT8 or INT16");
  }
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, *node.inputs[0], *node.outputs[0]));
  return expect_exponents(node, *node.inputs[0], *node.outputs[0]);
}

// Every dimension >= 1 and the bytes within kMaxTensorBytes.
inline Status check_shape(const Prepare& node, const int64_t* dims, int32_t rank, DataType type) {
  int64_t bytes = size_of(type);
  for (int32_t i = 0; i < rank; ++i) {
    if (dims[i] < 1) return node.error(StatusCode::kBadShape, "a dimension would be less than one");
    if (dims[i] > kMaxTensorBytes / bytes)
      return node.error(StatusCode::kBadShape, "a tensor would exceed 2 GiB");
    bytes *= dims[i];
  }
  return {};
}

// Gives `output` the shape `dims` after check_shape.
inline Status set_shape(const Prepare& node, Tensor* output, const int64_t* dims, int32_t rank) {
  if (rank < 0 || rank > kMaxRank)
    return node.error(StatusCode::kBadShape, "a tensor would have more than six axes");
  SHRIKE_RETURN_IF_ERROR(check_shape(node, dims, rank, output->type));
  output->shape = {};
  output->shape.rank = rank;
  for (int32_t i = 0; i < rank; ++i) output->shape.dims[i] = static_cast<int32_t>(dims[i]);
  return {};
}

// Zero-filled memory for the node's parameters, also stored in node.parameters; null when the arena is
// exhausted.
template <typename Parameters>
inline Parameters* new_parameters(Prepare& node) {
  node.parameters = node.allocate(sizeof(Parameters), alignof(Parameters));
  return static_cast<Parameters*>(node.parameters);
}

// Bytes of a tensor that passed set_shape.
inline size_t byte_count(const Tensor& tensor) {
  return static_cast<size_t>(tensor.bytes());
}

inline int64_t product(const Shape& shape, int32_t begin, int32_t end) {
  int64_t count = 1;
  for (int32_t i = begin; i < end; ++i) count *= shape.dims[i];
  return count;
}

}  // namespace shrike
