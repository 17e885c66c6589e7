// The integer runtime as a network of real values: in and out in logical order ([N,C,H,W]), node by node. The
// arithmetic is the runtime's.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/integer/stored.h"

namespace shrike::quantize {

class IntegerNetwork {
 public:
  // `variables`: of the same file. Reading and setting variables other than inputs and outputs, and running
  // single nodes, needs KeepTensors::kAll.
  IntegerNetwork(host::IntegerModel model, StoredVariables variables)
      : model_(std::move(model)), variables_(std::move(variables)) {}

  InspectableModel& model() { return model_.model(); }
  const InspectableModel& model() const { return model_.model(); }
  const StoredVariables& variables() const { return variables_; }
  const StoredVariable* find(const std::string& variable) const;  // null when the file has none of that name
  TensorView view(const std::string& variable) const;
  // 8 or 16; 0 for float variables.
  int bits(const std::string& variable) const;
  Rounding rounding() const { return rounding_of(model_.target()); }
  uint64_t file_bytes() const { return model_.file_bytes(); }

  // Where a comparable variable's elements lie, until the network runs on; throws Error for others.
  StridedValues elements(const std::string& variable) const;
  // Real values of a comparable variable; throws Error for others.
  engine::Array values(const std::string& variable) const;
  // Rounds the values, in logical order, to the variable's format.
  void set(const std::string& variable, const std::vector<float>& values);
  // Sets all inputs: their values one behind the other, in the file's order.
  void set_input(const std::vector<float>& values);

  void run() { model_.run(); }
  void run_node(int32_t node);  // by index in the file

  // Stored bytes of variables, for runs that share their beginning.
  using State = std::map<std::string, std::vector<uint8_t>>;
  State save(const std::set<std::string>& variables) const;
  // Those of the state that are among the variables.
  void restore(const State& state, const std::set<std::string>& variables);

 private:
  const StoredVariable& comparable(const std::string& variable) const;

  host::IntegerModel model_;
  StoredVariables variables_;
};

// A file as a network over the tensors of the float graph that it was made from. `file` keeps all tensors.
IntegerNetwork network_of(host::IntegerModel file, const graph::Graph& graph);

}  // namespace shrike::quantize
