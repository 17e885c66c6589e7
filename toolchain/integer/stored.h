// Which float tensor a variable of an `.espdl` file stands for, and in which order its elements are stored.
// Who wrote the file knows; of a file that was found it follows from its nodes (spec/espdl-format.md section
// 5) and, where they don't tell, from its metadata.
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

// Metadata of a file: a line of order and name, "0,2,1 NAME", for every variable whose order does not follow
// from nodes and shapes.
inline constexpr const char* kOrdersKey = "shrike.orders";
// Notes them in the metadata. `graph`: the float graph that the program was made from.
void note_orders(espdl::Program& program, const graph::Graph& graph);

// The order of a file's input whose dims are the same in both usual orders (channels last, as noted or since
// it is the more frequent one, or the model's); empty where the dims tell it.
espdl::Permutation order_of_alike_dims(const host::IntegerModel& file, const TensorView& input);

// Every variable of a file. Orders are checked against the float graph's shapes; a variable whose dims fit no
// order that its nodes allow is not comparable.
StoredVariables stored_variables(const host::IntegerModel& file, const graph::Graph& graph);

}  // namespace shrike::quantize
