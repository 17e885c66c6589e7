#include <fmt/format.h>

#include "toolchain/analyze/report.h"
#include "toolchain/support/csv.h"

namespace shrike::analyze {
namespace {

std::string number(double value) {
  return fmt::format("{:.9g}", value);
}

std::string graphwise(const Analysis& analysis, Rows rows) {
  std::string text = csv_line({"layer", "tensor", "op", "noise_to_signal", "noise_behind_activation"});
  for (const TensorReport& tensor : analysis.tensors) {
    if (rows == Rows::kComputing && !tensor.computing) continue;
    text += csv_line({tensor.layer, tensor.tensor, tensor.op, number(tensor.distribution.noise_to_signal()),
                      number(tensor.distribution.noise_behind())});
  }
  return text;
}

std::string layerwise(const Analysis& analysis) {
  std::vector<std::string> fields = {"layer", "op", "mean"};
  fields.insert(fields.end(), analysis.outputs.begin(), analysis.outputs.end());
  std::string text = csv_line(fields);
  for (const LayerReport& layer : analysis.layers) {
    fields = {layer.layer, layer.op, number(layer.mean())};
    for (const double ratio : layer.noise_to_signal) fields.push_back(number(ratio));
    text += csv_line(fields);
  }
  return text;
}

std::string bits(const Analysis& analysis) {
  std::string text = csv_line({"layer", "op", "isolated", "from_input", "from_weights", "from_output",
                               "input_bit_takes", "weight_bit_takes", "output_bit_takes", "all_take"});
  for (const LayerReport& layer : analysis.layers)
    text += csv_line({layer.layer, layer.op, number(layer.mean()), number(layer.shares.input),
                      number(layer.shares.weights), number(layer.shares.output),
                      number(layer.gain_of_input_bit()), number(layer.gain_of_weight_bit()),
                      number(layer.gain_of_output_bit()), number(layer.gain_of_bit())});
  return text;
}

std::string tensors(const Analysis& analysis) {
  std::string text = csv_line({"tensor", "layer", "op", "bits", "exponent", "bits_used", "minimum", "maximum",
                               "mean", "deviation", "saturated", "clipped", "noise_to_signal"});
  for (const TensorReport& tensor : analysis.tensors) {
    const Distribution& d = tensor.distribution;
    const auto if_integer = [&](const std::string& value) { return tensor.bits > 0 ? value : std::string(); };
    const auto share = [](int64_t part, int64_t whole) {
      return number(whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole));
    };
    text += csv_line({tensor.tensor, tensor.layer, tensor.op, std::to_string(tensor.bits),
                      if_integer(std::to_string(tensor.exponent)), if_integer(std::to_string(d.bits_used())),
                      number(d.minimum), number(d.maximum), number(d.mean()), number(d.deviation()),
                      if_integer(share(d.saturated, d.count)), if_integer(share(d.clipped, d.sampled)),
                      number(d.noise_to_signal())});
  }
  return text;
}

}  // namespace

std::string to_csv(const Analysis& analysis, const std::string& table, Rows rows) {
  if (table == "graphwise") return graphwise(analysis, rows);
  if (table == "layerwise") return layerwise(analysis);
  return table == "bits" ? bits(analysis) : tensors(analysis);
}

}  // namespace shrike::analyze
