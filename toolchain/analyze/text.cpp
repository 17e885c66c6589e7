#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "toolchain/analyze/report.h"

namespace shrike::analyze {
namespace {

constexpr int kBlocks = 20;
const std::string kRatioTitle = "NOISE:SIGNAL POWER RATIO";

std::string percent(double ratio) {
  return fmt::format("{:.3f}%", 100 * ratio);
}

std::string bar(int blocks) {
  std::string text;
  for (int i = 0; i < blocks; ++i) text += "█";
  return text + std::string(static_cast<size_t>(kBlocks - blocks), ' ');
}

std::string share(double part) {
  return fmt::format("{:.0f}%", 100 * part);
}

}  // namespace

std::string noise_table(std::vector<Row> rows, const std::string& header) {
  std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.ratio > b.ratio; });
  size_t width = std::string("Layer").size();
  for (const Row& row : rows) width = std::max(width, row.name.size() + 1);
  std::string text = fmt::format("{:<{}} | {}{}\n", "Layer", width, kRatioTitle, header);
  if (rows.empty()) return text;
  const double largest = rows.front().ratio, smallest = rows.back().ratio;
  for (const Row& row : rows) {
    // Half to even, as the rows of the form's original (spec/quantizer.md section 15).
    const int blocks =
        static_cast<int>(std::nearbyint(kBlocks * (row.ratio - smallest) / (largest - smallest + 1e-7)));
    text +=
        fmt::format("{:<{}} | {} | {}{}\n", row.name + ":", width, bar(blocks), percent(row.ratio), row.more);
  }
  return text;
}

std::string graphwise_table(const Analysis& analysis, Rows rows) {
  std::vector<Row> list;
  for (const TensorReport& tensor : analysis.tensors) {
    if (rows == Rows::kComputing && !tensor.computing) continue;
    // With every tensor listed, a node with several outputs needs them told apart.
    list.push_back(
        {rows == Rows::kAll ? tensor.tensor : tensor.layer, tensor.distribution.noise_behind(), ""});
  }
  return noise_table(std::move(list));
}

std::string layerwise_table(const Analysis& analysis) {
  std::vector<Row> list;
  std::string header;
  for (const std::string& output : analysis.outputs) header += fmt::format(" | {:>9}", output);
  size_t longest = 0;
  for (const LayerReport& layer : analysis.layers) longest = std::max(longest, percent(layer.mean()).size());
  for (const LayerReport& layer : analysis.layers) {
    std::string more(longest - percent(layer.mean()).size(), ' ');
    for (size_t i = 0; i < analysis.outputs.size(); ++i) {
      more += fmt::format(" | {:>{}}", percent(layer.noise_to_signal[i]),
                          std::max<size_t>(9, analysis.outputs[i].size()));
    }
    list.push_back({layer.layer, layer.mean(), more});
  }
  // The bar's column is wider than its title, by what the percentage takes.
  const size_t column = kBlocks + 3 + longest;
  if (column > kRatioTitle.size()) header = std::string(column - kRatioTitle.size(), ' ') + header;
  return noise_table(std::move(list), header);
}

std::string bits_table(const Analysis& analysis, size_t count) {
  std::vector<const LayerReport*> layers;
  for (const LayerReport& layer : analysis.layers) layers.push_back(&layer);
  std::stable_sort(layers.begin(), layers.end(), [](const LayerReport* a, const LayerReport* b) {
    return a->gain_of_bit() > b->gain_of_bit();
  });
  layers.resize(std::min(count, layers.size()));
  size_t width = std::string("Layer").size();
  for (const LayerReport* layer : layers) width = std::max(width, layer->layer.size());
  std::string text = fmt::format("{:<{}} | {:>8} | {:>6} {:>7} {:>6} | {:>8} {:>8} {:>8} {:>8}\n", "", width,
                                 "isolated", "noise", "made", "by", "one more", "bit", "takes", "off");
  text += fmt::format("{:<{}} | {:>8} | {:>6} {:>7} {:>6} | {:>8} {:>8} {:>8} {:>8}\n", "Layer", width,
                      "noise", "input", "weights", "output", "input", "weights", "output", "all");
  for (const LayerReport* layer : layers) {
    text += fmt::format("{:<{}} | {:>8} | {:>6} {:>7} {:>6} | {:>8} {:>8} {:>8} {:>8}\n", layer->layer, width,
                        percent(layer->mean()), share(layer->shares.input), share(layer->shares.weights),
                        share(layer->shares.output), percent(layer->gain_of_input_bit()),
                        percent(layer->gain_of_weight_bit()), percent(layer->gain_of_output_bit()),
                        percent(layer->gain_of_bit()));
  }
  return text;
}

std::string tensor_table(const Analysis& analysis) {
  size_t width = std::string("Tensor").size();
  for (const TensorReport& tensor : analysis.tensors) width = std::max(width, tensor.tensor.size());
  std::string text = fmt::format(
      "{:<{}} | {:>4} {:>8} {:>4} | {:>10} {:>10} {:>10} {:>10} | {:>9} {:>9} | {:>9}\n", "Tensor", width,
      "bits", "exponent", "used", "min", "max", "mean", "deviation", "saturated", "clipped", "noise");
  for (const TensorReport& tensor : analysis.tensors) {
    const Distribution& d = tensor.distribution;
    const bool integer = tensor.bits > 0;
    const double clipped =
        d.sampled == 0 ? 0 : static_cast<double>(d.clipped) / static_cast<double>(d.sampled);
    text += fmt::format(
        "{:<{}} | {:>4} {:>8} {:>4} | {:>10.4g} {:>10.4g} {:>10.4g} {:>10.4g} | {:>9} {:>9} | {:>9}\n",
        tensor.tensor, width, integer ? std::to_string(tensor.bits) : "f32",
        integer ? std::to_string(tensor.exponent) : "-", integer ? std::to_string(d.bits_used()) : "-",
        d.minimum, d.maximum, d.mean(), d.deviation(),
        integer ? percent(static_cast<double>(d.saturated) / static_cast<double>(d.count)) : "-",
        integer ? percent(clipped) : "-", percent(d.noise_to_signal()));
  }
  return text;
}

}  // namespace shrike::analyze
