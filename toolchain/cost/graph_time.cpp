#include "toolchain/cost/graph_time.h"

#include "toolchain/cost/cost_model.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {
namespace {

Work convolution_work(const graph::Graph& graph, const graph::Node& node, Target target) {
  const graph::Tensor& input = graph.tensor(node.inputs[0]);
  const graph::Tensor& filter = graph.tensor(node.inputs[1]);
  const graph::Tensor& output = graph.tensor(node.outputs[0]);
  Convolution convolution;
  convolution.in_channels = static_cast<double>(filter.shape[1]);
  convolution.out_channels = static_cast<double>(filter.shape[0]);
  convolution.taps = static_cast<double>(filter.elements() / (filter.shape[0] * filter.shape[1]));
  convolution.in_pixels = static_cast<double>(input.elements() / input.shape[1]);
  convolution.out_pixels = static_cast<double>(output.elements() / output.shape[1]);
  if (node.integer("group", 1) == 1) return dense_work(convolution, target);
  convolution.in_channels = convolution.out_channels;
  return depthwise_work(convolution);
}

Work moved(const graph::Graph& graph, const graph::Node& node) {
  double bytes = 0;
  for (const auto* names : {&node.inputs, &node.outputs}) {
    for (const std::string& name : *names) {
      if (!name.empty() && !graph.tensor(name).constant)
        bytes += static_cast<double>(graph.tensor(name).elements());
    }
  }
  return moving_work(bytes);
}

}  // namespace

double graph_time(const graph::Graph& graph, Target target) {
  double total = 0;
  for (const graph::Node& node : graph.nodes) {
    total += milliseconds(
        operators::is_convolution(node) ? convolution_work(graph, node, target) : moved(graph, node), target);
  }
  return total;
}

double pad_time(const graph::Tensor& tensor, const std::vector<int64_t>& pads, Target target) {
  const size_t axes = tensor.shape.size() - 2;
  auto read = static_cast<double>(tensor.elements()), written = read;
  for (size_t i = 0; i < axes; ++i) {
    const auto size = static_cast<double>(tensor.shape[i + 2]);
    written *= (size + static_cast<double>(pads[i] + pads[i + axes])) / size;
  }
  return milliseconds(moving_work(read + written), target);
}

}  // namespace shrike::quantize
