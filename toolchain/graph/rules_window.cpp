// Shape rules of operators with a sliding window and of matrix products.
#include "toolchain/graph/inference.h"

namespace shrike::graph {
namespace {

constexpr int64_t kLargestWindow = 1 << 20;  // keeps products of damaged attributes inside 64 bits

void check_entries(const RuleContext& c, const std::vector<int64_t>& list, size_t count, int64_t least,
                   const char* what) {
  if (list.size() != count) c.fail("{} was expected to have {} entries, found {}", what, count, list.size());
  for (const int64_t entry : list) {
    if (entry < least || entry > kLargestWindow)
      c.fail("{} holds {}, {} or more was expected", what, entry, least);
  }
}

int64_t effective(const Window& w, size_t axis) {
  return w.dilations[axis] * (w.kernel[axis] - 1) + 1;
}

// Number of window positions along one axis, ONNX rules.
int64_t positions(const RuleContext& c, const Window& w, size_t axis, int64_t size, int64_t ceil_mode) {
  const size_t spatial = w.kernel.size();
  const int64_t room = size + w.pads[axis] + w.pads[spatial + axis] - effective(w, axis);
  if (room < 0) {
    c.fail("a window of {} does not fit into {} (with padding); is the input size too small?",
           effective(w, axis), size + w.pads[axis] + w.pads[spatial + axis]);
  }
  const int64_t stride = w.strides[axis];
  int64_t count = (room + (ceil_mode != 0 ? stride - 1 : 0)) / stride + 1;
  // A window of ceil_mode may not start in the trailing padding.
  if (ceil_mode != 0 && (count - 1) * stride >= size + w.pads[axis]) --count;
  return count;
}

void need_spatial(const RuleContext& c) {
  if (c.rank(0) < 3) {
    c.fail("an input with batch, channels and at least one spatial axis was expected, found the shape [{}]",
           fmt::join(c.shape(0), ","));
  }
}

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
  const Window window = resolve_window(c, filter_kernel(c));
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
  const Window window = resolve_window(c, filter_kernel(c));
  const Shape& filters = c.shape(1);
  const int64_t groups = c.node.integer("group", 1);
  if (groups < 1 || groups > kLargestWindow || filters[0] != c.shape(0)[1] || filters[0] % groups != 0) {
    c.fail("filters [{}] in {} groups do not fit an input of {} channels", fmt::join(filters, ","), groups,
           c.shape(0)[1]);
  }
  if (c.node.attributes.count("output_shape") > 0) c.fail("the attribute output_shape is not supported");
  if (c.node.text("auto_pad", "NOTSET").starts_with("SAME"))
    c.fail("auto_pad is not supported, export explicit pads");
  check_bias(c, filters[1] * groups);
  const size_t spatial = window.kernel.size();
  const auto extra = c.node.integers("output_padding", std::vector<int64_t>(spatial, 0));
  check_entries(c, extra, spatial, 0, "output_padding");
  Shape result = {c.shape(0)[0], filters[1] * groups};
  for (size_t i = 0; i < spatial; ++i) {
    result.push_back(window.strides[i] * (c.shape(0)[i + 2] - 1) + extra[i] + effective(window, i) -
                     window.pads[i] - window.pads[spatial + i]);
  }
  c.set(std::move(result));
}

void pooling(const RuleContext& c) {
  need_spatial(c);
  const Window window = resolve_window(c, c.node.integers("kernel_shape"));
  Shape result = {c.shape(0)[0], c.shape(0)[1]};
  for (size_t i = 0; i < window.kernel.size(); ++i) {
    result.push_back(positions(c, window, i, c.shape(0)[i + 2], c.node.integer("ceil_mode", 0)));
  }
  c.set(std::move(result));
}

void global_pooling(const RuleContext& c) {
  need_spatial(c);
  Shape result(c.shape(0).size(), 1);
  result[0] = c.shape(0)[0];
  result[1] = c.shape(0)[1];
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
  if (Shape joined; c.has(2) && (!broadcast(result, c.shape(2), &joined) || joined != result)) {
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
                    broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2), &result);
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

}  // namespace

Window resolve_window(const RuleContext& c, const std::vector<int64_t>& kernel) {
  const size_t spatial = c.shape(0).size() - 2;
  Window w;
  w.kernel = kernel;
  w.strides = c.node.integers("strides", std::vector<int64_t>(spatial, 1));
  w.dilations = c.node.integers("dilations", std::vector<int64_t>(spatial, 1));
  w.pads = c.node.integers("pads", std::vector<int64_t>(2 * spatial, 0));
  check_entries(c, w.kernel, spatial, 1, "kernel_shape");
  check_entries(c, w.strides, spatial, 1, "strides");
  check_entries(c, w.dilations, spatial, 1, "dilations");
  check_entries(c, w.pads, 2 * spatial, 0, "pads");
  const std::string mode = c.node.text("auto_pad", "NOTSET");
  if (mode == "NOTSET") return w;
  w.pads.assign(2 * spatial, 0);
  if (mode == "VALID") return w;
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") c.fail("auto_pad '{}' is not supported", mode);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t size = c.shape(0)[i + 2];
    const int64_t count = (size + w.strides[i] - 1) / w.strides[i];
    const int64_t total = std::max<int64_t>(0, (count - 1) * w.strides[i] + effective(w, i) - size);
    const int64_t before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.pads[i] = before;
    w.pads[spatial + i] = total - before;
  }
  return w;
}

const std::map<std::string, Rule>& window_rules() {
  static const std::map<std::string, Rule> rules = {
      {"Conv", convolution},
      {"ConvTranspose", transposed_convolution},
      {"MaxPool", pooling},
      {"AveragePool", pooling},
      {"GlobalAveragePool", global_pooling},
      {"GlobalMaxPool", global_pooling},
      {"Gemm", gemm},
      {"MatMul", matmul},
      {"InsertZeros", insert_zeros},
  };
  return rules;
}

}  // namespace shrike::graph
