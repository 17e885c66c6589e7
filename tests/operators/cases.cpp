#include "tests/operators/cases.h"

#include <cmath>
#include <random>

namespace shrike::tests {
namespace {

constexpr int64_t kChannels = 8, kSide = 8;

Floats drawn(size_t count, float low, float high, uint32_t seed) {
  std::mt19937 random(seed);
  Floats values(count);
  for (float& value : values) {
    value =
        low + (high - low) * static_cast<float>(random() & 0xffff) / 65536.0f;  // the same on every machine
  }
  return values;
}

using Nodes = std::vector<Attribute>;

// One operator that reads x alone.
RowCase plain(const std::string& op, const Nodes& attributes = {}, bool positive = false) {
  return {[=](OnnxBuilder& b) { b.node(op, {"x"}, {"y"}, attributes); }, positive};
}

// And a constant.
RowCase with_constant(const std::string& op, const Ints& shape, float low, float high, bool positive = false,
                      const Nodes& attributes = {}) {
  return {[=](OnnxBuilder& b) {
            int64_t count = 1;
            for (const int64_t dim : shape) count *= dim;
            b.floats("c", shape, drawn(static_cast<size_t>(count), low, high, 7));
            b.node(op, {"x", "c"}, {"y"}, attributes);
          },
          positive};
}

// And a second convolution of the picture.
RowCase with_variable(const std::string& op, bool positive = false) {
  return {[=](OnnxBuilder& b) {
            b.floats("w2", {kChannels, 3, 1, 1}, drawn(kChannels * 3, -1, 1, 11))
                .floats("b2", {kChannels}, drawn(kChannels, 0.5f, 1, 12));
            b.node("Conv", {"image", "w2", "b2"}, {"x2"});
            b.node(op, {"x", "x2"}, {"y"});
          },
          positive};
}

RowCase with_integers(const std::string& op, const std::vector<Ints>& arguments,
                      const Nodes& attributes = {}) {
  return {[=](OnnxBuilder& b) {
    std::vector<std::string> inputs = {"x"};
    for (const Ints& argument : arguments) {
      inputs.push_back("i" + std::to_string(inputs.size()));
      b.integers(inputs.back(), argument);
    }
    b.node(op, inputs, {"y"}, attributes);
  }};
}

RowCase reduction(const std::string& op, bool positive = false) {
  return {[=](OnnxBuilder& b) {
            b.node(op, {"x"}, {"y"}, {{"axes", Ints{2, 3}}, {"keepdims", int64_t{1}}});
          },
          positive};
}

RowCase pool(const std::string& op, const Nodes& attributes) {
  Nodes all = attributes;
  all.push_back({"kernel_shape", Ints{3, 3}});
  return plain(op, all);
}

RowCase resize(const std::string& mode, const std::string& transform, const std::string& rounding,
               const Floats& scales = {1, 1, 2, 2}) {
  return {[=](OnnxBuilder& b) {
    b.floats("scales", {4}, scales);
    b.node("Resize", {"x", "", "scales"}, {"y"},
           {{"mode", mode}, {"coordinate_transformation_mode", transform}, {"nearest_mode", rounding}});
  }};
}

// Opset 18: of the last two axes only.
RowCase resize_some_axes() {
  return {[](OnnxBuilder& b) {
    b.integers("sizes", {12, 5});
    b.node("Resize", {"x", "", "", "sizes"}, {"y"}, {{"axes", Ints{2, -1}}, {"mode", std::string("linear")}});
  }};
}

RowCase pad_some_axes() {
  return {[](OnnxBuilder& b) {
    b.integers("pads", {1, 2, 0, 3}).integers("axes", {-1, 1});
    b.node("Pad", {"x", "pads", "", "axes"}, {"y"});
  }};
}

// Before opset 13: all axes from the second on.
RowCase softmax_of_many_axes(const std::string& op) {
  RowCase row = plain(op, {{"axis", int64_t{1}}});
  row.opset = 12;
  return row;
}

// Rows of one channel's picture as a sequence of 8 steps; the states of all steps are the output.
RowCase recurrent(const std::string& op, int64_t gates, const Nodes& attributes) {
  return {[=](OnnxBuilder& b) {
    const int64_t hidden = 6, rows = gates * hidden;
    b.floats("W", {1, rows, kSide}, drawn(static_cast<size_t>(rows * kSide), -0.6f, 0.6f, 51))
        .floats("R", {1, rows, hidden}, drawn(static_cast<size_t>(rows * hidden), -0.6f, 0.6f, 52))
        .floats("B", {1, 2 * rows}, drawn(static_cast<size_t>(2 * rows), -0.4f, 0.4f, 53));
    b.integers("steps", {kSide, 1, kSide}).integers("first", {1, 1, kSide, kSide});
    b.integers("from", {0}).integers("to", {1}).integers("channel", {1});
    b.node("Slice", {"x", "from", "to", "channel"}, {"one"}).node("Reshape", {"one", "steps"}, {"sequence"});
    b.node(op, {"sequence", "W", "R", "B"}, {"y"}, attributes);
  }};
}

RowCase convolution(const std::string& op, const Ints& filter, const Nodes& attributes) {
  return {[=](OnnxBuilder& b) {
    int64_t count = 1;
    for (const int64_t dim : filter) count *= dim;
    b.floats("w2", filter, drawn(static_cast<size_t>(count), -0.5f, 0.5f, 21));
    b.node(op, {"x", "w2"}, {"y"}, attributes);
  }};
}

RowCase normalization(const std::string& op, bool bias) {
  return {[=](OnnxBuilder& b) {
    b.floats("gamma", {kSide}, drawn(kSide, 0.5f, 1.5f, 31));
    std::vector<std::string> inputs = {"x", "gamma"};
    if (bias) {
      b.floats("beta", {kSide}, drawn(kSide, -1, 1, 32));
      inputs.push_back("beta");
    }
    b.node(op, inputs, {"y"}, {{"axis", int64_t{-1}}});
  }};
}

RowCase channel_normalization(const std::string& op, const Nodes& attributes) {
  return {[=](OnnxBuilder& b) {
    b.floats("gamma", {kChannels}, drawn(kChannels, 0.5f, 1.5f, 31))
        .floats("beta", {kChannels}, drawn(kChannels, -1, 1, 32));
    b.node(op, {"x", "gamma", "beta"}, {"y"}, attributes);
  }};
}

RowCase batch_normalization() {
  return {[](OnnxBuilder& b) {
    b.node("Relu", {"x"}, {"r"});
    b.floats("gamma", {kChannels}, drawn(kChannels, 0.5f, 1.5f, 31))
        .floats("beta", {kChannels}, drawn(kChannels, -1, 1, 32));
    b.floats("mean", {kChannels}, drawn(kChannels, -1, 1, 33))
        .floats("variance", {kChannels}, drawn(kChannels, 0.5f, 2, 34));
    b.node("BatchNormalization", {"r", "gamma", "beta", "mean", "variance"}, {"y"});
  }};
}

RowCase prelu(const Ints& shape) {
  return with_constant("PRelu", shape, 0.1f, 0.4f);
}

RowCase clip() {
  return {[](OnnxBuilder& b) {
    b.floats("low", {}, {-0.3f}).floats("high", {}, {0.9f});
    b.node("Clip", {"x", "low", "high"}, {"y"});
  }};
}

RowCase matmul() {
  return {[](OnnxBuilder& b) {
    b.node("Transpose", {"x"}, {"t"}, {{"perm", Ints{0, 1, 3, 2}}});
    b.node("MatMul", {"x", "t"}, {"y"});
  }};
}

RowCase gemm(float alpha) {
  return {[=](OnnxBuilder& b) {
    b.node("Flatten", {"x"}, {"f"});
    b.floats("w2", {10, 512}, drawn(5120, -0.2f, 0.2f, 41)).floats("b2", {10}, drawn(10, -1, 1, 42));
    b.node("Gemm", {"f", "w2", "b2"}, {"y"}, {{"transB", int64_t{1}}, {"alpha", alpha}});
  }};
}

// Of eight rows, with a bias of another shape than one number an output.
RowCase gemm_of_rows(const Ints& bias_shape) {
  return {[=](OnnxBuilder& b) {
    b.node("Flatten", {"x"}, {"f"}, {{"axis", int64_t{2}}});
    const auto count = static_cast<size_t>(graph::element_count(bias_shape));
    b.floats("w2", {10, 64}, drawn(640, -0.2f, 0.2f, 43)).floats("b2", bias_shape, drawn(count, -1, 1, 44));
    b.node("Gemm", {"f", "w2", "b2"}, {"y"}, {{"transB", int64_t{1}}, {"beta", 0.5f}});
  }};
}

RowCase split() {
  return {[](OnnxBuilder& b) {
    b.integers("sizes", {3, 5});
    b.node("Split", {"x", "sizes"}, {"s0", "s1"}, {{"axis", int64_t{1}}});
    b.node("Relu", {"s0"}, {"r0"}).node("Relu", {"s1"}, {"r1"});
    b.node("Concat", {"r1", "r0"}, {"y"}, {{"axis", int64_t{1}}});
  }};
}

RowCase gather() {
  return {[](OnnxBuilder& b) {
    b.integers("indices", {5, 0, 3});
    b.node("Gather", {"x", "indices"}, {"y"}, {{"axis", int64_t{1}}});
  }};
}

RowCase squeeze() {
  return {[](OnnxBuilder& b) {
    b.integers("first", {0});
    b.node("Squeeze", {"x", "first"}, {"s"}).node("Unsqueeze", {"s", "first"}, {"y"});
  }};
}

// What tf2onnx leaves: the second Transpose moves nothing in the file, and the filters behind it are rounded
// all the same.
RowCase channels_last_in_between() {
  return {[](OnnxBuilder& b) {
    b.floats("c", {kChannels}, drawn(kChannels, 0.5f, 2, 61));
    b.floats("w2", {6, kChannels, 3, 3}, drawn(6 * kChannels * 9, -0.5f, 0.5f, 62));
    b.node("Transpose", {"x"}, {"last"}, {{"perm", Ints{0, 2, 3, 1}}}).node("Mul", {"last", "c"}, {"m"});
    b.node("Transpose", {"m"}, {"first"}, {{"perm", Ints{0, 3, 1, 2}}}).node("Conv", {"first", "w2"}, {"y"});
  }};
}

RowCase softmax(const std::string& op) {
  return plain(op, {{"axis", int64_t{1}}});
}

}  // namespace

const std::multimap<std::string, RowCase>& row_cases() {
  static const std::multimap<std::string, RowCase> cases = [] {
    std::multimap<std::string, RowCase> all = {
        {"Swish", {[](OnnxBuilder& b) {
           b.node("Sigmoid", {"x"}, {"s"}).node("Mul", {"x", "s"}, {"y"});
         }}},
        {"HardSigmoid", plain("HardSigmoid", {{"alpha", 0.15f}, {"beta", 0.4f}})},
        {"Elu", plain("Elu", {{"alpha", 0.7f}})},
        {"Celu", plain("Celu", {{"alpha", 0.7f}})},
        {"LeakyRelu", plain("LeakyRelu", {{"alpha", 0.2f}})},
        {"Gelu", plain("Gelu")},
        {"QuickGelu", plain("QuickGelu")},
        {"Gelu", plain("Gelu", {{"approximate", std::string("tanh")}})},
        {"Clip", clip()},
        {"PRelu", prelu({1})},
        {"PRelu", prelu({kChannels, 1, 1})},
        {"Function",
         {[](OnnxBuilder& b) {  // no row's: 2 sigmoid(x) - x / 4
           b.floats("two", {}, {2}).floats("four", {}, {4});
           b.node("Sigmoid", {"x"}, {"s"}).node("Mul", {"s", "two"}, {"m"});
           b.node("Div", {"x", "four"}, {"d"}).node("Sub", {"m", "d"}, {"y"});
         }}},
        {"Shrink", plain("Shrink", {{"lambd", 0.4f}, {"bias", 0.1f}})},
        {"ThresholdedRelu", plain("ThresholdedRelu", {{"alpha", 0.25f}})},
        {"Add", with_variable("Add")},
        {"Add", with_constant("Add", {1, kChannels, kSide, kSide}, -1, 1)},
        {"Sub", with_variable("Sub")},
        {"Mul", with_variable("Mul")},
        {"Mul", with_constant("Mul", {kSide, kSide}, 0.01f, 0.02f)},
        {"Div", with_constant("Div", {kSide, kSide}, 0.5f, 2)},
        {"Pow", with_constant("Pow", {}, 2, 2)},
        {"Mod", with_constant("Mod", {}, 4, 4, true, {{"fmod", int64_t{1}}})},
        {"Neg", plain("Neg")},
        {"Max", with_variable("Max")},
        {"Max", with_constant("Max", {}, 0.2f, 0.2f)},
        {"Min", with_variable("Min")},
        {"Min", with_constant("Min", {1, kChannels, 1, 1}, -0.5f, 0.5f)},
        {"Sum", with_variable("Sum")},
        {"Mean", with_variable("Mean")},
        {"Conv", convolution("Conv", {6, kChannels, 3, 3}, {{"pads", Ints{1, 1, 1, 1}}})},
        {"Conv", convolution("Conv", {kChannels, 1, 3, 3}, {{"group", kChannels}})},
        {"Conv", convolution("Conv", {12, 2, 3, 3}, {{"group", int64_t{4}}})},
        {"ConvTranspose", convolution("ConvTranspose", {kChannels, 5, 2, 2}, {{"strides", Ints{2, 2}}})},
        {"ConvTranspose", convolution("ConvTranspose", {kChannels, 3, 3, 3},
                                      {{"strides", Ints{2, 2}},
                                       {"pads", Ints{1, 1, 1, 1}},
                                       {"output_padding", Ints{1, 1}},
                                       {"group", int64_t{2}}})},
        {"ConvTranspose",
         convolution("ConvTranspose", {kChannels, 1, 2, 2},
                     {{"strides", Ints{2, 2}}, {"pads", Ints{2, 2, 2, 2}}, {"group", kChannels}})},
        {"Gemm", gemm(1.0f)},
        {"Gemm", gemm(0.5f)},
        {"Gemm", gemm_of_rows({})},
        {"Gemm", gemm_of_rows({1, 10})},
        {"Gemm", gemm_of_rows({8, 1})},
        {"Gemm", gemm_of_rows({8, 10})},
        {"MatMul", matmul()},
        {"MatMul", with_constant("MatMul", {kSide, 6}, -1, 1)},
        {"MaxPool", pool("MaxPool", {{"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}})},
        {"AveragePool", pool("AveragePool", {{"strides", Ints{2, 2}}})},
        {"AveragePool", pool("AveragePool", {{"pads", Ints{1, 1, 1, 1}}})},
        {"AveragePool", pool("AveragePool", {{"pads", Ints{1, 1, 1, 1}}, {"count_include_pad", int64_t{1}}})},
        {"GlobalAveragePool", plain("GlobalAveragePool")},
        {"GlobalMaxPool", plain("GlobalMaxPool")},
        {"Resize", resize("nearest", "asymmetric", "floor")},
        {"Resize", resize("nearest", "half_pixel", "round_prefer_floor")},
        {"Resize", resize("nearest", "tf_half_pixel_for_nn", "floor")},
        {"Resize", resize("linear", "half_pixel", "floor")},
        {"Resize", resize("nearest", "tf_half_pixel_for_nn", "round_prefer_floor")},
        {"Resize", resize("nearest", "asymmetric", "ceil")},
        {"Resize", resize("nearest", "align_corners", "round_prefer_ceil", {1, 1, 1.5f, 0.5f})},
        {"Resize", resize("nearest", "asymmetric", "floor", {1, 2, 1, 2})},
        {"Resize", resize("linear", "align_corners", "floor")},
        {"Resize", resize("linear", "asymmetric", "floor")},
        {"Resize", resize("linear", "asymmetric", "floor", {1, 1, 1.5f, 0.25f})},
        {"Resize", resize("linear", "half_pixel_symmetric", "floor")},
        {"Resize", resize("linear", "half_pixel", "floor", {1, 1, 0.45f, 1.3f})},
        {"Resize", resize("linear", "half_pixel", "floor", {1, 2, 2, 1})},
        {"Resize", resize_some_axes()},
        {"ReverseSequence",
         with_integers("ReverseSequence", {{5}}, {{"batch_axis", int64_t{0}}, {"time_axis", int64_t{1}}})},
        {"ReverseSequence", with_integers("ReverseSequence", {{1, 1, 1, 1, 1, 1, 1, 1}})},
        {"Softmax", softmax_of_many_axes("Softmax")},
        {"LogSoftmax", softmax_of_many_axes("LogSoftmax")},
        {"GRU", recurrent("GRU", 3, {{"hidden_size", int64_t{6}}})},
        {"GRU", recurrent("GRU", 3, {{"hidden_size", int64_t{6}}, {"linear_before_reset", int64_t{1}}})},
        {"LSTM", recurrent("LSTM", 4, {{"hidden_size", int64_t{6}}, {"direction", std::string("reverse")}})},
        {"RNN", recurrent("RNN", 1, {{"hidden_size", int64_t{6}}})},
        {"Reshape", with_integers("Reshape", {{1, 16, 32}})},
        {"Flatten", plain("Flatten")},
        {"Squeeze", squeeze()},
        {"Unsqueeze", squeeze()},
        {"Transpose", plain("Transpose", {{"perm", Ints{0, 2, 1, 3}}})},
        {"Transpose", channels_last_in_between()},
        {"Identity", {[](OnnxBuilder& b) { b.node("Relu", {"x"}, {"r"}).node("Identity", {"r"}, {"y"}); }}},
        {"Dropout", {[](OnnxBuilder& b) { b.node("Relu", {"x"}, {"r"}).node("Dropout", {"r"}, {"y"}); }}},
        {"Expand", {[](OnnxBuilder& b) {
           b.node("GlobalAveragePool", {"x"}, {"g"})
               .integers("shape", {1, kChannels, 3, 4})
               .node("Expand", {"g", "shape"}, {"y"});
         }}},
        {"Tile", with_integers("Tile", {{1, 2, 1, 3}})},
        {"DepthToSpace", plain("DepthToSpace", {{"blocksize", int64_t{2}}, {"mode", std::string("CRD")}})},
        {"SpaceToDepth", plain("SpaceToDepth", {{"blocksize", int64_t{2}}})},
        {"Concat", {[](OnnxBuilder& b) {
           b.node("Relu", {"x"}, {"r"}).node("Concat", {"x", "r"}, {"y"}, {{"axis", int64_t{2}}});
         }}},
        {"Split", split()},
        {"Slice", with_integers("Slice", {{1, 2}, {7, 8}, {1, 3}, {2, 1}})},
        {"Gather", gather()},
        {"Pad", with_integers("Pad", {{0, 0, 1, 2, 0, 0, 3, 0}}, {{"mode", std::string("constant")}})},
        {"Pad", with_integers("Pad", {{0, 0, 1, 2, 0, 0, 3, 0}}, {{"mode", std::string("reflect")}})},
        {"Pad", with_integers("Pad", {{0, 0, 1, 2, 0, 0, 3, 0}}, {{"mode", std::string("wrap")}})},
        {"Pad", with_integers("Pad", {{0, 0, -1, 2, 0, 0, 3, -2}}, {{"mode", std::string("edge")}})},
        {"Pad", pad_some_axes()},
        {"ReduceLogSum", reduction("ReduceLogSum", true)},
        {"ReduceProd",
         {[](OnnxBuilder& b) {
            b.node("ReduceProd", {"x"}, {"y"}, {{"axes", Ints{1}}});
          },
          true}},
        {"Softmax", softmax("Softmax")},
        {"LogSoftmax", softmax("LogSoftmax")},
        {"LayerNormalization", normalization("LayerNormalization", true)},
        {"LayerNormalization", normalization("LayerNormalization", false)},
        {"RMSNormalization", normalization("RMSNormalization", false)},
        {"LpNormalization", plain("LpNormalization", {{"axis", int64_t{1}}, {"p", int64_t{1}}})},
        {"LpNormalization", plain("LpNormalization", {{"axis", int64_t{3}}})},
        {"BatchNormalization", batch_normalization()},
        {"InstanceNormalization", channel_normalization("InstanceNormalization", {})},
        {"GroupNormalization", channel_normalization("GroupNormalization", {{"num_groups", int64_t{4}}})},
    };
    for (const char* op : {"Sigmoid", "Tanh", "HardSwish", "Exp",  "Relu", "Abs",      "Asinh",
                           "Atan",    "Ceil", "Cos",       "Cosh", "Erf",  "Floor",    "Mish",
                           "Round",   "Selu", "Sign",      "Sin",  "Sinh", "Softplus", "Softsign"})
      all.emplace(op, plain(op));
    for (const char* op : {"Log", "Sqrt", "Reciprocal"}) all.emplace(op, plain(op, {}, true));
    for (const char* op : {"Acos", "Asin", "Atanh", "Tan"}) {  // behind a Tanh, inside their domain
      const std::string name = op;
      all.emplace(name, RowCase{[name](OnnxBuilder& b) {
                    b.node("Tanh", {"x"}, {"t"})
                        .floats("half", {}, {0.5f})
                        .node("Mul", {"t", "half"}, {"h"})
                        .node(name, {"h"}, {"y"});
                  }});
    }
    all.emplace("Acosh", RowCase{[](OnnxBuilder& b) {
                  b.node("Exp", {"x"}, {"e"})
                      .floats("two", {}, {2.0f})
                      .node("Add", {"e", "two"}, {"h"})
                      .node("Acosh", {"h"}, {"y"});
                }});
    for (const char* op : {"ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum",
                           "ReduceSumSquare", "ReduceLogSumExp"})
      all.emplace(op, reduction(op));
    return all;
  }();
  return cases;
}

OnnxBuilder model_of(const RowCase& row) {
  OnnxBuilder b(row.opset);
  b.input("image", {1, 3, kSide, kSide});
  const size_t weights = static_cast<size_t>(kChannels) * 3;
  if (row.positive) {  // pictures are in 0..1: x in about 0.3..2
    b.floats("w", {kChannels, 3, 1, 1}, drawn(weights, 0.05f, 0.5f, 1))
        .floats("b", {kChannels}, drawn(kChannels, 0.3f, 0.5f, 2));
  } else {
    b.floats("w", {kChannels, 3, 1, 1}, drawn(weights, -2, 2, 1))
        .floats("b", {kChannels}, drawn(kChannels, -0.5f, 0.5f, 2));
  }
  b.node("Conv", {"image", "w", "b"}, {"x"});
  row.add(b);
  b.output("y");
  return b;
}

}  // namespace shrike::tests
