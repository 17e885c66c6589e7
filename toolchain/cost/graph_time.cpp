#include "toolchain/cost/graph_time.h"

#include "toolchain/cost/cost_model.h"
#include "toolchain/operators/operator.h"

namespace shrike::quantize {
namespace {

Work convolution_work(const graph::Graph& graph, const graph::Node& node, int64_t filters, Target target) {
  const graph::Tensor& input = graph.tensor(node.inputs[0]);
  const graph::Tensor& filter = graph.tensor(node.inputs[1]);
  const graph::Tensor& output = graph.tensor(node.outputs[0]);
  Convolution convolution;
  convolution.in_channels = static_cast<double>(filter.shape[1]);
  convolution.out_channels = static_cast<double>(filters);
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
    const Work work = operators::is_convolution(node)
                          ? convolution_work(graph, node, graph.tensor(node.inputs[1]).shape[0], target)
                          : moved(graph, node);
    total += milliseconds(work, target);
  }
  return total;
}

double division_time(const graph::Graph& graph, const graph::Node& convolution, const graph::Node* function,
                     const std::vector<int64_t>& sizes, Target target) {
  const graph::Tensor& output = graph.tensor(convolution.outputs[0]);
  const auto plane = static_cast<double>(output.elements() / output.shape[1]);
  const auto layer = [&](int64_t channels) {
    const double time = milliseconds(convolution_work(graph, convolution, channels, target), target);
    const double bytes = 2 * plane * static_cast<double>(channels);
    return function == nullptr ? time : time + milliseconds(moving_work(bytes), target);
  };
  double time = milliseconds(moving_work(2 * static_cast<double>(output.elements())), target);
  for (const int64_t size : sizes) time += layer(size);
  return time - layer(output.shape[1]);
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
