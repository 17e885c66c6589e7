#include "toolchain/train/yolo11.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/heads/head.h"
#include "toolchain/operators/affine.h"
#include "toolchain/support/error.h"
#include "toolchain/support/random.h"

namespace shrike::train {
namespace {

using graph::Node;
using graph::Shape;

constexpr float kNormEpsilon = 1e-3f;

// Adds layers behind tensors; every function returns the name of its result.
class Builder {
 public:
  explicit Builder(const Yolo11Options& options) : options_(options), random_(options.seed, 0x79303131) {}

  graph::Graph run() {
    if (options_.image_size < 32 || options_.image_size % 32 != 0)
      fail("--imgsz {}: a multiple of 32 was expected", options_.image_size);
    if (options_.bins < 2) fail("--reg-max {}: at least 2 bins were expected", options_.bins);
    if (options_.classes < 1) fail("a detector needs at least one class");
    graph_.name = "yolo11";
    graph_.inputs = {"images"};
    graph::Tensor& images = graph_.tensors["images"];
    images.name = "images";
    images.shape = {1, 3, options_.image_size, options_.image_size};
    channels_["images"] = 3;
    layers();
    graph::infer_shapes(graph_);
    graph::make_attributes_explicit(graph_);
    graph::infer_shapes(graph_);
    graph::check(graph_);
    return std::move(graph_);
  }

 private:
  int64_t scaled(int64_t channels) const {
    const double wanted = static_cast<double>(std::min(channels, options_.max_channels)) * options_.width;
    return 8 * static_cast<int64_t>(std::ceil(wanted / 8));
  }
  int repeated(int repeats) const {
    return std::max(1, static_cast<int>(std::nearbyint(repeats * options_.depth)));
  }

  std::string add(const std::string& op, const std::string& name, std::vector<std::string> inputs,
                  int64_t channels, std::map<std::string, graph::Attribute> attributes = {}) {
    const std::string output = name + "_output";
    graph_.tensors[output].name = output;
    graph_.nodes.push_back({name, op, std::move(inputs), {output}, std::move(attributes)});
    channels_[output] = channels;
    return output;
  }

  std::string constant(const std::string& name, Shape shape, std::vector<float> values) {
    graph::Tensor& tensor = graph_.tensors[name];
    tensor.name = name;
    tensor.shape = std::move(shape);
    tensor.constant = true;
    tensor.values = std::move(values);
    return name;
  }

  // The published networks start from PyTorch's default: uniform within 1 / sqrt(fan in).
  std::vector<float> uniform(int64_t count, int64_t fan_in) {
    const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = static_cast<float>(random_.uniform(-bound, bound));
    return values;
  }

  std::string convolution(const std::string& name, const std::string& input, int64_t outputs, int64_t kernel,
                          int64_t stride, int64_t groups, std::vector<float> bias = {}) {
    const int64_t inputs = channels_.at(input) / groups, taps = inputs * kernel * kernel, pad = kernel / 2;
    std::vector<std::string> operands = {
        input, constant(name + ".weight", {outputs, inputs, kernel, kernel}, uniform(outputs * taps, taps))};
    if (!bias.empty()) operands.push_back(constant(name + ".bias", {outputs}, std::move(bias)));
    return add("Conv", name, std::move(operands), outputs,
               {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                {"strides", std::vector<int64_t>{stride, stride}},
                {"pads", std::vector<int64_t>{pad, pad, pad, pad}},
                {"dilations", std::vector<int64_t>{1, 1}},
                {"group", groups}});
  }

  // Convolution, normalisation and, unless switched off, x * sigmoid(x).
  enum class Activation { kSwish, kNone };
  std::string conv(const std::string& name, const std::string& input, int64_t outputs, int64_t kernel = 1,
                   int64_t stride = 1, int64_t groups = 1, Activation activation = Activation::kSwish) {
    const std::string raw = convolution(name + ".conv", input, outputs, kernel, stride, groups);
    const auto filled = [&](const char* what, float value) {
      return constant(name + ".bn." + what, {outputs},
                      std::vector<float>(static_cast<size_t>(outputs), value));
    };
    const std::string normal = add(
        "BatchNormalization", name + ".bn",
        {raw, filled("weight", 1), filled("bias", 0), filled("running_mean", 0), filled("running_var", 1)},
        outputs, {{"epsilon", kNormEpsilon}});
    return activation == Activation::kSwish ? add("Swish", name + ".act", {normal}, outputs) : normal;
  }
  std::string depthwise(const std::string& name, const std::string& input, int64_t kernel) {
    const int64_t channels = channels_.at(input);
    return conv(name, input, channels, kernel, 1, channels);
  }

  std::string sum(const std::string& name, const std::string& a, const std::string& b) {
    return add("Add", name, {a, b}, channels_.at(a));
  }
  std::string concat(const std::string& name, std::vector<std::string> parts) {
    int64_t channels = 0;
    for (const std::string& part : parts) channels += channels_.at(part);
    return add("Concat", name, std::move(parts), channels, {{"axis", int64_t{1}}});
  }
  std::vector<std::string> split(const std::string& name, const std::string& input,
                                 std::vector<int64_t> sizes, int64_t axis) {
    Node node{name, "Split", {input}, {}, {{"axis", axis}}};
    for (size_t i = 0; i < sizes.size(); ++i) {
      node.outputs.push_back(fmt::format("{}_output_{}", name, i));
      graph_.tensors[node.outputs.back()].name = node.outputs.back();
      channels_[node.outputs.back()] = sizes[i];
    }
    const auto count = static_cast<int64_t>(sizes.size());
    node.inputs.push_back(graph::add_constant(graph_, name + "/split", {count}, std::move(sizes)));
    graph_.nodes.push_back(node);
    return node.outputs;
  }

  std::string bottleneck(const std::string& name, const std::string& input, int64_t channels, double ratio) {
    const auto hidden = static_cast<int64_t>(static_cast<double>(channels) * ratio);
    const std::string inner = conv(name + ".cv1", input, hidden, 3);
    return sum(name + ".add", input, conv(name + ".cv2", inner, channels, 3));
  }

  std::string c3k(const std::string& name, const std::string& input, int64_t channels) {
    std::string chain = conv(name + ".cv1", input, channels / 2);
    const std::string beside = conv(name + ".cv2", input, channels / 2);
    for (int i = 0; i < 2; ++i) chain = bottleneck(fmt::format("{}.m.{}", name, i), chain, channels / 2, 1.0);
    return conv(name + ".cv3", concat(name + ".concat", {chain, beside}), channels);
  }

  std::string c3k2(const std::string& name, const std::string& input, int64_t nominal, double ratio,
                   bool deep) {
    const int64_t channels = scaled(nominal);
    const auto hidden = static_cast<int64_t>(static_cast<double>(channels) * ratio);
    std::vector<std::string> parts =
        split(name + ".split", conv(name + ".cv1", input, 2 * hidden), {hidden, hidden}, 1);
    for (int i = 0; i < repeated(2); ++i) {
      const std::string block = fmt::format("{}.m.{}", name, i);
      parts.push_back(deep || options_.deep_blocks ? c3k(block, parts.back(), hidden)
                                                   : bottleneck(block, parts.back(), hidden, 0.5));
    }
    return conv(name + ".cv2", concat(name + ".concat", parts), channels);
  }

  std::string sppf(const std::string& name, const std::string& input, int64_t nominal) {
    std::vector<std::string> parts = {conv(name + ".cv1", input, channels_.at(input) / 2)};
    for (int i = 0; i < 3; ++i) {
      parts.push_back(add("MaxPool", fmt::format("{}.m.{}", name, i), {parts.back()}, channels_.at(parts[0]),
                          {{"kernel_shape", std::vector<int64_t>{5, 5}},
                           {"strides", std::vector<int64_t>{1, 1}},
                           {"pads", std::vector<int64_t>{2, 2, 2, 2}}}));
    }
    return conv(name + ".cv2", concat(name + ".concat", parts), scaled(nominal));
  }

  std::string reshape(const std::string& name, const std::string& input, Shape shape, int64_t channels) {
    const auto rank = static_cast<int64_t>(shape.size());
    const std::string target = graph::add_constant(graph_, name + "/shape", {rank}, std::move(shape));
    return add("Reshape", name, {input, target}, channels);
  }

  std::string attention(const std::string& name, const std::string& input, int64_t heads) {
    const int64_t channels = channels_.at(input), head = channels / heads, key = head / 2;
    const int64_t side = options_.image_size / 32, places = side * side;
    const std::string qkv =
        conv(name + ".qkv", input, channels + 2 * key * heads, 1, 1, 1, Activation::kNone);
    const std::vector<std::string> parts =
        split(name + ".split", reshape(name + ".heads", qkv, {1, heads, 2 * key + head, places}, heads),
              {key, key, head}, 2);
    const auto turned = [&](const char* suffix, const std::string& tensor) {
      return add("Transpose", name + suffix, {tensor}, heads, {{"perm", std::vector<int64_t>{0, 1, 3, 2}}});
    };
    const std::string product =
        add("MatMul", name + ".scores", {turned(".query", parts[0]), parts[1]}, heads);
    const float scale = 1 / std::sqrt(static_cast<float>(key));
    const std::string weights =
        add("Softmax", name + ".softmax",
            {add("Mul", name + ".scale", {product, constant(name + ".scale.value", {}, {scale})}, heads)},
            heads, {{"axis", int64_t{3}}});
    const std::string mixed =
        reshape(name + ".mixed", add("MatMul", name + ".mix", {parts[2], turned(".weights", weights)}, heads),
                {1, channels, side, side}, channels);
    const std::string values = reshape(name + ".values", parts[2], {1, channels, side, side}, channels);
    const std::string position = conv(name + ".pe", values, channels, 3, 1, channels, Activation::kNone);
    return conv(name + ".proj", sum(name + ".add", mixed, position), channels, 1, 1, 1, Activation::kNone);
  }

  std::string c2psa(const std::string& name, const std::string& input, int64_t nominal) {
    const int64_t channels = scaled(nominal), hidden = channels / 2;
    const std::vector<std::string> parts =
        split(name + ".split", conv(name + ".cv1", input, 2 * hidden), {hidden, hidden}, 1);
    std::string x = parts[1];
    for (int i = 0; i < repeated(2); ++i) {
      const std::string block = fmt::format("{}.m.{}", name, i);
      x = sum(block + ".add", x, attention(block + ".attn", x, std::max<int64_t>(1, hidden / 64)));
      const std::string wide = conv(block + ".ffn.0", x, 2 * hidden);
      x = sum(block + ".add_1", x, conv(block + ".ffn.1", wide, hidden, 1, 1, 1, Activation::kNone));
    }
    return conv(name + ".cv2", concat(name + ".concat", {parts[0], x}), channels);
  }

  std::string upsample(const std::string& name, const std::string& input) {
    const std::string scales = constant(name + ".scales", {4}, {1, 1, 2, 2});
    return add("Resize", name, {input, "", scales}, channels_.at(input),
               {{"mode", std::string("nearest")},
                {"nearest_mode", std::string("floor")},
                {"coordinate_transformation_mode", std::string("asymmetric")}});
  }

  void output(const std::string& tensor, const std::string& name) {
    graph::rename_tensor(graph_, tensor, name);
    graph_.outputs.push_back(name);
  }

  void head(const std::string& name, const std::vector<std::string>& levels) {
    const auto row = std::find_if(heads::rows().begin(), heads::rows().end(),
                                  [](const heads::Row& candidate) { return candidate.name == "detect"; });
    const int64_t first = channels_.at(levels[0]), bins = options_.bins;
    const int64_t box = std::max({int64_t{16}, first / 4, 4 * bins});
    const int64_t score = std::max(first, std::min<int64_t>(options_.classes, 100));
    for (size_t i = 0; i < levels.size(); ++i) {
      const std::string b = fmt::format("{}.cv2.{}", name, i), s = fmt::format("{}.cv3.{}", name, i);
      const std::vector<std::string> names = heads::level_names(*row, i, 8 << i);
      const std::string boxes = conv(b + ".1", conv(b + ".0", levels[i], box, 3), box, 3);
      output(convolution(b + ".2", boxes, 4 * bins, 1, 1, 1,
                         std::vector<float>(static_cast<size_t>(4 * bins), 2)),
             names[heads::kBox]);
      std::string scores = conv(s + ".0.1", depthwise(s + ".0.0", levels[i], 3), score);
      scores = conv(s + ".1.1", depthwise(s + ".1.0", scores, 3), score);
      // About five objects a level before anything is learnt.
      const double cells = static_cast<double>(options_.image_size) / (8 << i);
      const auto start = static_cast<float>(std::log(5.0 / options_.classes / (cells * cells)));
      output(convolution(s + ".2", scores, options_.classes, 1, 1, 1,
                         std::vector<float>(static_cast<size_t>(options_.classes), start)),
             names[heads::kScore]);
    }
  }

  void layers() {
    std::string x = conv("model.0", "images", scaled(64), 3, 2);
    x = conv("model.1", x, scaled(128), 3, 2);
    x = c3k2("model.2", x, 256, 0.25, false);
    x = conv("model.3", x, scaled(256), 3, 2);
    const std::string stage3 = c3k2("model.4", x, 512, 0.25, false);
    x = conv("model.5", stage3, scaled(512), 3, 2);
    const std::string stage4 = c3k2("model.6", x, 512, 0.5, true);
    x = conv("model.7", stage4, scaled(1024), 3, 2);
    x = c3k2("model.8", x, 1024, 0.5, true);
    x = sppf("model.9", x, 1024);
    const std::string stage5 = c2psa("model.10", x, 1024);
    x = concat("model.12", {upsample("model.11", stage5), stage4});
    const std::string middle = c3k2("model.13", x, 512, 0.5, false);
    x = concat("model.15", {upsample("model.14", middle), stage3});
    const std::string level3 = c3k2("model.16", x, 256, 0.5, false);
    x = concat("model.18", {conv("model.17", level3, scaled(256), 3, 2), middle});
    const std::string level4 = c3k2("model.19", x, 512, 0.5, false);
    x = concat("model.21", {conv("model.20", level4, scaled(512), 3, 2), stage5});
    const std::string level5 = c3k2("model.22", x, 1024, 0.5, true);
    head("model.23", {level3, level4, level5});
  }

  Yolo11Options options_;
  Random random_;
  graph::Graph graph_;
  std::map<std::string, int64_t> channels_;
};

}  // namespace

graph::Graph build_yolo11(const Yolo11Options& options) {
  return Builder(options).run();
}

int64_t parameter_count(const graph::Graph& graph, const Yolo11Options& options) {
  int64_t count = options.bins;  // the projection
  for (const graph::Node& node : graph.nodes) {
    // Running means and variances are no parameters.
    const bool weighted = operators::has_role(node.op, operators::Role::kWeighted);
    const size_t last = operators::is_batch_normalization(node) ? 3 : weighted ? node.inputs.size() : 0;
    for (size_t i = 1; i < last; ++i) count += graph.tensor(node.inputs[i]).elements();
  }
  return count;
}

}  // namespace shrike::train
