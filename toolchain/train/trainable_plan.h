// A quantisation plan as numbers that can be trained: real weights and biases behind the integers, real
// exponents behind the formats, and back to a plan.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/engine/gradients.h"
#include "toolchain/formats/plan.h"
#include "toolchain/graph/graph.h"
#include "toolchain/train/optimizer.h"

namespace shrike::train {

class TrainablePlan {
 public:
  // `graph`: the float graph that the plan was made for. `within`: how far from its integer, in units below a
  // half, a weight may start.
  TrainablePlan(const graph::Graph& graph, const quantize::Plan& plan, Target target, double within);

  // The materialized graph: formats set, conversions in place.
  const graph::Graph& quantized() const { return quantized_; }
  // Constants that are trained, in the order of values(): weights and biases of weighted nodes.
  const std::vector<std::string>& parameters() const { return parameters_; }
  // What is trained at first: every weight as near to the float network's as `within` allows, so that
  // rounding gives the plan's integers.
  const Values& start() const { return start_; }
  // The size of a unit of every parameter: of weights in the mean over their channels, of biases one unit of
  // the node's output.
  std::vector<double> units() const;

  // The real exponents, one entry a shared exponent (a group of tensors that must agree, or the channels of a
  // weight). Of inputs there is none: the preprocessing gives it.
  Values exponents() const;
  // Derivatives of the loss by them, from those by tensor.
  Values exponent_gradients(const std::map<std::string, std::vector<double>>& by_tensor) const;
  // Indices of the exponents that round to others than the present ones, and that the target can compute with
  // (each on its own); where it can't, they are put back.
  std::vector<size_t> proposed(Values& exponents) const;
  // Whether the target can compute with the exponents at `indices` together, the others as they are.
  bool computable(const std::vector<size_t>& indices, const Values& exponents) const;
  // Takes over the exponents at `indices`. Returns the formats that changed, those of biases too.
  std::map<std::string, graph::Format> take_over(const std::vector<size_t>& indices, const Values& exponents);

  // Moves every weight by `share` of its distance towards the integer that it rounds to (oscillation.h).
  void damp(Values& values, double share) const;

  // Weights that round to another value than the plan's.
  int64_t moved(const Values& values) const;

  // The plan with these weights and biases rounded on the present formats.
  quantize::Plan plan(const Values& values) const;

 private:
  struct Weighted {
    std::string node, input, output, weight, bias;  // bias: empty without
    std::string written;                      // the output, or that of the Relu that the node does itself
    size_t weight_index = 0, bias_index = 0;  // in parameters_
    std::vector<uint32_t> channels;           // of every element of the weight
  };
  void collect_groups();
  // Biases follow the exponents of input and weight.
  void refresh_biases(graph::Graph& graph, std::map<std::string, graph::Format>& changed) const;
  // Formats of group or weight `index` with these exponents.
  std::map<std::string, graph::Format> formats_with(size_t index, const std::vector<float>& exponents) const;
  // The exponent of a channel of a weight, or the one of all, allows the shift and leaves room for biases and
  // sums.
  bool fits(const graph::Graph& graph, const Weighted& weighted, size_t channel) const;
  bool computable(const std::map<std::string, graph::Format>& formats) const;

  graph::Graph float_graph_;
  quantize::Plan plan_;
  Target target_;
  graph::Graph quantized_;
  std::vector<std::string> parameters_;
  Values start_;
  std::vector<Weighted> weighted_;
  std::vector<std::vector<std::string>> groups_;  // of tensors that share one exponent
};

}  // namespace shrike::train
