// What a quantisation decides, apart from the float graph it is decided for.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::quantize {

// Integers of one Conv/Gemm/constant-MatMul weight and the bias that goes with them. The bias stays real: its
// grid follows from the input's exponent.
struct WeightCode {
  std::vector<int64_t> integers;  // ONNX order
  graph::Format format;
  std::vector<float> bias;        // empty: none
  std::vector<float> bias_shift;  // what of it is correction (rounding/bias.h); empty: nothing
};

// Exponents that the chip can build a power of two from (spec/numerics.md section 1).
inline constexpr int kLowestExponent = -30, kHighestExponent = 30;
// Of 8-bit logits: the chip takes their exponentials without subtracting the maximum, and with exponent 0
// exp(127) would be infinite (spec/numerics.md section 10).
inline constexpr int kHighestLogits = -1;

// Everything that is decided, apart from the float graph it is decided for.
struct Plan {
  std::map<std::string, graph::Format> formats;  // every variable
  std::map<std::string, int>
      narrow_exponents;  // 16-bit tensors that 8-bit nodes read: exponent of their 8-bit form
  std::map<std::string, WeightCode> weights;  // by node name
  std::map<std::string, float> largest;       // magnitudes on the calibration images; absent: not known
};

// Tensors that must share one format because the nodes between them only copy.
struct FormatGroups {
  std::map<std::string, int> group_of;            // variable -> group
  std::vector<std::vector<std::string>> members;  // first: the one that is produced by arithmetic
};
FormatGroups find_groups(const graph::Graph& graph);

// Exponent in which a Conv, Gemm, MatMul or Mul sees the variable `input` (after the conversion between 8 and
// 16 bit, if any).
int seen_exponent(const Plan& plan, const graph::Node& node, const std::string& input);
// Largest magnitude of a variable on the calibration images; 0: not known.
float largest_of(const Plan& plan, const std::string& tensor);
// The lowest exponent of a sum of products that saturates at `sum_bits` bits and still holds `largest`, as
// far as the output's format does. `largest` above 0.
int lowest_sum_exponent(float largest, const graph::Format& output, int sum_bits);
// An 8-bit tensor's exponent once it has 16 bits: the same values, eight bits finer.
int widened(int exponent);

// Exponent of a constant factor (Mul, Div, PRelu): the finest that covers its largest value.
int factor_exponent(const graph::Tensor& constant, int bits);
// The largest magnitude of a constant; 0 for none.
float largest_of(const graph::Tensor& constant);

}  // namespace shrike::quantize
