// Convolutions and matrix products: sums of products, filters, biases.
#include <algorithm>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rewrites.h"
#include "toolchain/operators/sliding.h"

namespace shrike::operators {
namespace {

using graph::RuleContext;
using graph::Shape;
using graph::Tensor;

void check_bias(const RuleContext& c, int64_t channels) {
  if (c.has(2) && c.shape(2) != Shape{channels}) {
    c.fail("a bias of {} values was expected, found the shape [{}]", channels, fmt::join(c.shape(2), ","));
  }
}

std::vector<int64_t> filter_kernel(const RuleContext& c) {
  if (c.rank(1) != c.rank(0)) {
    c.fail("filters of rank {} were expected, found the shape [{}]", c.rank(0), fmt::join(c.shape(1), ","));
  }
  const std::vector<int64_t> kernel(c.shape(1).begin() + 2, c.shape(1).end());
  if (const auto stated = c.node.integers("kernel_shape"); !stated.empty() && stated != kernel) {
    c.fail("kernel_shape [{}] differs from the filters' [{}]", fmt::join(stated, ","),
           fmt::join(kernel, ","));
  }
  return kernel;
}

void convolution(const RuleContext& c) {
  need_spatial(c);
  const graph::Window window = graph::resolve_window(c, filter_kernel(c));
  const Shape& filters = c.shape(1);
  const int64_t groups = c.node.integer("group", 1);
  if (groups < 1 || filters[0] % groups != 0 || groups > c.shape(0)[1] ||
      filters[1] * groups != c.shape(0)[1]) {
    c.fail("filters [{}] in {} groups do not fit an input of {} channels", fmt::join(filters, ","), groups,
           c.shape(0)[1]);
  }
  check_bias(c, filters[0]);
  Shape result = {c.shape(0)[0], filters[0]};
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    result.push_back(positions(c, window, i, c.shape(0)[i + 2], 0));
  }
  c.set(std::move(result));
}

void transposed_convolution(const RuleContext& c) {
  need_spatial(c);
  const auto [window, extra] = graph::resolve_transposed_window(c, filter_kernel(c));
  const Shape& filters = c.shape(1);
  const int64_t groups = c.node.integer("group", 1);
  if (groups < 1 || groups > kLargestWindow || filters[0] != c.shape(0)[1] || filters[0] % groups != 0) {
    c.fail("filters [{}] in {} groups do not fit an input of {} channels", fmt::join(filters, ","), groups,
           c.shape(0)[1]);
  }
  check_bias(c, filters[1] * groups);
  const size_t spatial = window.kernel.size();
  Shape result = {c.shape(0)[0], filters[1] * groups};
  for (size_t i = 0; i < spatial; ++i) {
    result.push_back(window.strides[i] * (c.shape(0)[i + 2] - 1) + extra[i] + effective(window, i) -
                     window.pads[i] - window.pads[spatial + i]);
  }
  c.set(std::move(result));
}

void gemm(const RuleContext& c) {
  if (c.rank(0) != 2 || c.rank(1) != 2) c.fail("two matrices were expected");
  const bool a_transposed = c.node.integer("transA", 0) != 0;
  const bool b_transposed = c.node.integer("transB", 0) != 0;
  const int64_t rows = c.shape(0)[a_transposed ? 1 : 0];
  const int64_t columns = c.shape(1)[b_transposed ? 0 : 1];
  if (c.shape(0)[a_transposed ? 0 : 1] != c.shape(1)[b_transposed ? 1 : 0]) {
    c.fail("matrices [{}] and [{}] do not go together", fmt::join(c.shape(0), ","),
           fmt::join(c.shape(1), ","));
  }
  Shape result = {rows, columns};
  if (Shape joined; c.has(2) && (!graph::broadcast(result, c.shape(2), &joined) || joined != result)) {
    c.fail("a bias of the shape [{}] does not fit [{}]", fmt::join(c.shape(2), ","), fmt::join(result, ","));
  }
  c.set(std::move(result));
}

void matmul(const RuleContext& c) {
  Shape a = c.shape(0);
  Shape b = c.shape(1);
  if (a.empty() || b.empty()) c.fail("two matrices were expected, found a scalar");
  const bool vector_a = a.size() == 1;
  const bool vector_b = b.size() == 1;
  if (vector_a) a.insert(a.begin(), 1);
  if (vector_b) b.push_back(1);
  Shape result;
  const bool fits = a.back() == b[b.size() - 2] &&
                    graph::broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2), &result);
  if (!fits) {
    c.fail("matrices [{}] and [{}] do not go together", fmt::join(c.shape(0), ","),
           fmt::join(c.shape(1), ","));
  }
  if (!vector_a) result.push_back(a[a.size() - 2]);
  if (!vector_b) result.push_back(b.back());
  c.set(std::move(result));
}

// Espressif's helper of transposed convolutions: zeros between the pixels (spec/espdl-format.md section 8).
void insert_zeros(const RuleContext& c) {
  need_spatial(c);
  const size_t spatial = c.shape(0).size() - 2;
  const auto stride = c.node.integers("stride", std::vector<int64_t>(spatial, 1));
  const auto extra = c.node.integers("output_padding", std::vector<int64_t>(spatial, 0));
  check_entries(c, stride, spatial, 1, "stride");
  check_entries(c, extra, spatial, 0, "output_padding");
  Shape result = c.shape(0);
  for (size_t i = 0; i < spatial; ++i) result[i + 2] = stride[i] * (result[i + 2] - 1) + 1 + extra[i];
  c.set(std::move(result));
}

std::string refuse_filter(const Situation& s, size_t least_rank, size_t most_rank) {
  const Tensor& weights = s.graph.tensor(s.node.inputs[1]);
  if (!weights.constant)
    return fmt::format("filter '{}' is not constant; write the product as a MatMul", weights.name);
  if (weights.shape.size() < least_rank || weights.shape.size() > most_rank) {
    return fmt::format("filter '{}' has rank {}; only 1-D and 2-D convolutions exist on the chip",
                       weights.name, weights.shape.size());
  }
  const int64_t outputs = filter_layout(s.node, weights.shape).outputs;
  if (s.node.inputs.size() > 2 && !s.node.inputs[2].empty()) {
    const Tensor& bias = s.graph.tensor(s.node.inputs[2]);
    if (!bias.constant || bias.elements() != outputs) {
      return fmt::format("bias '{}' must be a constant with {} elements, found {}", bias.name, outputs,
                         bias.elements());
    }
  }
  return "";
}

std::string refuse_convolution(const Situation& s) {
  if (const std::string reason = refuse_filter(s, 3, 4); !reason.empty()) return reason;
  const Shape& weights = s.graph.tensor(s.node.inputs[1]).shape;
  const int64_t group = s.node.integer("group", 1), channels = s.graph.tensor(s.node.inputs[0]).shape.at(1);
  const int64_t outputs = filter_layout(s.node, weights).outputs;
  if (group != 1 && (group != channels || outputs != channels)) {
    return fmt::format(
        "group {} with {} input and {} output channels; the chip has only group 1 and group = input channels "
        "= "
        "output channels",
        group, channels, outputs);
  }
  return "";
}

std::string refuse_gemm(const Situation& s) {
  if (const std::string reason = refuse_filter(s, 2, 2); !reason.empty()) return reason;
  const float alpha = s.node.real("alpha", 1.0f), beta = s.node.real("beta", 1.0f);
  if (alpha == 1.0f && beta == 1.0f) return "";
  return fmt::format("alpha {} and beta {} must be 1; multiply them into filter and bias first", alpha, beta);
}

std::string refuse_matmul(const Situation& s) {
  const size_t left = s.graph.tensor(s.node.inputs[0]).shape.size(),
               right = s.graph.tensor(s.node.inputs[1]).shape.size();
  if (left == 1 && right == 1) return "the product of two vectors has no axis; give one of them a second";
  if (left <= 4 && right <= 4) return "";
  return fmt::format("operands have ranks {} and {}; the chip multiplies up to rank 4", left, right);
}

void write_out_convolution(const RuleContext& c, graph::Node& node) {
  graph::write_out(graph::resolve_window(c, filter_kernel(c)), node);
  node.attributes.emplace("group", int64_t{1});
}

void write_out_transposed(const RuleContext& c, graph::Node& node) {
  const auto [window, output_padding] = graph::resolve_transposed_window(c, filter_kernel(c));
  graph::write_out(window, node);
  node.attributes["output_padding"] = output_padding;
  node.attributes.erase("output_shape");
  node.attributes.emplace("group", int64_t{1});
}

Operator weighted(const char* name, graph::Rule shape,
                  void (*lower)(espdl::Builder&, const graph::Node&, const graph::Node*)) {
  Operator row{.name = name, .role = Role::kWeighted, .shape = shape, .layout = Layout::kChannelsLast};
  row.operands = {Operand::kData, Operand::kFilter, Operand::kBias};
  row.lower_with_relu = lower;
  row.support = kIntegers;
  row.refuse = refuse_convolution;
  return row;
}

Operator conv_transpose() {
  Operator row = weighted("ConvTranspose", transposed_convolution, espdl::lower_conv_transpose);
  row.write_out_window = write_out_transposed;
  row.becomes = "Conv";
  row.rewrite = rewrite_transposed_convolution;
  row.note = "as InsertZeros and Conv; 1-D and 2-D, constant filters";
  return row;
}

Operator conv() {
  Operator row = weighted("Conv", convolution, espdl::lower_conv);
  row.write_out_window = write_out_convolution;
  row.rewrite = rewrite_grouped_convolution;
  row.note =
      "1-D and 2-D, constant filters; groups other than 1 and channels as one filter with zeros, or apart";
  return row;
}

Operator gemm_row() {
  Operator row = weighted("Gemm", gemm, espdl::lower_gemm);
  row.layout = Layout::kLogical;
  row.refuse = refuse_gemm;
  row.rewrite = rewrite_gemm;
  row.note = "constant filters";
  return row;
}

Operator matmul_row() {
  Operator row{.name = "MatMul", .role = Role::kMatrix, .shape = matmul, .layout = Layout::kLogical};
  row.lower_with_relu = espdl::lower_matmul;
  row.support = kIntegers;
  row.refuse = refuse_matmul;
  row.note = "up to 4 axes";
  return row;
}

Operator insert_zeros_row() {
  Operator row{
      .name = "InsertZeros", .role = Role::kCopy, .shape = insert_zeros, .layout = Layout::kChannelsLast};
  row.stays_on_grid = true;
  row.lower = espdl::lower_insert_zeros;
  row.support = kIntegers;
  row.note = "half of a transposed convolution";
  return row;
}

}  // namespace

FilterLayout filter_layout(const graph::Node& node, const Shape& filters) {
  const int64_t total = graph::element_count(filters);
  FilterLayout layout;
  if (output_channel_axis(node) == 0) {  // [N, ...]
    layout.outputs = layout.inner = filters.at(0);
    layout.taps = total / std::max<int64_t>(1, layout.outputs);
    layout.output_step = layout.kernel = layout.taps;
    layout.inputs = filters.size() > 1 ? filters[1] : 1;
    return layout;
  }
  if (find(node.op)->layout == Layout::kLogical) {  // a matrix [..., C, N]
    layout.outputs = layout.inner = filters.back();
    layout.taps = total / std::max<int64_t>(1, layout.outputs);
    layout.channel_step = layout.outputs;
    layout.inputs = layout.taps;
    return layout;
  }
  // [C, N / group, kernel...]
  const int64_t groups = node.integer("group", 1);
  layout.inner = filters.at(1);
  layout.outputs = layout.inner * groups;
  layout.taps = total / std::max<int64_t>(1, layout.outputs);
  layout.kernel = total / std::max<int64_t>(1, filters[0] * filters[1]);
  layout.inputs = filters[0] / groups;
  layout.output_step = layout.kernel;
  layout.channel_step = layout.inner * layout.kernel;
  layout.group_step = filters[0] / groups * layout.channel_step;
  return layout;
}

int64_t output_channel_axis(const graph::Node& node) {
  if (node.op == "ConvTranspose") return 1;
  if (node.op == "Gemm") return node.integer("transB", 0) != 0 ? 0 : 1;
  return has_role(node.op, Role::kMatrix) ? 1 : 0;
}

std::vector<Operator> weighted_rows() {
  return {conv(), conv_transpose(), gemm_row(), matmul_row(), insert_zeros_row()};
}

}  // namespace shrike::operators
