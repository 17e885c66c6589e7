#include "toolchain/cost/cost_model.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "toolchain/cost/prices.h"
#include "toolchain/host/tensors.h"

namespace shrike::quantize {
namespace {

constexpr double kSecondLevelCache = 262144;  // esp32p4
constexpr double kLanes = 16;                 // 8-bit integers in a vector of either chip
constexpr double kWideArithmetic =
    2.27;  // time at 16 bit over time at 8 bit, Table 1: pp_ocr_v6_rec s16 to s8

double whole_vectors(double channels) {
  return std::ceil(channels / kLanes) * kLanes;
}

double arithmetic_factor(int bits) {
  return bits == 16 ? kWideArithmetic : 1;
}

bool leaves_data_in_place(const std::string& type) {
  static const std::set<std::string> kTypes = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"};
  return kTypes.contains(type);
}

bool is_variable(const InspectableModel& model, const TensorView& tensor) {
  return model.variable(host::to_string(tensor.name).c_str()).type != DataType::kUndefined;
}

double bytes_moved(const InspectableModel& model, int32_t node) {
  double bytes = 0;
  for (int32_t i = 0; i < model.node_input_count(node); ++i) {
    const TensorView input = model.node_input(node, i);
    if (input.type != DataType::kUndefined && is_variable(model, input))
      bytes += static_cast<double>(input.bytes);
  }
  for (int32_t i = 0; i < model.node_output_count(node); ++i)
    bytes += static_cast<double>(model.node_output(node, i).bytes);
  return bytes;
}

// Work is asked for without prices too, when they are to be found.
double weight_cache(Target target) {
  constexpr double kUsual = 65536;
  const Prices* prices = prices_of(target);
  return prices == nullptr ? kUsual : prices->weight_cache_bytes;
}

// Stored filters are [kH, kW, I, O] or [kW, I, O], depthwise ones with O = 1 (spec/espdl-format.md section
// 6); activations have their channels last.
Work convolution_work(const InspectableModel& model, int32_t node, Target target) {
  const TensorView input = model.node_input(node, 0), filter = model.node_input(node, 1),
                   output = model.node_output(node, 0);
  const int32_t rank = filter.shape.rank;
  const int64_t filters = filter.shape.dims[rank - 1], depth = filter.shape.dims[rank - 2];
  const int64_t channels = output.shape.dims[output.shape.rank - 1];
  Convolution convolution;
  convolution.bits = output.type == DataType::kInt16 ? 16 : 8;
  convolution.in_channels = static_cast<double>(depth);
  convolution.out_channels = static_cast<double>(channels);
  convolution.taps = static_cast<double>(filter.shape.elements()) / static_cast<double>(filters * depth);
  convolution.in_pixels = static_cast<double>(input.shape.elements()) /
                          static_cast<double>(input.shape.dims[input.shape.rank - 1]);
  convolution.out_pixels = static_cast<double>(output.shape.elements()) / static_cast<double>(channels);
  return is_depthwise(model, node) ? depthwise_work(convolution) : dense_work(convolution, target);
}

}  // namespace

bool is_depthwise(const InspectableModel& model, int32_t node) {
  const Shape &filter = model.node_input(node, 1).shape, &output = model.node_output(node, 0).shape;
  const int64_t filters = filter.dims[filter.rank - 1], depth = filter.dims[filter.rank - 2];
  return filters == 1 && depth > 1 && output.dims[output.rank - 1] == depth;
}

Work moving_work(double bytes) {
  Work work;
  work.moved_bytes = bytes;
  work.spilled_bytes = std::max(0.0, bytes - kSecondLevelCache);
  work.calls = 1;
  return work;
}

Work dense_work(const Convolution& convolution, Target target) {
  const double bytes = convolution.bits / 8.0;
  Work work = moving_work(bytes * (convolution.in_pixels * convolution.in_channels +
                                   convolution.out_pixels * convolution.out_channels));
  work.macs = arithmetic_factor(convolution.bits) * convolution.out_pixels * convolution.taps *
              whole_vectors(convolution.in_channels) * whole_vectors(convolution.out_channels);
  const double weight_bytes = bytes * convolution.taps * convolution.in_channels * convolution.out_channels;
  work.streamed_macs = work.macs * std::max(0.0, 1 - weight_cache(target) / weight_bytes);
  return work;
}

Work depthwise_work(const Convolution& convolution) {
  Work work = moving_work(convolution.bits / 8.0 * convolution.in_channels *
                          (convolution.in_pixels + convolution.out_pixels));
  work.depthwise_macs = arithmetic_factor(convolution.bits) * convolution.out_pixels * convolution.taps *
                        whole_vectors(convolution.in_channels);
  return work;
}

Work node_work(const InspectableModel& model, int32_t node, Target target) {
  const std::string type = host::to_string(model.node_type(node));
  if (leaves_data_in_place(type)) return {};
  if (type == "Conv") return convolution_work(model, node, target);
  Work work = moving_work(bytes_moved(model, node));
  if (type == "Gemm" || type == "MatMul") {
    const bool wide = model.node_output(node, 0).type == DataType::kInt16;
    work.macs = arithmetic_factor(wide ? 16 : 8) * static_cast<double>(model.node_macs(node));
  }
  return work;
}

bool has_cost_model(Target target) {
  return prices_of(target) != nullptr;
}

double milliseconds(const Work& work, Target target) {
  return milliseconds(work, *prices_of(target));
}

double milliseconds(const Work& work, const Prices& price) {
  const double nanoseconds = price.mac * work.macs + price.streamed_mac * work.streamed_macs +
                             price.depthwise_mac * work.depthwise_macs + price.moved_byte * work.moved_bytes +
                             price.spilled_byte * work.spilled_bytes + price.call * work.calls;
  return nanoseconds / 1e6;
}

std::optional<Latency> estimate_latency(const InspectableModel& model, Target target) {
  if (!has_cost_model(target)) return std::nullopt;
  Latency latency;
  for (int32_t node = 0; node < model.node_count(); ++node) {
    latency.nodes.push_back(milliseconds(node_work(model, node, target), target));
    latency.milliseconds += latency.nodes.back();
  }
  return latency;
}

}  // namespace shrike::quantize
