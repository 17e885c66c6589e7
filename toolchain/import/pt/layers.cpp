// The plain modules of torch.nn.
#include "toolchain/import/pt/layers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "toolchain/support/model_limits.h"

namespace shrike::graph::pt {

std::string Layers::node_name(const Module& module, const std::string& op) {
  // "model.2.m.0.cv1" is named "/model.2/m/m.0/cv1": an index keeps the name of its list in front.
  std::string name, list;
  size_t from = 0;
  const std::string& path = module.path();
  while (from <= path.size()) {
    const size_t to = std::min(path.find('.', from), path.size());
    const std::string part = path.substr(from, to - from);
    const bool is_index =
        !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (is_index) {
      // Layers of the network itself: "/model.2", without "/model" in front.
      list += "." + part;
      name = (name == "/model" ? "" : name) + "/" + list;
    } else {
      list = part;
      name += "/" + part;
    }
    from = to + 1;
  }
  return name + "/" + op;
}

std::string Layers::node(const Module& module, const std::string& op, std::vector<std::string> inputs,
                         Attributes attributes) {
  return writer_.node(op, node_name(module, op), std::move(inputs), std::move(attributes));
}

std::string Layers::constant(const Module& module, const std::string& name, Weights weights) {
  return writer_.constant(module.path() + "." + name, std::move(weights.shape), std::move(weights.values));
}

std::string Layers::concat(const Module& module, std::vector<std::string> xs, int64_t axis) {
  return node(module, "Concat", std::move(xs), {{"axis", axis}});
}

std::string Layers::add(const Module& module, const std::string& a, const std::string& b) {
  return node(module, "Add", {a, b});
}

std::vector<std::string> Layers::halves(const Module& module, const std::string& x) {
  const int64_t c = module.integer("c");
  const std::string sizes = writer_.integers(node_name(module, "Split") + "/split", {c, c});
  return writer_.node("Split", node_name(module, "Split"), {x, sizes}, {{"axis", int64_t{1}}}, 2);
}

std::string Layers::sequence(const Module& module, std::string x) {
  for (const Module& child : module.children()) x = run(child, x);
  return x;
}

std::string Layers::convolution(const Module& m, const std::string& x) {
  if (m.text("padding_mode", "zeros") != "zeros") m.refuse("padding with zeros was expected");
  Weights weight = m.weights("weight");
  const size_t spatial = weight.shape.size() < 3 ? 2 : weight.shape.size() - 2;
  Attributes attributes = {{"strides", m.integers("stride", spatial)},
                           {"dilations", m.integers("dilation", spatial)},
                           {"group", m.integer("groups")}};
  if (weight.shape.size() >= 3)
    attributes["kernel_shape"] = std::vector<int64_t>(weight.shape.begin() + 2, weight.shape.end());
  if (const std::string padding = m.text("padding", ""); !padding.empty()) {
    if (padding != "same" && padding != "valid") m.refuse("a padding of '{}' is not known", padding);
    attributes["auto_pad"] = std::string(padding == "same" ? "SAME_UPPER" : "VALID");
  } else {
    std::vector<int64_t> pads = m.integers("padding", spatial);
    pads.insert(pads.end(), pads.begin(), pads.begin() + static_cast<int64_t>(spatial));
    attributes["pads"] = std::move(pads);
  }
  std::vector<std::string> inputs = {x, constant(m, "weight", std::move(weight))};
  if (auto bias = m.find_weights("bias")) inputs.push_back(constant(m, "bias", std::move(*bias)));
  return node(m, "Conv", std::move(inputs), std::move(attributes));
}

std::string Layers::transposed_convolution(const Module& m, const std::string& x) {
  Weights weight = m.weights("weight");
  std::vector<int64_t> pads = m.integers("padding", 2);
  pads.insert(pads.end(), pads.begin(), pads.begin() + 2);
  Attributes attributes = {{"strides", m.integers("stride", 2)},
                           {"dilations", m.integers("dilation", 2)},
                           {"group", m.integer("groups")},
                           {"pads", std::move(pads)},
                           {"output_padding", m.integers("output_padding", 2)}};
  std::vector<std::string> inputs = {x, constant(m, "weight", std::move(weight))};
  if (auto bias = m.find_weights("bias")) inputs.push_back(constant(m, "bias", std::move(*bias)));
  return node(m, "ConvTranspose", std::move(inputs), std::move(attributes));
}

std::string Layers::batch_norm(const Module& m, const std::string& x) {
  const double epsilon = m.real("eps");
  Weights mean = m.weights("running_mean"), variance = m.weights("running_var");
  for (const float value : variance.values) {
    if (static_cast<double>(value) + epsilon <= 0)
      m.refuse("a variance of {} with an epsilon of {} has no root", value, epsilon);
  }
  const auto or_all = [&](const char* name, float value) {
    auto found = m.find_weights(name);
    return found ? std::move(*found) : Weights{mean.shape, std::vector<float>(mean.values.size(), value)};
  };
  Weights gamma = or_all("weight", 1), beta = or_all("bias", 0);
  return node(m, "BatchNormalization",
              {x, constant(m, "weight", std::move(gamma)), constant(m, "bias", std::move(beta)),
               constant(m, "running_mean", std::move(mean)), constant(m, "running_var", std::move(variance))},
              {{"epsilon", static_cast<float>(epsilon)}});
}

std::string Layers::activation(const Module& m, const std::string& x) {
  const std::string kind = m.kind();
  if (kind == "SiLU") return node(m, "Mul", {x, node(m, "Sigmoid", {x})});
  if (kind == "LeakyReLU")
    return node(m, "LeakyRelu", {x}, {{"alpha", static_cast<float>(m.real("negative_slope"))}});
  if (kind == "ELU") return node(m, "Elu", {x}, {{"alpha", static_cast<float>(m.real("alpha"))}});
  if (kind == "GELU") return node(m, "Gelu", {x}, {{"approximate", m.text("approximate", "none")}});
  if (kind == "Hardsigmoid") return node(m, "HardSigmoid", {x}, {{"alpha", 1.0f / 6}, {"beta", 0.5f}});
  if (kind == "ReLU6") {
    const std::string name = node_name(m, "Clip");
    return node(m, "Clip",
                {x, writer_.constant(name + "/min", {}, {0}), writer_.constant(name + "/max", {}, {6})});
  }
  if (kind == "PReLU") {
    Weights slope = m.weights("weight");
    if (slope.values.size() > 1) slope.shape = {static_cast<int64_t>(slope.values.size()), 1, 1};
    return node(m, "PRelu", {x, constant(m, "weight", std::move(slope))});
  }
  static const std::map<std::string, std::string> plain = {
      {"ReLU", "Relu"}, {"Hardswish", "HardSwish"}, {"Sigmoid", "Sigmoid"}, {"Tanh", "Tanh"},
      {"Mish", "Mish"}, {"Softplus", "Softplus"},   {"SELU", "Selu"}};
  return node(m, plain.at(kind), {x});
}

std::string Layers::pooling(const Module& m, const std::string& x) {
  if (m.kind() == "AdaptiveAvgPool2d") {
    for (const int64_t size : m.integers("output_size", 2)) {
      if (size != 1) m.refuse("an output of one pixel was expected, found {}", size);
    }
    return node(m, "GlobalAveragePool", {x});
  }
  std::vector<int64_t> pads = m.integers("padding", 2);
  pads.insert(pads.end(), pads.begin(), pads.begin() + 2);
  Attributes attributes = {{"kernel_shape", m.integers("kernel_size", 2)},
                           {"strides", m.integers(m.has("stride") ? "stride" : "kernel_size", 2)},
                           {"pads", std::move(pads)},
                           {"ceil_mode", int64_t{m.flag("ceil_mode", false)}}};
  if (m.kind() == "AvgPool2d") {
    if (m.has("divisor_override")) m.refuse("a divisor of its own is not supported");
    attributes["count_include_pad"] = int64_t{m.flag("count_include_pad", true)};
    return node(m, "AveragePool", {x}, std::move(attributes));
  }
  if (m.flag("return_indices", false)) m.refuse("indices as a result are not supported");
  attributes["dilations"] = m.integers("dilation", 2);
  return node(m, "MaxPool", {x}, std::move(attributes));
}

std::string Layers::upsample(const Module& m, const std::string& x) {
  if (m.has("size") || !m.has("scale_factor")) m.refuse("a scale factor was expected");
  const double factor = m.real("scale_factor");
  const std::string mode = m.text("mode", "nearest");
  if (factor <= 0 || (mode != "nearest" && mode != "bilinear"))
    m.refuse("the mode '{}' is not supported", mode);
  const auto scale = static_cast<float>(factor);
  const std::string scales = writer_.constant(node_name(m, "Resize") + "/scales", {4}, {1, 1, scale, scale});
  Attributes attributes = {{"mode", std::string(mode == "nearest" ? "nearest" : "linear")},
                           {"nearest_mode", std::string("floor")},
                           {"coordinate_transformation_mode", std::string("asymmetric")}};
  if (mode == "bilinear") {
    attributes["coordinate_transformation_mode"] =
        std::string(m.flag("align_corners", false) ? "align_corners" : "half_pixel");
  }
  return node(m, "Resize", {x, "", scales}, std::move(attributes));
}

std::string Layers::linear(const Module& m, const std::string& x) {
  std::vector<std::string> inputs = {x, constant(m, "weight", m.weights("weight"))};
  if (auto bias = m.find_weights("bias")) inputs.push_back(constant(m, "bias", std::move(*bias)));
  return node(m, "Gemm", std::move(inputs), {{"transB", int64_t{1}}});
}

void check_origin(const Module& module) {
  static const std::array<std::string, 4> origins = {"ultralytics.nn.modules.", "torch.nn.modules.",
                                                     "nn.modules.", "ultralytics.nn.tasks."};
  for (const std::string& origin : origins) {
    if (module.type().starts_with(origin)) return;
  }
  module.refuse("this class is not known; export the model to ONNX where it was made");
}

const std::map<std::string, Layers::Rule>& Layers::rules() {
  static const std::map<std::string, Rule> table = {
      {"Conv2d", &Layers::convolution},
      {"Conv1d", &Layers::convolution},
      {"ConvTranspose2d", &Layers::transposed_convolution},
      {"BatchNorm2d", &Layers::batch_norm},
      {"SiLU", &Layers::activation},
      {"ReLU", &Layers::activation},
      {"ReLU6", &Layers::activation},
      {"LeakyReLU", &Layers::activation},
      {"PReLU", &Layers::activation},
      {"ELU", &Layers::activation},
      {"SELU", &Layers::activation},
      {"GELU", &Layers::activation},
      {"Mish", &Layers::activation},
      {"Tanh", &Layers::activation},
      {"Sigmoid", &Layers::activation},
      {"Softplus", &Layers::activation},
      {"Hardswish", &Layers::activation},
      {"Hardsigmoid", &Layers::activation},
      {"MaxPool2d", &Layers::pooling},
      {"AvgPool2d", &Layers::pooling},
      {"AdaptiveAvgPool2d", &Layers::pooling},
      {"Upsample", &Layers::upsample},
      {"Linear", &Layers::linear},
      {"Conv", &Layers::conv_block},
      {"DWConv", &Layers::conv_block},
      {"DSConv", &Layers::separable_block},
      {"RepVGGDW", &Layers::rep_block},
      {"Bottleneck", &Layers::bottleneck},
      {"DSBottleneck", &Layers::bottleneck},
      {"CIB", &Layers::bottleneck},
      {"C3", &Layers::c3},
      {"C3k", &Layers::c3},
      {"C2f", &Layers::c2f},
      {"C3k2", &Layers::c2f},
      {"C2fCIB", &Layers::c2f},
      {"DSC3k2", &Layers::c2f},
      {"C2fPSA", &Layers::c2f},
      {"ESPBlock", &Layers::chain_block},
      {"ESPBlockLite", &Layers::chain_block},
      {"ESPSerial", &Layers::chain_block},
      {"ESPSerialLite", &Layers::chain_block},
      {"SCDown", &Layers::chain_block},
      {"SPPF", &Layers::sppf},
      {"C2PSA", &Layers::c2psa},
      {"PSA", &Layers::c2psa},
      {"PSABlock", &Layers::psa_block},
      {"Attention", &Layers::attention},
      {"Proto", &Layers::proto},
  };
  return table;
}

std::vector<std::string> Layers::classes() {
  std::vector<std::string> names = {"Concat", "Dropout", "Identity", "Sequential"};
  for (const auto& [name, rule] : rules()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string Layers::run(const Module& module, const std::string& x) {
  if (++visited_ > model_limits::kModules)
    module.refuse("more than {} modules; is this a detector?", model_limits::kModules);
  check_origin(module);
  const std::string kind = module.kind();
  if (kind == "Identity" || kind == "Dropout") return x;
  if (kind == "Sequential") return sequence(module, x);
  const auto rule = rules().find(kind);
  if (rule == rules().end())
    module.refuse("this class is not known; export the model to ONNX where it was made");
  return (this->*rule->second)(module, x);
}

std::string Layers::run(const Module& module, const std::vector<std::string>& xs) {
  if (module.kind() == "Concat") {
    check_origin(module);
    return concat(module, xs, module.integer("d", 1));
  }
  if (xs.size() != 1) module.refuse("one input was expected, found {}", xs.size());
  return run(module, xs[0]);
}

}  // namespace shrike::graph::pt
