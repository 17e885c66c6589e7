// What the chip demands of a quantised graph (spec/numerics.md sections 3 to 12, spec/runtime-and-vision.md
// Table 2).
#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "runtime/chips/chip.h"
#include "toolchain/espdl/fusion.h"
#include "toolchain/espdl/window.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using graph::Format;
using graph::Graph;
using graph::Node;
using graph::Tensor;

// Kernels take shift counts modulo 32.
constexpr int kLargestShift = 31;

class Checker {
 public:
  Checker(const Graph& graph, Target target) : graph_(graph), chip_(chip_of(target)) {}

  void run() {
    const auto relus = fused_relus(graph_);
    std::set<size_t> taken_over;
    for (const auto& [computing, relu] : relus) taken_over.insert(relu);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (taken_over.contains(i)) continue;
      node_ = &graph_.nodes[i];
      const auto relu = relus.find(i);
      output_ = &graph_.tensor(relu == relus.end() ? node_->outputs.at(0)
                                                   : graph_.nodes[relu->second].outputs.at(0));
      check_node();
    }
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("node '{}' ({}): {}", node_->name, node_->op, fmt::format(text, std::forward<Args>(args)...));
  }

  bool has(size_t index) const { return node_->inputs.size() > index && !node_->inputs[index].empty(); }
  const Tensor& input(size_t index) const {
    if (!has(index)) refuse("input {} is missing", index);
    return graph_.tensor(node_->inputs[index]);
  }

  void check_node() const {
    static const std::set<std::string> kConvolutions = {"Conv", "ConvTranspose", "Gemm"};
    static const std::set<std::string> kSums = {"Add", "Sub"};
    static const std::set<std::string> kCopies = {
        "Concat",       "Split",     "Slice",   "Reshape",   "Flatten",   "Squeeze",
        "Unsqueeze",    "Transpose", "MaxPool", "Pad",       "Gather",    "DepthToSpace",
        "SpaceToDepth", "Identity",  "Neg",     "ReduceMax", "ReduceMin", "Resize"};
    const std::string& op = node_->op;
    check_formats();
    if (kConvolutions.contains(op)) check_convolution();
    if (op == "MatMul") check_matmul();
    if (op == "Mul") check_shift(input(0).format.exponent, input(1).format.exponent, -1);
    if (kSums.contains(op) || kCopies.contains(op)) check_equal_exponents();
    if (op == "RequantizeLinear") check_requantize();
    if (op == "Softmax" || op == "LogSoftmax") check_softmax();
    if (op == "Resize") check_resize();
    if (op == "MaxPool" || op == "AveragePool") check_pool();
  }

  // One bit width per node, exponents that a float can carry, per-channel lists only where kernels read them.
  void check_formats() const {
    static const std::set<std::string> kFloatResult = {"Softmax", "LogSoftmax"};
    static const std::set<std::string> kConversions = {"RequantizeLinear", "QuantizeLinear",
                                                       "DequantizeLinear"};
    static const std::set<std::string> kIntegerOnly = {"Conv",   "ConvTranspose", "Gemm",
                                                       "MatMul", "MaxPool",       "Resize"};
    static const std::set<std::string> kWithBias = {"Conv", "ConvTranspose", "Gemm"};
    const bool same_width = !kConversions.contains(node_->op) && !kFloatResult.contains(node_->op);
    if (kIntegerOnly.contains(node_->op) && output_->format.is_float()) {
      refuse("output '{}' is float, but the chip has no float form of the operator; give it 8 or 16 bits",
             output_->name);
    }
    for (size_t i = 0; i < node_->inputs.size(); ++i) {
      if (!has(i) || input(i).type == graph::ElementType::kInt64) continue;
      if (kWithBias.contains(node_->op) && i == 2) continue;   // the bias has its own rule
      if (node_->op == "Resize" && i > 0) continue;            // roi and scales are plain floats
      if (node_->op == "RMSNormalization" && i > 0) continue;  // float weights
      if (kConversions.contains(node_->op) && i > 0) continue;
      if ((node_->op == "Pad" || node_->op == "Clip") && i > 0)
        continue;  // fill value and bounds follow the data
      check_format(input(i));
      if (same_width && input(i).constant && input(i).format.is_float() && !output_->format.is_float()) {
        refuse("constant '{}' has no quantised form beside {}-bit data; give it a format and integers",
               input(i).name, output_->format.bits);
      }
      if (same_width && input(i).format.bits != output_->format.bits) {
        refuse(
            "input '{}' has {} bits and the output {}; insert a RequantizeLinear or QuantizeLinear between "
            "them",
            input(i).name, input(i).format.bits, output_->format.bits);
      }
      if (input(i).format.per_channel() && !(kWithBias.contains(node_->op) && i == 1)) {
        refuse("'{}' has one exponent per channel; only filters of Conv and Gemm may: give it a single one",
               input(i).name);
      }
    }
    check_format(*output_);
  }

  void check_format(const Tensor& tensor) const {
    const Format& format = tensor.format;
    if (format.bits != 0 && format.bits != 8 && format.bits != 16) {
      refuse("'{}' has {} bits; the chip computes with 8 or 16", tensor.name, format.bits);
    }
    for (const int64_t exponent : exponents(format)) {
      if (exponent < -30 || exponent > 30) {
        refuse(
            "'{}' has exponent {}; the chip builds powers of two only from -30 to 30: choose one in that "
            "range",
            tensor.name, exponent);
      }
    }
  }

  static std::vector<int64_t> exponents(const Format& format) {
    if (format.is_float()) return {};
    if (format.per_channel()) return {format.channel_exponents.begin(), format.channel_exponents.end()};
    return {format.exponent};
  }

  // e_out >= e_a + e_b: the accumulator is only ever shifted right. Returns the shift.
  int check_shift(int left, int right, int64_t channel) const {
    const int shift = output_->format.exponent - left - right;
    const std::string where = channel < 0 ? "" : fmt::format(" in output channel {}", channel);
    if (shift < 0) {
      refuse(
          "output exponent {} is below {} + {} of its operands{}, so the chip would have to shift left; "
          "raise the output's exponent to {} or lower an operand's",
          output_->format.exponent, left, right, where, left + right);
    }
    if (shift > kLargestShift) {
      refuse(
          "the shift {} - ({} + {}) = {}{} exceeds {}; raise the filter's exponent by {} (its values must be "
          "near zero)",
          output_->format.exponent, left, right, shift, where, kLargestShift, shift - kLargestShift);
    }
    return shift;
  }

  void check_group(const Tensor& weights) const {
    const int64_t group = node_->integer("group", 1);
    const int64_t channels = input(0).shape.size() > 1 ? input(0).shape[1] : 1;
    const int64_t outputs = node_->op == "Conv" ? weights.shape[0] : weights.shape[1] * group;
    if (group != 1 && (group != channels || outputs != channels)) {
      refuse(
          "group {} with {} input and {} output channels; the chip has only group 1 and group = input "
          "channels = output channels",
          group, channels, outputs);
    }
  }

  void check_convolution() const {
    const Tensor& weights = input(1);
    if (!weights.constant) refuse("filter '{}' is not constant; write the product as a MatMul", weights.name);
    if (node_->op == "Gemm") {
      if (weights.shape.size() != 2)
        refuse("filter '{}' has rank {}, expected 2", weights.name, weights.shape.size());
      if (node_->real("alpha", 1.0f) != 1.0f || node_->real("beta", 1.0f) != 1.0f) {
        refuse("alpha {} and beta {} must be 1; multiply them into filter and bias first",
               node_->real("alpha", 1.0f), node_->real("beta", 1.0f));
      }
    } else {
      if (weights.shape.size() != 3 && weights.shape.size() != 4) {
        refuse("filter '{}' has rank {}; only 1-D and 2-D convolutions exist on the chip", weights.name,
               weights.shape.size());
      }
      check_group(weights);
    }
    const int64_t outputs = output_->shape.at(1);
    const Format& format = weights.format;
    if (format.per_channel()) {
      if (!chip_.per_channel_exponents) {
        refuse(
            "filter '{}' has one exponent per channel, which {} does not support; quantise for it per tensor",
            weights.name, chip_.name);
      }
      if (static_cast<int64_t>(format.channel_exponents.size()) != outputs) {
        refuse("filter '{}' has {} exponents for {} output channels", weights.name,
               format.channel_exponents.size(), outputs);
      }
    }
    std::vector<int> shifts;
    for (int64_t n = 0; n < outputs; ++n) {
      shifts.push_back(
          check_shift(input(0).format.exponent, exponent_of(format, n), format.per_channel() ? n : -1));
    }
    if (has(2)) check_bias(weights, input(2), outputs);
    check_accumulators(weights, outputs, shifts);
  }

  static int exponent_of(const Format& format, int64_t channel) {
    return format.per_channel() ? format.channel_exponents[static_cast<size_t>(channel)] : format.exponent;
  }

  void check_bias(const Tensor& weights, const Tensor& bias, int64_t outputs) const {
    if (!bias.constant || bias.elements() != outputs) {
      refuse("bias '{}' must be a constant with {} elements, found {}", bias.name, outputs, bias.elements());
    }
    if (bias.format.per_channel() != weights.format.per_channel()) {
      refuse("bias '{}' and filter '{}' must both have one exponent or both one per channel", bias.name,
             weights.name);
    }
    const int bits = chip_.usable_bias_bits(output_->format.bits);
    const double limit = std::ldexp(1.0, bits - 1);
    for (int64_t n = 0; n < outputs; ++n) {
      const int wanted = input(0).format.exponent + exponent_of(weights.format, n);
      if (exponent_of(bias.format, n) != wanted) {
        refuse("bias '{}' has exponent {} in output channel {}; input and filter make it {}", bias.name,
               exponent_of(bias.format, n), n, wanted);
      }
      if (static_cast<int64_t>(bias.integers.size()) != outputs) continue;  // lower() says so
      const double value = static_cast<double>(bias.integers[static_cast<size_t>(n)]);
      if (value >= limit || value < -limit) {
        refuse(
            "bias '{}' is {} in output channel {}, beyond the {} bits of this target; raise the filter's "
            "exponent there",
            bias.name, bias.integers[static_cast<size_t>(n)], n, bits);
      }
    }
  }

  // Sums that some input can reach and that the output could still tell apart must fit the accumulator. Lanes
  // of 20 bits are left out: they saturate, the runtime models that and counts it, so they are a matter of
  // accuracy rather than of validity.
  void check_reach(double reachable, int shift, const std::string& where) const {
    const int bits = output_->format.bits;
    const Arithmetic& arithmetic = chip_.arithmetic(bits);
    const int width = arithmetic.sum_bits;
    const double visible = std::min(reachable, std::ldexp(1.0, bits - 1 + shift));
    if (width == 64 || arithmetic.block == Lane::kSaturating20 || visible <= std::ldexp(1.0, width - 1))
      return;
    refuse("sums{} reach {:.3g}, more than the {} bits of the accumulator; raise an operand's exponent by {}",
           where, visible, width, static_cast<int>(std::ceil(std::log2(visible))) - (width - 1));
  }

  void check_accumulators(const Tensor& weights, int64_t outputs, const std::vector<int>& shifts) const {
    if (static_cast<int64_t>(weights.integers.size()) != weights.elements()) return;  // lower() says so
    for (int64_t n = 0; n < outputs; ++n) {
      double sum = 0;
      for_each_weight(weights, outputs, n,
                      [&](int64_t weight) { sum += std::abs(static_cast<double>(weight)); });
      check_reach(std::ldexp(sum, output_->format.bits - 1), shifts[static_cast<size_t>(n)],
                  fmt::format(" of output channel {}", n));
    }
  }

  template <typename Visit>
  void for_each_weight(const Tensor& weights, int64_t outputs, int64_t n, Visit visit) const {
    const int64_t total = weights.elements(), each = total / outputs;
    const bool outputs_first =
        node_->op == "Conv" || (node_->op == "Gemm" && node_->integer("transB", 0) != 0);
    if (outputs_first) {
      for (int64_t i = 0; i < each; ++i) visit(weights.integers[static_cast<size_t>(n * each + i)]);
      return;
    }
    // ConvTranspose [C, N / group, kernel...] and Gemm [C, N]: the channel varies outside.
    const int64_t inner = node_->op == "Gemm" ? outputs : weights.shape[1];
    int64_t taps = 1;
    for (size_t axis = 2; axis < weights.shape.size(); ++axis) taps *= weights.shape[axis];
    const int64_t channels = weights.shape[0] * inner / outputs;
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t row = (n / inner) * channels + c;
      for (int64_t tap = 0; tap < taps; ++tap) {
        visit(weights.integers[static_cast<size_t>((row * inner + n % inner) * taps + tap)]);
      }
    }
  }

  void check_matmul() const {
    const int shift = check_shift(input(0).format.exponent, input(1).format.exponent, -1);
    const double depth = input(0).shape.empty() ? 1 : static_cast<double>(input(0).shape.back());
    check_reach(std::ldexp(depth, 2 * (output_->format.bits - 1)), shift, "");
    if (input(0).shape.size() > 4 || input(1).shape.size() > 4) {
      refuse("operands have ranks {} and {}; the chip multiplies up to rank 4", input(0).shape.size(),
             input(1).shape.size());
    }
  }

  void check_equal_exponents() const {
    const auto check = [&](const Tensor& tensor) {
      if (tensor.type == graph::ElementType::kInt64 || tensor.format.exponent == output_->format.exponent)
        return;
      refuse(
          "'{}' has exponent {} and '{}' {}; the chip copies or adds the integers as they are: insert a "
          "RequantizeLinear",
          tensor.name, tensor.format.exponent, output_->name, output_->format.exponent);
    };
    const bool all_inputs = node_->op == "Add" || node_->op == "Sub" || node_->op == "Concat";
    for (size_t i = 0; i < (all_inputs ? node_->inputs.size() : 1); ++i) {
      if (has(i)) check(input(i));
    }
    for (const std::string& name : node_->outputs) {
      if (!name.empty() && node_->outputs.size() > 1) check(graph_.tensor(name));
    }
  }

  // Left shifts multiply by 2^k in the width of the wider side (numerics.md section 6.2).
  void check_requantize() const {
    const int left = input(0).format.exponent - output_->format.exponent;
    const int limit = input(0).format.bits == 8 && output_->format.bits == 8 ? 6 : 14;
    if (left > limit) {
      refuse("exponents {} to {} shift {} bits left, the chip can do {}; choose exponents that are closer",
             input(0).format.exponent, output_->format.exponent, left, limit);
    }
  }

  // At 8 bit the chip takes exponentials without subtracting the maximum: exp(127) is infinite (numerics.md
  // section 10).
  void check_softmax() const {
    const Format& format = input(0).format;
    if (format.bits == 8 && format.exponent >= 0) {
      refuse(
          "input '{}' has exponent {}, with which 8-bit exponentials overflow on the chip; choose -1 or less",
          input(0).name, format.exponent);
    }
  }

  void check_pool() const {
    for (const int64_t dilation : node_->integers("dilations")) {
      if (dilation != 1) refuse("dilation {} does not exist for pools on the chip", dilation);
    }
    if (node_->outputs.size() > 1 && !node_->outputs[1].empty())
      refuse("the chip gives no indices of the maxima");
    const Window window = window_of(*node_, input(0).shape, output_->shape, node_->integers("kernel_shape"));
    if (node_->op == "MaxPool" || node_->integer("count_include_pad", 0) != 0) return;
    if (std::any_of(window.pads.begin(), window.pads.end(), [](int64_t pad) { return pad != 0; })) {
      refuse("padded borders are averaged over the whole kernel on the chip; count_include_pad must be 1");
    }
  }

  void check_resize() const {
    if (output_->format.bits != 8) {
      refuse("{} bits; the chip resizes 8-bit tensors only: give it and its neighbours 8 bits",
             output_->format.bits);
    }
    const std::string mode = node_->text("mode", "nearest");
    const std::string transform = node_->text("coordinate_transformation_mode", "half_pixel");
    if (mode == "linear") {
      if (transform != "half_pixel" && transform != "pytorch_half_pixel" && transform != "align_corners") {
        refuse("linear with {} coordinates does not exist on the chip; use half_pixel or align_corners",
               transform);
      }
      return;
    }
    if (mode != "nearest") refuse("mode '{}' does not exist on the chip; use nearest or linear", mode);
    for (size_t axis = 0; axis < output_->shape.size(); ++axis) check_nearest_axis(axis, transform);
  }

  // The chip takes floor(o / scale) whatever the attributes say; they have to mean the same pixels.
  void check_nearest_axis(size_t axis, const std::string& transform) const {
    const double in = static_cast<double>(input(0).shape[axis]),
                 out = static_cast<double>(output_->shape[axis]);
    const double scale = out / in;
    const float inverse = 1.0f / static_cast<float>(scale);
    const std::string rounding = node_->text("nearest_mode", "round_prefer_floor");
    for (int64_t o = 0; o < output_->shape[axis]; ++o) {
      double source = static_cast<double>(o) / scale;
      if (transform == "half_pixel" || (transform == "pytorch_half_pixel" && out > 1))
        source = (o + 0.5) / scale - 0.5;
      if (transform == "align_corners") source = out > 1 ? static_cast<double>(o) * (in - 1) / (out - 1) : 0;
      double wanted = std::floor(source);
      if (rounding == "ceil") wanted = std::ceil(source);
      if (rounding == "round_prefer_floor") wanted = std::ceil(source - 0.5);
      if (rounding == "round_prefer_ceil") wanted = std::floor(source + 0.5);
      wanted = std::clamp(wanted, 0.0, in - 1);
      const double chip = std::min(std::floor(static_cast<double>(static_cast<float>(o) * inverse)), in - 1);
      if (wanted != chip) {
        refuse(
            "nearest with {} and {} reads pixel {} for output {} of axis {}, the chip reads {}; use "
            "asymmetric and floor",
            transform, rounding, wanted, o, axis, chip);
      }
    }
  }

  const Graph& graph_;
  const Chip& chip_;
  const Node* node_ = nullptr;
  const Tensor* output_ = nullptr;
};

}  // namespace

void check_constraints(const Graph& graph, Target target) {
  Checker(graph, target).run();
}

}  // namespace shrike::espdl
