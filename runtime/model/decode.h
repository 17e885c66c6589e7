// From verified tables of the payload to the runtime's shapes and tensors, with the checks on values that the
// structural verification can't do (ranges, sizes, counts).
#pragma once
#include "format/flat.h"
#include "ops/op.h"

namespace shrike {

// No tensor is larger, so that 32-bit indices are enough everywhere.
constexpr int64_t kMaxElements = (int64_t{1} << 31) - 1;
// Exponents beyond have no float scale.
constexpr int32_t kMinExponent = -126, kMaxExponent = 127;

// Initializers and test values: name, type, shape, exponents, data in place. `shape` may hold a 0 (empty
// tensor).
Status decode_tensor(format::Table table, Tensor* tensor);
// A variable's type and exponent; the stored shape of inner variables is not trusted
// (spec/espdl-format.md 4.4).
Status decode_variable(format::Table value_info, Tensor* tensor);
// The stored shape, for graph inputs.
Status decode_shape(format::Table value_info, Shape* shape);
// Every dimension >= 1, the count within kMaxElements.
bool valid_shape(const Shape& shape);

}  // namespace shrike
