// Choice of every activation's format, and the step that makes a plan visible in the graph.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/formats/calibrate.h"
#include "toolchain/graph/graph.h"
#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

// Integers of one Conv/Gemm/constant-MatMul weight and the bias that goes with them. The bias stays real: its
// grid follows from the input's exponent.
struct WeightCode {
  std::vector<int64_t> integers;  // ONNX order
  graph::Format format;
  std::vector<float> bias;  // empty: none
};

// Exponents that the chip can build a power of two from (spec/numerics.md section 1).
inline constexpr int kLowestExponent = -30, kHighestExponent = 30;

// Everything that is decided, apart from the float graph it is decided for.
struct Plan {
  std::map<std::string, graph::Format> formats;  // every variable
  std::map<std::string, int>
      narrow_exponents;  // 16-bit tensors that 8-bit nodes read: exponent of their 8-bit form
  std::map<std::string, WeightCode> weights;  // by node name
};

// Tensors that must share one format because the nodes between them only copy.
struct FormatGroups {
  std::map<std::string, int> group_of;            // variable -> group
  std::vector<std::vector<std::string>> members;  // first: the one that is produced by arithmetic
};
FormatGroups find_groups(const graph::Graph& graph);

// True for nodes that move data without changing values: input 0 and all outputs share one format.
bool is_copy(const std::string& op);
// True for nodes whose data inputs must have the output's format (Add, Sub, Concat).
bool is_join(const std::string& op);

// Softmax yields floats on the chip; inserts the QuantizeLinear that brings its result back (before
// calibration, so that the quantised tensor has statistics).
void insert_quantize_nodes(graph::Graph& graph);

// Bits of every variable by Settings::bits and the dispatching table. Where the chip has an operator at 8 bit
// only (Resize), its tensors and the one that they copy stay at 8 bit. The outputs have one width, because
// ESP-DL's postprocessors read all of them as the type of the first (spec/runtime-and-vision.md section 7):
// when one is at 16 bit, all are, as far as the chip can. `notes` receives what differs from what was asked.
// Throws Error for a name that no node has, with the nearest, and for a layer that can't have 16 bits.
std::map<std::string, int> choose_bits(const graph::Graph& graph, const Settings& settings,
                                       std::vector<std::string>* notes = nullptr);

// Throws Error for an exponent set by hand (Settings::fixed_exponents) on a tensor that the graph has not,
// with the nearest.
void check_exponent_names(const graph::Graph& graph, const Settings& settings);

// Chooses the formats of all variables (Plan::formats, narrow_exponents) from the statistics.
Plan choose_formats(const graph::Graph& graph, const Statistics& statistics, const Settings& settings);

// Weights rounded to nearest, exponents by least squared error (each channel's own on esp32p4). Needs the
// plan's formats for the bounds: the shift must not be negative and the bias must fit.
void round_weights(const graph::Graph& graph, const Settings& settings, Plan& plan);

// Exponent in which a Conv, Gemm, MatMul or Mul sees the variable `input` (after the conversion between 8 and
// 16 bit, if any).
int seen_exponent(const Plan& plan, const graph::Node& node, const std::string& input);

// Exponent of a constant factor (Mul, Div, PRelu): the finest that covers its largest value.
int factor_exponent(const graph::Tensor& constant, int bits);

// The bias on the accumulator's grid 2^(e_in + e_w), limited to the width that the target holds.
std::vector<int64_t> bias_integers(const WeightCode& code, int input_exponent, Target target);

// The graph with formats set, constants quantised and RequantizeLinear nodes where formats meet; one node per
// (tensor, format) however many consumers want it.
graph::Graph materialize(const graph::Graph& graph, const Plan& plan, Target target);

}  // namespace shrike::quantize
