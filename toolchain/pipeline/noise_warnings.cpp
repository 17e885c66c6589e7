#include "toolchain/pipeline/noise_warnings.h"

#include <algorithm>

#include "toolchain/heads/head.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/settings_file.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {

std::vector<std::string> tensors_to_cut_at(const graph::Graph& graph, const std::string& output) {
  std::string tensor = output;
  for (;;) {
    const int producer = graph.producer(tensor);
    if (producer < 0) return {};
    const graph::Node& node = graph.nodes[static_cast<size_t>(producer)];
    if (operators::is_weighted(graph, node)) return {};
    std::vector<std::string> operands;
    for (const std::string& input : node.inputs) {
      if (!input.empty() && !graph.tensor(input).constant) operands.push_back(input);
    }
    if (operands.empty()) return {};
    if (operands.size() > 1) return operands;
    tensor = operands[0];
  }
}

std::vector<std::string> noise_warnings(const graph::Graph& graph, const std::vector<double>& noise) {
  std::vector<std::string> noisy, cuts;
  bool can_cut = false;
  const auto add = [&](const std::string& tensor) {
    const std::string item = list_item(tensor);
    if (std::find(cuts.begin(), cuts.end(), item) == cuts.end()) cuts.push_back(item);
  };
  for (size_t i = 0; i < noise.size(); ++i) {
    const std::string& output = graph.outputs[i];
    const double useful = heads::is_class_logits(graph, output) ? kUsefulLogitNoise : kUsefulNoise;
    if (noise[i] <= useful) {
      add(output);
      continue;
    }
    noisy.push_back(fmt::format("'{}' {:.1f} %", output, 100 * noise[i]));
    const std::vector<std::string> operands = tensors_to_cut_at(graph, output);
    can_cut |= !operands.empty();
    if (operands.empty()) add(output);
    for (const std::string& operand : operands) add(operand);
  }
  if (noisy.empty()) return {};
  const std::string advice =
      can_cut ? fmt::format(
                    "one exponent has to serve unlike values there; cut the network before they are joined: "
                    "--outputs {}",
                    fmt::join(cuts, ","))
              : std::string(
                    "compare what the calibration pictures feed with what the network was trained on, or try "
                    "--bits 16");
  return {fmt::format(
      "the file is of little use, its outputs have more than {:.0f} % noise (noise to signal {}): {}",
      100 * kUsefulNoise, fmt::join(noisy, ", "), advice)};
}

}  // namespace shrike::quantize
