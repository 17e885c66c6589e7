// Pools and Resize, and the arithmetic of sliding windows.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/espdl/window.h"
#include "toolchain/graph/inference.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rewrites.h"
#include "toolchain/operators/sliding.h"

namespace shrike::operators {

using graph::RuleContext;
using graph::Shape;

void check_entries(const RuleContext& c, const std::vector<int64_t>& list, size_t count, int64_t least,
                   const char* what) {
  if (list.size() != count) c.fail("{} was expected to have {} entries, found {}", what, count, list.size());
  for (const int64_t entry : list) {
    if (entry < least || entry > kLargestWindow)
      c.fail("{} holds {}, {} or more was expected", what, entry, least);
  }
}

int64_t effective(const graph::Window& w, size_t axis) {
  return w.dilations[axis] * (w.kernel[axis] - 1) + 1;
}

// Number of window positions along one axis, ONNX rules.
int64_t positions(const RuleContext& c, const graph::Window& w, size_t axis, int64_t size,
                  int64_t ceil_mode) {
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

namespace {

void pooling(const RuleContext& c) {
  need_spatial(c);
  const graph::Window window = graph::resolve_window(c, c.node.integers("kernel_shape"));
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

void resize(const RuleContext& c) {
  const size_t rank = c.shape(0).size();
  Shape result = c.shape(0);
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), int64_t{0});
  if (const auto named = c.node.integers("axes"); !named.empty()) axes = c.axes(named, c.rank(0));
  if (c.has(3)) {
    const auto sizes = c.integers(3, "the sizes");
    if (sizes.size() != axes.size()) c.fail("{} sizes were expected, found {}", axes.size(), sizes.size());
    for (size_t i = 0; i < axes.size(); ++i) result[static_cast<size_t>(axes[i])] = sizes[i];
  } else {
    if (!c.has(2)) c.fail("neither scales nor sizes are given");
    const auto scales = c.reals(2, "the scales");
    if (scales.size() != axes.size()) c.fail("{} scales were expected, found {}", axes.size(), scales.size());
    for (size_t i = 0; i < axes.size(); ++i) {
      if (!(scales[i] > 0) || scales[i] > 4096) c.fail("a scale of {} is not sensible", scales[i]);
      int64_t& size = result[static_cast<size_t>(axes[i])];
      size = static_cast<int64_t>(std::floor(static_cast<double>(size) * scales[i]));
    }
  }
  c.set(std::move(result));
}

std::string refuse_pool(const Situation& s) {
  const graph::Shape &input = s.graph.tensor(s.node.inputs[0]).shape,
                     &output = s.graph.tensor(s.node.outputs[0]).shape;
  if (input.size() > 4)
    return fmt::format("an input [{}]; only 1-D and 2-D pools exist on the chip", fmt::join(input, ","));
  for (const int64_t dilation : s.node.integers("dilations")) {
    if (dilation != 1) return fmt::format("dilation {} does not exist for pools on the chip", dilation);
  }
  if (s.node.outputs.size() > 1 && !s.node.outputs[1].empty())
    return "the chip gives no indices of the maxima";
  const bool counts_padding =
      find(s.node.op)->role == Role::kCopy || s.node.integer("count_include_pad", 0) != 0;
  if (counts_padding) return "";
  const espdl::Window window = espdl::window_of(s.node, input, output, s.node.integers("kernel_shape"));
  if (std::any_of(window.pads.begin(), window.pads.end(), [](int64_t pad) { return pad != 0; }))
    return "padded borders are averaged over the whole kernel on the chip; count_include_pad must be 1";
  return "";
}

std::string refuse_resize(const Situation& s) {
  if (std::string reason = resize_obstacle(s.graph, s.node); !reason.empty()) return reason;
  if (s.bits != 8) {
    return fmt::format("{} bits; the chip resizes 8-bit tensors only: give it and its neighbours 8 bits",
                       s.bits);
  }
  return "";
}

void write_out_pool(const RuleContext& c, graph::Node& node) {
  if (node.attributes.contains("kernel_shape"))
    graph::write_out(graph::resolve_window(c, node.integers("kernel_shape")), node);
}

Operator pool(const char* name, Role role, graph::Rule shape,
              void (*lower)(espdl::Builder&, const graph::Node&)) {
  Operator row{.name = name, .role = role, .shape = shape, .layout = Layout::kChannelsLast};
  row.write_out_window = write_out_pool;
  row.stays_on_grid = role == Role::kCopy;
  row.homogeneous = true;
  row.lower = lower;
  row.support = role == Role::kCopy ? kIntegers : kAllTypes;
  row.refuse = refuse_pool;
  row.note = "1-D and 2-D, no dilation";
  return row;
}

Operator resize_row() {
  Operator row{.name = "Resize", .role = Role::kCopy, .shape = resize, .layout = Layout::kChannelsLast};
  row.operands = {Operand::kData, Operand::kPlain};
  row.homogeneous = true;
  row.lower = espdl::lower_resize;
  row.support = {true, false, false};
  row.rewrite = rewrite_resize;
  row.refuse = refuse_resize;
  row.note =
      "nearest of every kind (as Gather where the chip reads other pixels), linear with half_pixel, "
      "align_corners "
      "or asymmetric; any one or two axes";
  return row;
}

Operator global_max_pool() {
  Operator row{.name = "GlobalMaxPool", .shape = global_pooling, .layout = Layout::kChannelsLast};
  row.homogeneous = true;
  row.rewrite = rewrite_global_max_pool;
  row.note = "as ReduceMax over the picture";
  return row;
}

}  // namespace

std::vector<Operator> window_rows() {
  Operator average = pool("GlobalAveragePool", Role::kComputed, global_pooling, espdl::lower_global_pool);
  average.refuse = nullptr;
  average.note = "1-D and 2-D";
  Operator border = pool("AveragePool", Role::kComputed, pooling, espdl::lower_pool);
  border.rewrite = rewrite_average_pool;
  border.note =
      "1-D and 2-D, no dilation; borders that don't count their padding are multiplied by a constant";
  return {
      pool("MaxPool", Role::kCopy, pooling, espdl::lower_pool),
      border,
      average,
      global_max_pool(),
      resize_row(),
  };
}

}  // namespace shrike::operators

namespace shrike::graph {

Window resolve_window(const RuleContext& c, const std::vector<int64_t>& kernel) {
  const size_t spatial = c.shape(0).size() - 2;
  Window w;
  w.kernel = kernel;
  w.strides = c.node.integers("strides", std::vector<int64_t>(spatial, 1));
  w.dilations = c.node.integers("dilations", std::vector<int64_t>(spatial, 1));
  w.pads = c.node.integers("pads", std::vector<int64_t>(2 * spatial, 0));
  operators::check_entries(c, w.kernel, spatial, 1, "kernel_shape");
  operators::check_entries(c, w.strides, spatial, 1, "strides");
  operators::check_entries(c, w.dilations, spatial, 1, "dilations");
  operators::check_entries(c, w.pads, 2 * spatial, 0, "pads");
  const std::string mode = c.node.text("auto_pad", "NOTSET");
  if (mode == "NOTSET") return w;
  w.pads.assign(2 * spatial, 0);
  if (mode == "VALID") return w;
  if (mode != "SAME_UPPER" && mode != "SAME_LOWER") c.fail("auto_pad '{}' is not supported", mode);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t size = c.shape(0)[i + 2];
    const int64_t count = (size + w.strides[i] - 1) / w.strides[i];
    const int64_t total =
        std::max<int64_t>(0, (count - 1) * w.strides[i] + operators::effective(w, i) - size);
    const int64_t before = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.pads[i] = before;
    w.pads[spatial + i] = total - before;
  }
  return w;
}

TransposedWindow resolve_transposed_window(const RuleContext& c, const std::vector<int64_t>& kernel) {
  const size_t spatial = c.shape(0).size() - 2;
  TransposedWindow t{resolve_window(c, kernel), {}};
  Window& w = t.window;
  t.output_padding = c.node.integers("output_padding", std::vector<int64_t>(spatial, 0));
  operators::check_entries(c, t.output_padding, spatial, 0, "output_padding");
  const std::string mode = c.node.text("auto_pad", "NOTSET");
  const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
  const bool given = c.node.attributes.count("output_shape") > 0;
  if (!same && !given) return t;
  std::vector<int64_t> wanted;
  if (given) {
    wanted = c.node.integers("output_shape");
    if (wanted.size() == spatial + 2) wanted.erase(wanted.begin(), wanted.begin() + 2);
    operators::check_entries(c, wanted, spatial, 1, "output_shape");
  }
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t size = c.shape(0)[i + 2];
    const int64_t all = w.strides[i] * (size - 1) + t.output_padding[i] + operators::effective(w, i);
    const int64_t surplus = all - (given ? wanted[i] : size * w.strides[i]);
    const int64_t total = std::max<int64_t>(0, surplus);
    t.output_padding[i] += total - surplus;
    w.pads[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.pads[spatial + i] = total - w.pads[i];
  }
  return t;
}

void write_out(const Window& window, Node& node) {
  node.attributes.erase("auto_pad");
  node.attributes["kernel_shape"] = window.kernel;
  node.attributes["strides"] = window.strides;
  node.attributes["dilations"] = window.dilations;
  node.attributes["pads"] = window.pads;
}

}  // namespace shrike::graph
