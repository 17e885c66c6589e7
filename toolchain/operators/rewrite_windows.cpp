#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/espdl/window.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/replacement.h"
#include "toolchain/operators/rewrites.h"

namespace shrike::operators {
namespace {

using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using Ints = std::vector<int64_t>;

// Multiply-adds that a node without arithmetic is worth: the cost model's price of a call on esp32p4 over
// that of a multiply-add (spec/runtime-and-vision.md Table 3).
constexpr double kCall = 720e3;
constexpr double kLanes = 16;  // 8-bit channels in a vector

double whole_vectors(int64_t channels) {
  return std::ceil(static_cast<double>(channels) / kLanes) * kLanes;
}

int64_t product(const Ints& list, size_t first = 0) {
  return std::accumulate(list.begin() + static_cast<std::ptrdiff_t>(std::min(first, list.size())), list.end(),
                         int64_t{1}, std::multiplies<>());
}

// Elements of each of `outputs` windows that count for an average, along one axis.
std::vector<double> counted(const espdl::Window& window, size_t axis, int64_t size, int64_t outputs,
                            Ints padding) {
  std::vector<double> counts;
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t first = o * window.strides[axis] - window.pads[axis], last = first + window.kernel[axis];
    counts.push_back(static_cast<double>(std::min(last, size + padding[1]) - std::max(first, -padding[0])));
  }
  return counts;
}

// An input of its own for a node: the constant as a part of another.
std::string part_of(Replacement& nodes, const char* stem, const Tensor& constant, int64_t part,
                    int64_t parts) {
  const auto length = static_cast<std::ptrdiff_t>(constant.values.size()) / parts;
  Shape shape = constant.shape;
  shape[0] /= parts;
  const auto begin = constant.values.begin() + part * length;
  return nodes.constant(stem, shape, std::vector<float>(begin, begin + length));
}

}  // namespace

Nodes rewrite_global_max_pool(Graph& graph, const Node& node) {
  Replacement nodes(graph, node);
  Ints axes;
  for (size_t axis = 2; axis < graph.tensor(node.inputs[0]).shape.size(); ++axis)
    axes.push_back(static_cast<int64_t>(axis));
  nodes.add("ReduceMax", {node.inputs[0], nodes.constant("axes", axes)}, {{"keepdims", int64_t{1}}});
  return nodes.finish();
}

Nodes rewrite_average_pool(Graph& graph, const Node& node) {
  const Shape &input = graph.tensor(node.inputs[0]).shape, &output = graph.tensor(node.outputs[0]).shape;
  const Ints kernel = node.integers("kernel_shape");
  const size_t axes = kernel.size();
  if (axes < 1 || axes > 2 || input.size() != axes + 2) return {};
  const Ints dilations = node.integers("dilations", Ints(axes, 1));
  if (std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; })) return {};
  const espdl::Window window = espdl::window_of(node, input, output, kernel);
  const bool with_padding = node.integer("count_include_pad", 0) != 0;
  const Ints pads = node.integers("pads", Ints(2 * axes, 0));
  const double area = static_cast<double>(product(kernel));
  std::vector<double> factors = {area};  // area over the number that counts, for every output pixel
  for (size_t i = 0; i < axes; ++i) {
    const Ints padding = with_padding ? Ints{pads[i], pads[axes + i]} : Ints{0, 0};
    std::vector<double> wider;
    for (const double factor : factors) {
      for (const double count : counted(window, i, input[i + 2], output[i + 2], padding))
        wider.push_back(factor / std::max(count, 1.0));
    }
    factors = std::move(wider);
  }
  const bool exact = std::all_of(factors.begin(), factors.end(), [](double f) { return f == 1.0; });
  if (exact) return {};
  Replacement nodes(graph, node);
  const std::string averages = nodes.add("AveragePool", {node.inputs[0]},
                                         {{"kernel_shape", kernel},
                                          {"strides", window.strides},
                                          {"pads", window.pads},
                                          {"count_include_pad", int64_t{1}}});
  Shape shape(output.begin() + 2, output.end());
  shape.insert(shape.begin(), {1, 1});
  nodes.add("Mul", {averages, nodes.constant("border", shape, {factors.begin(), factors.end()})});
  return nodes.finish();
}

Nodes rewrite_transposed_convolution(Graph& graph, const Node& node) {
  const Tensor& weights = graph.tensor(node.inputs[1]);  // [C, N / group, kernel...]
  const Shape &input = graph.tensor(node.inputs[0]).shape, &output = graph.tensor(node.outputs[0]).shape;
  if (!weights.constant || weights.shape.size() < 3 || weights.shape.size() > 4) return {};
  const size_t axes = weights.shape.size() - 2;
  const Ints kernel(weights.shape.begin() + 2, weights.shape.end());
  const Ints strides = node.integers("strides", Ints(axes, 1)),
             dilations = node.integers("dilations", Ints(axes, 1)),
             extra = node.integers("output_padding", Ints(axes, 0)),
             pads = node.integers("pads", Ints(2 * axes, 0));

  Replacement nodes(graph, node);
  std::string spread = node.inputs[0];
  const bool has_zeros =
      std::any_of(strides.begin(), strides.end(), [](int64_t stride) { return stride > 1; });
  if (has_zeros)
    spread = nodes.add("InsertZeros", {spread}, {{"stride", strides}, {"output_padding", extra}});

  // The chip can't crop: what padding would take away is cut off in front of the convolution.
  Ints window(2 * axes, 0), starts, ends, cut;
  for (size_t i = 0; i < axes; ++i) {
    const int64_t reach = dilations[i] * (kernel[i] - 1);
    const int64_t size = strides[i] * (input[i + 2] - 1) + 1 + (has_zeros ? extra[i] : 0);
    const int64_t before = reach - pads[i];
    // The known output size says what is left for the end.
    const int64_t after = output[i + 2] + reach - size - before;
    window[i] = std::max<int64_t>(0, before);
    window[axes + i] = std::max<int64_t>(0, after);
    if (before >= 0 && after >= 0) continue;
    cut.push_back(static_cast<int64_t>(i) + 2);
    starts.push_back(std::max<int64_t>(0, -before));
    ends.push_back(size - std::max<int64_t>(0, -after));
  }
  if (!cut.empty()) {
    spread = nodes.add("Slice", {spread, nodes.constant("starts", starts), nodes.constant("ends", ends),
                                 nodes.constant("axes", cut)});
  }

  const FilterLayout layout = filter_layout(node, weights.shape);
  const int64_t taps = product(kernel);
  std::vector<float> turned;
  for (int64_t n = 0; n < layout.outputs; ++n) {
    for (int64_t c = 0; c < layout.taps / taps; ++c) {
      for (int64_t tap = taps; tap-- > 0;) turned.push_back(weights.values[layout.index(n, c * taps + tap)]);
    }
  }
  Shape shape = {layout.outputs, layout.taps / taps};
  shape.insert(shape.end(), kernel.begin(), kernel.end());
  std::vector<std::string> inputs = {spread, nodes.constant("weight", shape, std::move(turned))};
  if (node.inputs.size() > 2 && !node.inputs[2].empty()) inputs.push_back(node.inputs[2]);
  nodes.add("Conv", inputs,
            {{"group", node.integer("group", 1)},
             {"kernel_shape", kernel},
             {"strides", Ints(axes, 1)},
             {"dilations", dilations},
             {"pads", window}});
  return nodes.finish();
}

Nodes rewrite_grouped_convolution(Graph& graph, const Node& node) {
  const Tensor weights = graph.tensor(node.inputs[1]);  // [N, C / group, kernel...]
  const int64_t groups = node.integer("group", 1), channels = graph.tensor(node.inputs[0]).shape.at(1),
                outputs = weights.shape.at(0);
  if (!weights.constant || groups == 1 || (groups == channels && outputs == channels)) return {};
  const Shape& output = graph.tensor(node.outputs[0]).shape;
  const bool has_bias = node.inputs.size() > 2 && !node.inputs[2].empty();
  if (has_bias && !graph.tensor(node.inputs[2]).constant) return {};
  const int64_t taps = product(weights.shape, 2);
  const double per_pair = static_cast<double>(taps * product(output, 2));
  const double whole = per_pair * whole_vectors(channels) * whole_vectors(outputs);
  const double apart = per_pair * static_cast<double>(groups) * whole_vectors(channels / groups) *
                           whole_vectors(outputs / groups) +
                       kCall * static_cast<double>(groups + 1);
  Replacement nodes(graph, node);
  Replacement::Attributes attributes = node.attributes;
  attributes["group"] = int64_t{1};
  if (whole <= apart) {
    Shape shape = weights.shape;
    shape[1] = channels;
    std::vector<float> values(static_cast<size_t>(outputs * channels * taps), 0.0f);
    const int64_t row = weights.shape[1] * taps;
    for (int64_t n = 0; n < outputs; ++n) {
      const int64_t first = (n * channels + n / (outputs / groups) * weights.shape[1]) * taps;
      std::copy_n(weights.values.begin() + n * row, row, values.begin() + first);
    }
    std::vector<std::string> inputs = {node.inputs[0], nodes.constant("weight", shape, std::move(values))};
    if (has_bias) inputs.push_back(node.inputs[2]);
    nodes.add("Conv", inputs, attributes);
    return nodes.finish();
  }
  const std::vector<std::string> parts = nodes.add_parts(
      "Split",
      {node.inputs[0], nodes.constant("sizes", Ints(static_cast<size_t>(groups), channels / groups))},
      static_cast<size_t>(groups), {{"axis", int64_t{1}}});
  std::vector<std::string> results;
  for (int64_t g = 0; g < groups; ++g) {
    std::vector<std::string> inputs = {parts[static_cast<size_t>(g)],
                                       part_of(nodes, "weight", weights, g, groups)};
    if (has_bias) inputs.push_back(part_of(nodes, "bias", graph.tensor(node.inputs[2]), g, groups));
    results.push_back(nodes.add("Conv", inputs, attributes));
  }
  nodes.add("Concat", results, {{"axis", int64_t{1}}});
  return nodes.finish();
}

}  // namespace shrike::operators
