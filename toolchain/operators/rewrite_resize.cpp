// Resize: what the chip computes (spec/numerics.md section 12), and the other kinds in terms of that.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/operators/replacement.h"
#include "toolchain/operators/rewrites.h"

namespace shrike::operators {
namespace {

using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using Ints = std::vector<int64_t>;

constexpr const char* kTransforms[] = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                       "align_corners", "asymmetric",           "tf_half_pixel_for_nn"};

std::string mode_of(const Node& node) {
  return node.text("mode", "nearest");
}
std::string transform_of(const Node& node) {
  return node.text("coordinate_transformation_mode", "half_pixel");
}

struct Axis {
  int64_t in = 1, out = 1;
  double scale = 1;

  // The size is the scale's to the pixel.
  bool is_whole() const {
    return std::abs(scale * static_cast<double>(in) - static_cast<double>(out)) < 1e-3;
  }
};

Axis axis_of(const Graph& graph, const Node& node, size_t i) {
  Axis axis{graph.tensor(node.inputs[0]).shape[i], graph.tensor(node.outputs[0]).shape[i]};
  axis.scale = static_cast<double>(axis.out) / static_cast<double>(axis.in);
  const bool by_sizes = node.inputs.size() > 3 && !node.inputs[3].empty();
  if (by_sizes || node.inputs.size() < 3 || node.inputs[2].empty()) return axis;
  const Tensor& scales = graph.tensor(node.inputs[2]);
  if (scales.constant && i < scales.values.size()) axis.scale = static_cast<double>(scales.values[i]);
  return axis;
}

std::vector<size_t> changed_axes(const Graph& graph, const Node& node) {
  const Shape &from = graph.tensor(node.inputs[0]).shape, &to = graph.tensor(node.outputs[0]).shape;
  std::vector<size_t> changed;
  for (size_t i = 0; i < from.size(); ++i) {
    if (from[i] != to[i]) changed.push_back(i);
  }
  return changed;
}

// ONNX: the place in the input, in pixels, that an output pixel stands for.
double source(const Axis& axis, int64_t position, const std::string& transform) {
  const auto in = static_cast<double>(axis.in), out = static_cast<double>(axis.out),
             o = static_cast<double>(position);
  if (transform == "asymmetric") return o / axis.scale;
  if (transform == "align_corners") return axis.out > 1 ? o * (in - 1) / (out - 1) : 0;
  if (transform == "tf_half_pixel_for_nn") return (o + 0.5) / axis.scale;
  if (transform == "pytorch_half_pixel" && axis.out == 1) return 0;
  const double middle = (o + 0.5) / axis.scale - 0.5;
  return transform == "half_pixel_symmetric" ? middle + (in - out / axis.scale) / 2 : middle;
}

int64_t nearest(double place, const std::string& rounding) {
  if (rounding == "floor") return static_cast<int64_t>(std::floor(place));
  if (rounding == "ceil") return static_cast<int64_t>(std::ceil(place));
  if (rounding == "round_prefer_ceil") return static_cast<int64_t>(std::floor(place + 0.5));
  return static_cast<int64_t>(std::ceil(place - 0.5));  // round_prefer_floor
}

Ints pixels_read(const Axis& axis, const Node& node) {
  const std::string transform = transform_of(node),
                    rounding = node.text("nearest_mode", "round_prefer_floor");
  Ints pixels;
  for (int64_t o = 0; o < axis.out; ++o)
    pixels.push_back(std::clamp<int64_t>(nearest(source(axis, o, transform), rounding), 0, axis.in - 1));
  return pixels;
}

// Rule RN: floor(o / scale) whatever the attributes say.
Ints pixels_of_chip(const Axis& axis) {
  const float inverse = 1.0f / static_cast<float>(axis.scale);
  Ints pixels;
  for (int64_t o = 0; o < axis.out; ++o)
    pixels.push_back(
        std::min(static_cast<int64_t>(std::floor(static_cast<float>(o) * inverse)), axis.in - 1));
  return pixels;
}

bool is_picture(const Shape& shape) {
  return shape.size() == 3 || shape.size() == 4;
}

// Only axes that the chip resizes: behind batch and channels.
bool is_in_place(const Graph& graph, const Node& node, const std::vector<size_t>& changed) {
  return is_picture(graph.tensor(node.outputs[0]).shape) &&
         std::all_of(changed.begin(), changed.end(), [](size_t axis) { return axis >= 2; });
}

Nodes gather_pixels(Graph& graph, const Node& node) {
  const std::vector<size_t> changed = changed_axes(graph, node);
  bool same_on_chip = is_in_place(graph, node, changed);
  std::vector<Ints> pixels;
  for (const size_t i : changed) {
    const Axis axis = axis_of(graph, node, i);
    pixels.push_back(pixels_read(axis, node));
    same_on_chip = same_on_chip && pixels.back() == pixels_of_chip(axis);
  }
  if (same_on_chip) return {};
  Replacement nodes(graph, node);
  std::string result = node.inputs[0];
  for (size_t k = 0; k < changed.size(); ++k) {
    result = nodes.add("Gather", {result, nodes.constant("pixels", pixels[k])},
                       {{"axis", static_cast<int64_t>(changed[k])}});
  }
  return nodes.finish();
}

std::string shaped(Replacement& nodes, const std::string& x, const Shape& shape) {
  return nodes.add("Reshape", {x, nodes.constant("shape", shape)});
}

// Other axes than a picture's: they become the last ones of [1, the others, ...] and go back.
Nodes turn_to_picture(Graph& graph, const Node& node, const std::vector<size_t>& changed) {
  const Shape from = graph.tensor(node.inputs[0]).shape, to = graph.tensor(node.outputs[0]).shape;
  Ints perm;
  for (size_t i = 0; i < from.size(); ++i) {
    if (std::find(changed.begin(), changed.end(), i) == changed.end())
      perm.push_back(static_cast<int64_t>(i));
  }
  int64_t others = 1;
  for (const int64_t axis : perm) others *= from[static_cast<size_t>(axis)];
  Shape picture = {1, others}, resized = {1, others}, turned;
  for (const size_t axis : changed) {
    perm.push_back(static_cast<int64_t>(axis));
    picture.push_back(from[axis]);
    resized.push_back(to[axis]);
  }
  Ints back(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
    turned.push_back(to[static_cast<size_t>(perm[i])]);
  }
  Replacement nodes(graph, node);
  std::string x = shaped(nodes, nodes.add("Transpose", {node.inputs[0]}, {{"perm", perm}}), picture);
  x = nodes.add("Resize", {x, "", "", nodes.constant("sizes", resized)}, node.attributes);
  nodes.add("Transpose", {shaped(nodes, x, turned)}, {{"perm", back}});
  return nodes.finish();
}

// Output o lies at o / scale. With one pixel more at the end of input and output the corners are that far
// apart, too, and align_corners says the same; ONNX repeats the last pixel behind the end.
Nodes align_longer(Graph& graph, const Node& node, const std::vector<size_t>& changed) {
  const Shape to = graph.tensor(node.outputs[0]).shape;
  Ints pads(2 * to.size(), 0), sizes = to, axes, starts, ends;
  for (const size_t axis : changed) {
    pads[to.size() + axis] = 1;
    sizes[axis] = to[axis] + 1;
    axes.push_back(static_cast<int64_t>(axis));
    starts.push_back(0);
    ends.push_back(to[axis]);
  }
  Replacement nodes(graph, node);
  const std::string longer =
      nodes.add("Pad", {node.inputs[0], nodes.constant("pads", pads)}, {{"mode", std::string("edge")}});
  const std::string resized = nodes.add(
      "Resize", {longer, "", "", nodes.constant("sizes", sizes)},
      {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("align_corners")}});
  nodes.add("Slice", {resized, nodes.constant("starts", starts), nodes.constant("ends", ends),
                      nodes.constant("axes", axes)});
  return nodes.finish();
}

}  // namespace

std::string resize_obstacle(const Graph& graph, const Node& node) {
  const std::string mode = mode_of(node), transform = transform_of(node);
  const Shape& output = graph.tensor(node.outputs[0]).shape;
  const std::vector<size_t> changed = changed_axes(graph, node);
  if (mode != "nearest" && mode != "linear") {
    return fmt::format(
        "mode '{}' does not exist on the chip; export it as linear with half_pixel or align_corners, or "
        "learn a "
        "ConvTranspose",
        mode);
  }
  if (std::find(std::begin(kTransforms), std::end(kTransforms), transform) == std::end(kTransforms)) {
    return fmt::format("{} coordinates do not exist on the chip; cut with Slice and resize with half_pixel",
                       transform);
  }
  if (node.integer("antialias", 0) != 0) {
    for (const size_t i : changed) {
      if (const Axis axis = axis_of(graph, node, i); axis.out < axis.in)
        return fmt::format(
            "antialiasing from {} to {} does not exist on the chip; use AveragePool, or export with "
            "antialias off",
            axis.in, axis.out);
    }
  }
  if (mode == "nearest") {
    for (const size_t i : changed) {
      if (const Axis axis = axis_of(graph, node, i); pixels_read(axis, node) != pixels_of_chip(axis))
        return "the chip reads other pixels; use nearest with asymmetric coordinates and floor";
    }
  }
  if (!is_in_place(graph, node, changed)) {
    return fmt::format(
        "axes [{}] of [{}] change; the chip resizes the last one or two axes of [N, C, W] and "
        "[N, C, H, W]: put a Transpose and a Reshape around it",
        fmt::join(changed, ","), fmt::join(output, ","));
  }
  if (mode == "nearest" || changed.empty()) return "";
  for (const size_t i : changed) {
    const Axis axis = axis_of(graph, node, i);
    if (transform == "half_pixel" || (transform == "half_pixel_symmetric" && axis.is_whole())) continue;
    if ((transform == "align_corners" || transform == "pytorch_half_pixel") && axis.out > 1) continue;
    return fmt::format(
        "linear with {} coordinates and scale {:.6g} from {} to {} does not exist on the chip; give sizes in "
        "place "
        "of scales, or use half_pixel or align_corners",
        transform, axis.scale, axis.in, axis.out);
  }
  return "";
}

Nodes rewrite_resize(Graph& graph, const Node& node) {
  const std::string mode = mode_of(node), transform = transform_of(node);
  const std::vector<size_t> changed = changed_axes(graph, node);
  const bool known =
      std::find(std::begin(kTransforms), std::end(kTransforms), transform) != std::end(kTransforms);
  if (changed.empty() || !known) return {};
  if (mode == "nearest") return gather_pixels(graph, node);
  if (mode != "linear") return {};
  // One pixel is the first one, as with asymmetric coordinates.
  const bool first_pixel =
      (transform == "pytorch_half_pixel" || transform == "align_corners") &&
      std::all_of(changed.begin(), changed.end(), [&](size_t i) { return axis_of(graph, node, i).out == 1; });
  const bool whole = std::all_of(changed.begin(), changed.end(),
                                 [&](size_t i) { return axis_of(graph, node, i).is_whole(); });
  if (!is_in_place(graph, node, changed))
    return whole && changed.size() <= 2 ? turn_to_picture(graph, node, changed) : Nodes{};
  if (first_pixel || (transform == "asymmetric" && whole)) return align_longer(graph, node, changed);
  return {};
}

}  // namespace shrike::operators
