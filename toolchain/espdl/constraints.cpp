// What the chip demands of a quantised graph (spec/numerics.md sections 3 to 12, spec/runtime-and-vision.md
// Table 2).
#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/chips/chip.h"
#include "toolchain/espdl/fusion.h"
#include "toolchain/espdl/library_version.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/operators/formats.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using graph::Format;
using graph::Graph;
using graph::Node;
using graph::Tensor;
using operators::Operand;
using operators::Role;

// Kernels take shift counts modulo 32.
constexpr int kLargestShift = 31;

class Checker {
 public:
  Checker(const Graph& graph, Target target)
      : graph_(graph), chip_(chip_of(target)), library_(library_of(graph)) {}

  void run() {
    const auto relus = fused_relus(graph_);
    std::set<size_t> taken_over;
    for (const auto& [computing, relu] : relus) taken_over.insert(relu);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (taken_over.contains(i)) continue;
      node_ = &graph_.nodes[i];
      output_ = &graph_.tensor(written_output(graph_, relus, i));
      row_ = operators::find(node_->op);
      if (row_ != nullptr) check_node();  // lower() refuses unknown ones
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
    check_formats();
    const operators::Situation situation{graph_, *node_, bits()};
    if (row_->refuse != nullptr) {
      if (const std::string reason = row_->refuse(situation); !reason.empty()) refuse("{}", reason);
    }
    switch (row_->role) {
      case Role::kWeighted:
        return check_filters();
      case Role::kMatrix:
        return check_matmul();
      case Role::kProduct:
        check_shift(input(0).format.exponent, input(1).format.exponent, -1);
        return;
      case Role::kSum:
      case Role::kConcat:
      case Role::kCopy:
        return check_equal_exponents();
      case Role::kConversion:
        return check_requantize();
      case Role::kFloatResult:
        return check_softmax();
      default:
        return;
    }
  }

  // Of the output, or where that is float, of the input.
  int bits() const { return output_->format.is_float() ? input(0).format.bits : output_->format.bits; }

  // One bit width per node, exponents that a float can carry, per-channel lists only where kernels read them.
  void check_formats() const {
    const bool same_width = row_->role != Role::kConversion && row_->role != Role::kFloatResult;
    if (row_->on_chip() && same_width && !row_->support.real && output_->format.is_float()) {
      refuse("output '{}' is float, but the chip has no float form of the operator; give it 8 or 16 bits",
             output_->name);
    }
    for (size_t i = 0; i < node_->inputs.size(); ++i) {
      if (!has(i)) continue;
      const Operand kind = operators::operand(graph_, *node_, i);
      if (kind == Operand::kPlain || kind == Operand::kBias) continue;  // the bias has its own rule
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
      if (input(i).format.per_channel() && kind != Operand::kFilter) {
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

  void check_filters() const {
    const Tensor& weights = input(1);
    const int64_t outputs = output_->shape.at(1);
    const Format& format = weights.format;
    if (format.per_channel()) {
      if (!chip_.per_channel_exponents) {
        refuse(
            "filter '{}' has one exponent per channel, which {} does not support; quantise for it per tensor",
            weights.name, chip_.name);
      }
      if (!row_of(library_).channel_exponents) {
        refuse(
            "filter '{}' has one exponent per channel, which ESP-DL {} computes wrongly; quantise per layer, "
            "or "
            "for {} and newer",
            weights.name, to_string(library_), to_string(oldest_library_with(true, false)));
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
    const operators::FilterLayout layout = operators::filter_layout(*node_, weights.shape);
    for (int64_t n = 0; n < outputs; ++n) {
      double sum = 0;
      for (int64_t k = 0; k < layout.taps; ++k)
        sum += std::abs(static_cast<double>(weights.integers[layout.index(n, k)]));
      check_reach(std::ldexp(sum, output_->format.bits - 1), shifts[static_cast<size_t>(n)],
                  fmt::format(" of output channel {}", n));
    }
  }

  void check_matmul() const {
    const int shift = check_shift(input(0).format.exponent, input(1).format.exponent, -1);
    const double depth = input(0).shape.empty() ? 1 : static_cast<double>(input(0).shape.back());
    check_reach(std::ldexp(depth, 2 * (output_->format.bits - 1)), shift, "");
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
    const bool all_inputs = operators::is_join(node_->op);
    for (size_t i = 0; i < (all_inputs ? node_->inputs.size() : 1); ++i) {
      if (has(i)) check(input(i));
    }
    for (const std::string& name : node_->outputs) {
      if (!name.empty() && node_->outputs.size() > 1) check(graph_.tensor(name));
    }
  }

  void check_requantize() const {
    if (input(0).format.is_float() || output_->format.is_float()) return;
    const int left = input(0).format.exponent - output_->format.exponent;
    const int limit = operators::most_left_shift(input(0).format.bits, output_->format.bits);
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

  const Graph& graph_;
  const Chip& chip_;
  const LibraryVersion library_;
  const Node* node_ = nullptr;
  const operators::Operator* row_ = nullptr;
  const Tensor* output_ = nullptr;
};

}  // namespace

void check_constraints(const Graph& graph, Target target) {
  Checker(graph, target).run();
}

bool meets_constraints(const Graph& graph, Target target) {
  try {
    check_constraints(graph, target);
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace shrike::espdl
