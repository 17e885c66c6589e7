// A written file as a network over the float graph's tensors: real values in and out, in logical order, node
// by node. The arithmetic is the integer runtime's.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/analyze/layout.h"
#include "toolchain/engine/engine.h"
#include "toolchain/host/integer_model.h"

namespace shrike::analyze {

class FileNetwork {
 public:
  // `file` must keep all tensors (KeepTensors::kAll); both must outlive this object.
  FileNetwork(host::IntegerModel& file, const graph::Graph& graph);

  const InspectableModel& model() const { return file_.model(); }
  const std::map<std::string, StoredVariable>& variables() const { return variables_; }
  const StoredVariable* find(const std::string& variable) const;
  TensorView view(const std::string& variable) const;
  // 0 for float variables.
  int bits(const std::string& variable) const;
  bool half_even() const { return rounding_ == Rounding::kHalfEven; }

  // The variable must be comparable.
  engine::Array values(const std::string& variable) const;
  // Rounds the values to the variable's format.
  void set(const std::string& variable, const engine::Array& values);
  void run() { file_.run(); }
  void run_node(int32_t node);

 private:
  const StoredVariable& comparable(const std::string& variable) const;

  host::IntegerModel& file_;
  std::map<std::string, StoredVariable> variables_;
  Rounding rounding_;
};

}  // namespace shrike::analyze
