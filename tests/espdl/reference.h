// What a quantised graph means, computed naively in logical (ONNX) order straight from spec/numerics.md: no
// layouts, no blocking, no tables. The oracle for lowered programs.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"

namespace shrike::espdl::tests {

struct Values {
  graph::Shape shape;
  std::vector<int64_t> integers;  // quantised tensors
  std::vector<float> floats;      // Softmax results
};

// Every variable of the graph from the integers of its inputs (logical order).
std::map<std::string, Values> evaluate(const graph::Graph& graph, Target target,
                                       const std::map<std::string, std::vector<int64_t>>& inputs);

}  // namespace shrike::espdl::tests
