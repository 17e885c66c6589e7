#include "toolchain/support/json.h"
#include "toolchain/analyze/report.h"

namespace shrike::analyze {
namespace {

using Json = nlohmann::ordered_json;

Json of(const TensorReport& tensor) {
  const Distribution& d = tensor.distribution;
  Json json;
  json["tensor"] = tensor.tensor;
  json["layer"] = tensor.layer;
  json["op"] = tensor.op;
  json["computing"] = tensor.computing;
  json["shape"] = tensor.shape;
  json["bits"] = tensor.bits;
  json["noise_to_signal"] = d.noise_to_signal();
  json["noise_behind_activation"] = d.noise_behind();
  json["float"] = {{"min", d.minimum}, {"max", d.maximum}, {"mean", d.mean()}, {"deviation", d.deviation()}};
  if (tensor.bits == 0) return json;
  json["exponent"] = tensor.exponent;
  json["integer"] = {{"min", d.lowest}, {"max", d.highest}};
  json["bits_used"] = d.bits_used();
  json["saturated"] = static_cast<double>(d.saturated) / static_cast<double>(d.count);
  json["clipped"] = static_cast<double>(d.clipped) / static_cast<double>(d.sampled);
  // Bin i holds integers from (i - bins / 2) * integers_per_bin on.
  json["histogram"] = {{"integers_per_bin", (int64_t{1} << tensor.bits) / CodeCounts::kBins},
                       {"float", d.reference.counts},
                       {"float_below", d.reference.below},
                       {"float_above", d.reference.above},
                       {"quantized", d.quantized.counts}};
  return json;
}

Json of(const LayerReport& layer, const std::vector<std::string>& outputs) {
  Json json;
  json["layer"] = layer.layer;
  json["op"] = layer.op;
  json["tensor"] = layer.tensor;
  json["computing"] = layer.computing;
  json["noise_to_signal"] = layer.mean();
  for (size_t i = 0; i < outputs.size(); ++i) json["outputs"][outputs[i]] = layer.noise_to_signal[i];
  json["local"] = layer.local;
  json["shares"] = {
      {"input", layer.shares.input}, {"weights", layer.shares.weights}, {"output", layer.shares.output}};
  json["one_more_bit"] = {{"input", layer.gain_of_input_bit()},
                          {"weights", layer.gain_of_weight_bit()},
                          {"output", layer.gain_of_output_bit()},
                          {"all", layer.gain_of_bit()}};
  return json;
}

}  // namespace

std::string to_json(const Analysis& analysis, int indent) {
  Json json;
  json["model"] = analysis.model;
  json["file"] = analysis.file;
  json["target"] = analysis.target;
  for (const InputReport& input : analysis.inputs)
    json["inputs"].push_back({{"name", input.name}, {"shape", input.shape}});
  json["images"] = analysis.samples;
  json["seconds"] = analysis.seconds;
  json["threads"] = analysis.threads;
  json["outputs"] = Json::array();
  for (size_t i = 0; i < analysis.outputs.size(); ++i)
    json["outputs"].push_back({{"name", analysis.outputs[i]}, {"noise_to_signal", analysis.output_noise[i]}});
  json["mean_output_noise"] = analysis.mean_output_noise();
  json["tensors"] = Json::array();
  for (const TensorReport& tensor : analysis.tensors) json["tensors"].push_back(of(tensor));
  json["layers"] = Json::array();
  for (const LayerReport& layer : analysis.layers) json["layers"].push_back(of(layer, analysis.outputs));
  json["not_compared"] = analysis.not_compared;
  return indented_text(json, indent);
}

}  // namespace shrike::analyze
