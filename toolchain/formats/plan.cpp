#include "toolchain/formats/plan.h"

#include <algorithm>
#include <cmath>

#include "toolchain/measure/grid.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {

FormatGroups find_groups(const graph::Graph& graph) {
  FormatGroups groups;
  const auto open = [&](const std::string& tensor) {
    groups.group_of[tensor] = static_cast<int>(groups.members.size());
    groups.members.push_back({tensor});
  };
  for (const std::string& input : graph.inputs) open(input);
  for (const graph::Node& node : graph.nodes) {
    for (const std::string& output : node.outputs) {
      if (operators::is_copy(node.op)) {
        const int group = groups.group_of.at(node.inputs[0]);
        groups.group_of[output] = group;
        groups.members[group].push_back(output);
      } else {
        open(output);
      }
    }
  }
  return groups;
}

int seen_exponent(const Plan& plan, const graph::Node& node, const std::string& input) {
  const graph::Format& present = plan.formats.at(input);
  const graph::Format& output = plan.formats.at(node.outputs[0]);
  if (present.bits == output.bits) return present.exponent;
  return output.bits == 16 ? widened(present.exponent) : plan.narrow_exponents.at(input);
}

float largest_of(const Plan& plan, const std::string& tensor) {
  const auto found = plan.largest.find(tensor);
  return found == plan.largest.end() ? 0.0f : found->second;
}

int lowest_sum_exponent(float largest, const graph::Format& output, int sum_bits) {
  const auto highest_code = [](int bits) { return std::ldexp(1.0, bits - 1) - 1; };
  const double needed =
      std::min<double>(largest, highest_code(output.bits) * std::ldexp(1.0, output.exponent));
  return static_cast<int>(std::ceil(std::log2(needed / highest_code(sum_bits))));
}

int widened(int exponent) {
  return std::max(exponent - 8, kLowestExponent);
}

float largest_of(const graph::Tensor& constant) {
  float largest = 0;
  for (const float value : constant.values) largest = std::max(largest, std::fabs(value));
  return largest;
}

int factor_exponent(const graph::Tensor& constant, int bits) {
  return std::clamp(covering_exponent(largest_of(constant), steps_of(bits)), kLowestExponent,
                    kHighestExponent);
}

}  // namespace shrike::quantize
