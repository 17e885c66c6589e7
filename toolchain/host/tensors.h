// Tensor views in words, and generated input.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "shrike/model.h"

namespace shrike::host {

std::string to_string(Text text);
std::string type_name(DataType type);        // "int8", "float32", ...
std::string shape_text(const Shape& shape);  // "[1, 20, 20, 64]"
// Element as an exact number: integers as they are, float32 widened.
double element(const TensorView& tensor, int64_t index);
// "[0, 3, 7, 12]" of an element's index in stored order.
std::string coordinate_text(const Shape& shape, int64_t index);
// Element as text: integers plainly, floats so that they read back exactly.
std::string element_text(const TensorView& tensor, int64_t index);

// Fills all graph inputs, in graph order, from one splitmix64 sequence that starts at `seed`: 8 and 16-bit
// elements are the low bits of each number, float32 ones lie in [-1, 1).
void fill_inputs(const Model& model, uint64_t seed);

}  // namespace shrike::host
