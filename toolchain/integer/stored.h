// Which float tensor a variable of an `.espdl` file stands for, and in which order its elements are stored.
// Who wrote the file knows; of a file that was found it follows from its nodes (spec/espdl-format.md section
// 5).
#pragma once
#include <map>
#include <string>

#include "toolchain/espdl/layout.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/graph/graph.h"
#include "toolchain/host/integer_model.h"

namespace shrike::quantize {

struct StoredVariable {
  int32_t producer = -1;  // file node; -1 for graph inputs
  // The tensor of the float graph that it holds; empty when there is none. Changes of order and of format
  // keep it.
  std::string logical;
  // Stored axis i is logical axis order[i]; empty when it can't be told.
  espdl::Permutation order;
  std::string holder;  // the file's variable with its bytes; empty: itself

  bool comparable() const { return !logical.empty() && !order.empty(); }
};

using StoredVariables = std::map<std::string, StoredVariable>;  // by name

// RequantizeLinear, QuantizeLinear: the same values in another format.
bool is_requantization(const std::string& op);

// The variables of a lowered program; each stands for the tensor of its name.
StoredVariables stored_variables(const espdl::Program& program);

// Every variable of a file. Orders are checked against the float graph's shapes; a variable whose dims fit no
// order that its nodes allow is not comparable.
StoredVariables stored_variables(const host::IntegerModel& file, const graph::Graph& graph);

}  // namespace shrike::quantize
