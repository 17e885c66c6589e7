// The real network: lowered at the sizes that users take, and at a small one computed naively as well.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/espdl/run_both.h"
#include "tests/shared_data.h"
#include "toolchain/graph/passes.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/import/onnx/import.h"

namespace shrike::espdl::tests {
namespace {

constexpr int kGrid = -4;  // of every activation: coarse, but the integers are what counts here

Graph prepared(graph::ImageSize size) {
  Graph graph = graph::import_onnx(shrike::tests::shared_root() + "/models/yolo11n.onnx");
  graph::PrepareOptions options;
  options.size = size;
  graph::prepare(graph, options);
  return graph;
}

// Weights to the finest grid that holds them; one format for all activations.
void quantize_crudely(Graph& graph, Target target) {
  std::vector<Node> nodes;
  for (const Node& node : graph.nodes) {
    nodes.push_back(node);
    if (node.op != "Softmax") continue;
    Tensor quantized = graph.tensor(node.outputs[0]);
    quantized.name += "/quantized";
    Node quantize;
    quantize.name = node.name + "/quantize";
    quantize.op = "QuantizeLinear";
    quantize.inputs = node.outputs;
    quantize.outputs = {quantized.name};
    graph.tensors[quantized.name] = quantized;
    nodes.push_back(quantize);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].op != "QuantizeLinear") continue;
    for (size_t k = i + 1; k < nodes.size(); ++k) {
      std::replace(nodes[k].inputs.begin(), nodes[k].inputs.end(), nodes[i].inputs[0], nodes[i].outputs[0]);
    }
  }
  graph.nodes = nodes;
  for (auto& [name, tensor] : graph.tensors) {
    if (!tensor.constant) tensor.format = {8, kGrid, {}};
  }
  for (const std::string& output : graph.outputs) graph.tensor(output).format.exponent = kGrid + 2;  // logits
  const auto rounded = [](float value, int exponent) {
    return static_cast<int64_t>(std::nearbyint(std::ldexp(value, -exponent)));
  };
  for (const Node& node : graph.nodes) {
    if (node.op == "Softmax") graph.tensor(node.outputs[0]).format = {};
    if (node.op == "QuantizeLinear") graph.tensor(node.outputs[0]).format.exponent = -7;
    if (node.op == "Transpose") {
      graph.tensor(node.outputs[0]).format = graph.tensor(node.inputs[0]).format;
    }
    if (node.op != "Conv") continue;
    Tensor& weights = graph.tensor(node.inputs[1]);
    const int64_t outputs = weights.shape[0], each = weights.elements() / outputs;
    weights.format.bits = 8;
    weights.integers.resize(weights.values.size());
    std::vector<int> exponents;
    float everywhere = 0;
    for (const float w : weights.values) everywhere = std::max(everywhere, std::fabs(w));
    for (int64_t n = 0; n < outputs; ++n) {
      float largest = everywhere;
      if (target == Target::kEsp32p4) {
        largest = 1e-3f;
        for (int64_t i = 0; i < each; ++i) {
          largest = std::max(largest, std::fabs(weights.values[static_cast<size_t>(n * each + i)]));
        }
      }
      const int exponent = std::min(0, static_cast<int>(std::ceil(std::log2(largest / 127))));
      exponents.push_back(exponent);
      for (int64_t i = n * each; i < (n + 1) * each; ++i) {
        const size_t k = static_cast<size_t>(i);
        weights.integers[k] = std::clamp<int64_t>(rounded(weights.values[k], exponent), -128, 127);
      }
    }
    weights.format.exponent = exponents[0];
    Tensor& bias = graph.tensor(node.inputs.at(2));
    bias.format = {32, exponents[0] + kGrid, {}};
    for (int64_t n = 0; n < outputs; ++n) {
      const int exponent = exponents[static_cast<size_t>(n)] + kGrid;
      const int64_t limit = target == Target::kEsp32s3 ? 524287 : 2147483647;
      bias.integers.push_back(
          std::clamp(rounded(bias.values[static_cast<size_t>(n)], exponent), -limit, limit));
      if (target == Target::kEsp32p4) {
        weights.format.channel_exponents.push_back(exponents[static_cast<size_t>(n)]);
        bias.format.channel_exponents.push_back(exponent);
      }
    }
  }
}

const std::vector<std::string> kOutputs = {"box0", "score0", "box1", "score1", "box2", "score2"};

TEST(Yolo11n, LoadsAtEverySizeWithChannelLastHeads) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  for (const graph::ImageSize size : {graph::ImageSize{640, 640}, {320, 320}, {480, 640}}) {
    for (const Target target : {Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32}) {
      SCOPED_TRACE(std::to_string(size.height) + "x" + std::to_string(size.width) + " " +
                   host::target_name(target));
      Graph graph = prepared(size);
      quantize_crudely(graph, target);
      const Program program = lower(graph, target);
      host::IntegerModel model = host::IntegerModel::from_bytes(serialize(program), "yolo11n");
      for (int64_t level = 0; level < 3; ++level) {
        const TensorView box = model.model().output(("box" + std::to_string(level)).c_str());
        const TensorView score = model.model().output(("score" + std::to_string(level)).c_str());
        EXPECT_EQ(box.shape, (shrike::Shape{4,
                                            {1, static_cast<int32_t>(size.height >> (3 + level)),
                                             static_cast<int32_t>(size.width >> (3 + level)), 64}}));
        EXPECT_EQ(score.shape.dims[3], 80);
      }
    }
  }
}

// Only the attention block needs conversions: into its Reshape, for its operands, and out of it.
TEST(Yolo11n, HasFewTransposes) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  Graph graph = prepared({640, 640});
  quantize_crudely(graph, Target::kEsp32p4);
  const Program program = lower(graph, Target::kEsp32p4);
  const auto transposes = std::count_if(program.nodes.begin(), program.nodes.end(),
                                        [](const StoredNode& node) { return node.op == "Transpose"; });
  EXPECT_LE(transposes, 6);
  EXPECT_EQ(program.nodes.front().op, "Conv");
  EXPECT_EQ(value_named(program, "images").dims, (Shape{1, 640, 640, 3}));
}

TEST(Yolo11n, RunsAsTheGraphSays) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  for (const Target target : {Target::kEsp32p4, Target::kEsp32}) {
    Maker maker(8);
    maker.graph = prepared({160, 128});  // 5 x 4 in the attention: a block and a remainder
    quantize_crudely(maker.graph, target);
    expect_equal(maker, target, kOutputs);
  }
}

}  // namespace
}  // namespace shrike::espdl::tests
