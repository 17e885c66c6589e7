// ONNX files that are well formed and mean harm: operators put together at random, with attributes, constants
// and shapes of odd kinds and sizes. The import and the passes behind it either give a sound graph or an
// Error in words of this program.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/import/onnx_builder.h"

namespace shrike::graph {
namespace {

using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

class RandomGraph {
 public:
  explicit RandomGraph(uint32_t seed) : random_(seed), builder_(opset()) {}

  std::string bytes() {
    builder_.input("x0", shape());
    tensors_.emplace_back("x0");
    for (int64_t i = below(3); i >= 0; --i) constant();
    for (int64_t i = below(8); i >= 0; --i) node();
    builder_.output(tensors_.back());
    if (below(4) == 0) builder_.output(any());
    return builder_.bytes();
  }

 private:
  int64_t below(int64_t limit) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit)); }
  int64_t opset() {
    static const Ints opsets = {7, 9, 11, 12, 13, 18, 21, 24};
    return opsets[static_cast<size_t>(below(8))];
  }

  int64_t size() {
    static const Ints sizes = {1, 1, 2, 3, 4, 8, 0, -1, 1 << 20, std::numeric_limits<int64_t>::max()};
    return sizes[static_cast<size_t>(below(below(4) == 0 ? 10 : 6))];
  }
  Ints shape() {
    Ints result(static_cast<size_t>(below(6)));
    for (int64_t& dim : result) dim = size();
    return result;
  }
  float number() {
    static const Floats numbers = {0, 1, -1, 0.5f, 6, 1e38f, -1e38f, INFINITY, 1e-45f};
    return numbers[static_cast<size_t>(below(9))];
  }
  Ints integers() {
    Ints result(static_cast<size_t>(below(9)));
    for (int64_t& value : result) value = below(4) == 0 ? size() : below(7) - 3;
    return result;
  }
  Floats floats() {
    Floats result(static_cast<size_t>(below(5)));
    for (float& value : result) value = number();
    return result;
  }

  void constant() {
    const std::string name = "c" + std::to_string(tensors_.size());
    if (below(2) == 0) {
      builder_.integers(name, integers());
    } else {
      Ints small(static_cast<size_t>(below(5)));
      int64_t count = 1;
      for (int64_t& dim : small) count *= dim = below(4);
      Floats values(static_cast<size_t>(count));
      for (float& value : values) value = number();
      builder_.floats(name, small, values);
    }
    tensors_.push_back(name);
  }

  const std::string& any() {
    return tensors_[static_cast<size_t>(below(static_cast<int64_t>(tensors_.size())))];
  }

  void node() {
    static const std::vector<std::string> ops = {"Add",
                                                 "Sub",
                                                 "Mul",
                                                 "Div",
                                                 "Pow",
                                                 "Mod",
                                                 "Max",
                                                 "Sum",
                                                 "Mean",
                                                 "Relu",
                                                 "Cos",
                                                 "Identity",
                                                 "Cast",
                                                 "Clip",
                                                 "Conv",
                                                 "ConvTranspose",
                                                 "MaxPool",
                                                 "AveragePool",
                                                 "GlobalAveragePool",
                                                 "Gemm",
                                                 "MatMul",
                                                 "Reshape",
                                                 "Flatten",
                                                 "Transpose",
                                                 "Squeeze",
                                                 "Unsqueeze",
                                                 "Concat",
                                                 "Split",
                                                 "Slice",
                                                 "Gather",
                                                 "GatherElements",
                                                 "Expand",
                                                 "Tile",
                                                 "Pad",
                                                 "Resize",
                                                 "Upsample",
                                                 "DepthToSpace",
                                                 "SpaceToDepth",
                                                 "Shape",
                                                 "Range",
                                                 "ConstantOfShape",
                                                 "Where",
                                                 "Equal",
                                                 "Softmax",
                                                 "BatchNormalization",
                                                 "LayerNormalization",
                                                 "ReduceMean",
                                                 "ReduceProd",
                                                 "ReduceSum",
                                                 "ArgMax",
                                                 "TopK",
                                                 "Dropout",
                                                 "QuantizeLinear",
                                                 "DequantizeLinear",
                                                 "PRelu",
                                                 "GRU",
                                                 "LSTM",
                                                 "Not",
                                                 "Neg",
                                                 "CumSum"};
    static const std::vector<std::string> keys = {
        "axis",  "axes",  "perm",     "pads",      "strides", "dilations",      "kernel_shape",
        "group", "to",    "keepdims", "blocksize", "transB",  "scales",         "starts",
        "ends",  "split", "k",        "min",       "max",     "output_padding", "hidden_size"};
    std::vector<std::string> inputs(static_cast<size_t>(below(5)));
    for (std::string& input : inputs) input = below(12) == 0 ? "" : any();
    std::vector<std::string> outputs;
    for (int64_t i = below(5) == 0 ? 2 : 1; i > 0; --i) outputs.push_back("t" + std::to_string(next_++));
    std::vector<tests::Attribute> attributes;
    for (int64_t i = below(4); i > 0; --i)
      attributes.push_back(attribute(keys[static_cast<size_t>(below(static_cast<int64_t>(keys.size())))]));
    builder_.node(ops[static_cast<size_t>(below(static_cast<int64_t>(ops.size())))], inputs, outputs,
                  attributes);
    tensors_.insert(tensors_.end(), outputs.begin(), outputs.end());
  }

  tests::Attribute attribute(const std::string& key) {
    switch (below(4)) {
      case 0:
        return {key, below(3) == 0 ? size() : below(5) - 2};
      case 1:
        return {key, integers()};
      case 2:
        return {key, number()};
      default:
        return {key, floats()};
    }
  }

  std::mt19937 random_;
  OnnxBuilder builder_;
  std::vector<std::string> tensors_;
  int next_ = 0;
};

TEST(RandomGraphs, EndInAGraphOrInWords) {
  int sound = 0;
  for (uint32_t seed = 0; seed < 10'000; ++seed) {
    const std::string bytes = RandomGraph(seed).bytes();
    try {
      Graph graph = import_onnx_bytes(bytes, "random.onnx");
      fold_constants(graph);
      remove_identities(graph);
      remove_dead_nodes(graph);
      infer_shapes(graph);
      make_attributes_explicit(graph);
      check(graph);
      ++sound;
    } catch (const Error& error) {
      const std::string text = error.what();
      for (const char* library :
           {"map::at", "vector::", "_M_range", "basic_string", "bad_", "json", "enforce"})
        EXPECT_EQ(text.find(library), std::string::npos) << seed << ": " << text;
    } catch (const std::exception& other) {
      ADD_FAILURE() << "seed " << seed << ": " << other.what();
    }
  }
  EXPECT_GT(sound, 50);
}

}  // namespace
}  // namespace shrike::graph
