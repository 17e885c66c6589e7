// A small network around every operator: how a row is driven from ONNX to the chip's integers.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "tests/import/onnx_builder.h"

namespace shrike::tests {

// Adds nodes from "x" [1,8,8,8] (values around zero, or positive ones where the operator wants them) to "y".
struct RowCase {
  std::function<void(OnnxBuilder&)> add;
  bool positive = false;  // x in about 0.3..2
  int64_t opset = 18;
};

// By operator; several operators have more than one.
const std::multimap<std::string, RowCase>& row_cases();

// The model file of a case: pictures [1,3,8,8] through a convolution to x, then the case to y.
OnnxBuilder model_of(const RowCase& row);

}  // namespace shrike::tests
