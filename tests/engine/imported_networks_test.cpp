// Networks that came through the import's door, computed: a checkpoint against the loops its modules stand
// for, and one network through three formats.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/import/onnx_builder.h"
#include "tests/import/small_yolo.h"
#include "tests/import/tflite_writer.h"
#include "toolchain/engine/engine.h"
#include "toolchain/import/import.h"

namespace shrike::graph {
namespace {

using tests::CheckpointWriter;
using tests::Floats;
using tests::Ints;
using tests::ModulePieces;
using tests::OnnxBuilder;
using tests::SmallYolo;
using tests::TfliteWriter;
namespace py = tests::py;

engine::Array compute(Graph graph, const std::vector<float>& picture) {
  fold_constants(graph);
  remove_identities(graph);
  infer_shapes(graph);
  make_attributes_explicit(graph);
  engine::Engine engine(graph, {});
  return engine.run({{graph.inputs[0], {graph.tensor(graph.inputs[0]).shape, picture}}}).at(graph.outputs[0]);
}

TEST(ImportedCheckpoint, ComputesWhatItsModulesStandFor) {
  SmallYolo network;
  const std::string root = network.root();
  tests::Map x(3, SmallYolo::kSize, SmallYolo::kSize);
  const std::vector<float> picture = network.random(x.values.size(), 0.5f);
  std::copy(picture.begin(), picture.end(), x.values.begin());
  const auto expected = network.run(x);
  const engine::Array found = compute(import_model_bytes(network.writer.bytes(root), "best.pt"), picture);
  const size_t places = expected[0].size();
  ASSERT_EQ(found.shape, (Shape{1, 4 + SmallYolo::kClasses, static_cast<int64_t>(places)}));
  for (size_t row = 0; row < expected.size(); ++row) {
    for (size_t i = 0; i < places; ++i) {
      const double value = found.values[row * places + i];
      ASSERT_NEAR(value, expected[row][i], 1e-4 * std::max(1.0, std::abs(expected[row][i])))
          << row << " " << i;
    }
  }
}

// Convolution with stride 2, a residual block with a depthwise convolution, a classifier; SiLU everywhere.
struct OneNetwork {
  static constexpr int64_t kClasses = 4;
  SmallYolo random;  // for its generator
  Floats w0 = random.random(8 * 3 * 9, 0.2f), b0 = random.random(8, 0.1f);
  Floats w1 = random.random(8 * 8, 0.3f), b1 = random.random(8, 0.1f);
  Floats w2 = random.random(8 * 9, 0.3f), b2 = random.random(8, 0.1f);
  Floats w3 = random.random(12 * 8, 0.3f), b3 = random.random(12, 0.1f);
  Floats w4 = random.random(4 * 12, 0.5f), b4 = random.random(4, 0.1f);

  std::string onnx() const {
    OnnxBuilder b(13);
    b.input("images", {1, 3, 32, 32});
    const auto conv = [&](const std::string& x, const Floats& w, const Ints& shape, const Floats& bias,
                          int64_t stride, int64_t group, const std::string& y) {
      const int64_t pad = shape[2] / 2;
      b.floats(y + "w", shape, w).floats(y + "b", {shape[0]}, bias);
      b.node("Conv", {x, y + "w", y + "b"}, {y + "c"},
             {{"strides", Ints{stride, stride}}, {"pads", Ints(4, pad)}, {"group", group}});
      b.node("Sigmoid", {y + "c"}, {y + "s"}).node("Mul", {y + "c", y + "s"}, {y});
    };
    conv("images", w0, {8, 3, 3, 3}, b0, 2, 1, "a");
    conv("a", w1, {8, 8, 1, 1}, b1, 1, 1, "b");
    conv("b", w2, {8, 1, 3, 3}, b2, 1, 8, "c");
    b.node("Add", {"a", "c"}, {"d"});
    conv("d", w3, {12, 8, 1, 1}, b3, 1, 1, "e");
    b.node("GlobalAveragePool", {"e"}, {"f"}).node("Flatten", {"f"}, {"g"});
    b.floats("gw", {4, 12}, w4).floats("gb", {4}, b4);
    b.node("Gemm", {"g", "gw", "gb"}, {"h"}, {{"transB", int64_t{1}}});
    return b.node("Softmax", {"h"}, {"y"}, {{"axis", int64_t{1}}}).output("y").bytes();
  }

  std::string checkpoint() const {
    CheckpointWriter writer;
    const auto conv = [&](const Floats& w, const Ints& shape, const Floats& bias, int64_t stride,
                          int64_t group) {
      const int64_t k = shape[2];
      ModulePieces conv2d{"torch.nn.modules.conv", "Conv2d", {}, {}, {}, {}};
      conv2d.attributes = {{"in_channels", py::integer(shape[1] * group)},
                           {"stride", py::sizes({stride, stride})},
                           {"padding", py::sizes({k / 2, k / 2})},
                           {"dilation", py::sizes({int64_t{1}, int64_t{1}})},
                           {"groups", py::integer(group)}};
      conv2d.parameters = {{"weight", writer.tensor(shape, w)}, {"bias", writer.tensor({shape[0]}, bias)}};
      ModulePieces block{"ultralytics.nn.modules.conv", "Conv", {}, {}, {}, {}};
      block.children = {{"conv", conv2d.piece()},
                        {"act", ModulePieces{"torch.nn.modules.activation", "SiLU", {}, {}, {}, {}}.piece()}};
      return block.piece();
    };
    ModulePieces residual{
        "ultralytics.nn.modules.block", "Bottleneck", {{"add", py::boolean(true)}}, {}, {}, {}};
    residual.children = {{"cv1", conv(w1, {8, 8, 1, 1}, b1, 1, 1)},
                         {"cv2", conv(w2, {8, 1, 3, 3}, b2, 1, 8)}};
    ModulePieces linear{"torch.nn.modules.linear", "Linear", {}, {}, {}, {}};
    linear.parameters = {{"weight", writer.tensor({4, 12}, w4)}, {"bias", writer.tensor({4}, b4)}};
    const ModulePieces pool{
        "torch.nn.modules.pooling", "AdaptiveAvgPool2d", {{"output_size", py::integer(1)}}, {}, {}, {}};
    ModulePieces head{"ultralytics.nn.modules.head", "Classify", {}, {}, {}, {}};
    head.children = {
        {"conv", conv(w3, {12, 8, 1, 1}, b3, 1, 1)}, {"pool", pool.piece()}, {"linear", linear.piece()}};
    ModulePieces network{"torch.nn.modules.container", "Sequential", {}, {}, {}, {}};
    network.children = {
        {"0", conv(w0, {8, 3, 3, 3}, b0, 2, 1)}, {"1", residual.piece()}, {"2", head.piece()}};
    ModulePieces model{"ultralytics.nn.tasks", "ClassificationModel", {}, {}, {}, {}};
    model.attributes = {{"args", py::dict({{"imgsz", py::integer(16)}})}};
    model.children = {{"model", network.piece()}};
    return writer.bytes(py::dict({{"model", model.piece()}}));
  }

  // [O,I,kh,kw] -> [O,kh,kw,I]; of one input channel -> [1,kh,kw,O].
  static Floats channels_last(const Floats& w, int32_t outputs, int32_t inputs, int32_t window) {
    Floats moved(w.size());
    for (int32_t o = 0; o < outputs; ++o) {
      for (int32_t i = 0; i < inputs; ++i) {
        for (int32_t k = 0; k < window; ++k)
          moved[static_cast<size_t>(inputs == 1 ? k * outputs + o : (o * window + k) * inputs + i)] =
              w[static_cast<size_t>((o * inputs + i) * window + k)];
      }
    }
    return moved;
  }

  std::string tflite() const {
    TfliteWriter t;
    const auto swish = [&](int32_t x, const std::vector<int32_t>& shape) {
      return t.op(18, {x, t.op(14, {x}, shape)}, shape);
    };
    const int8_t same = 0, valid = 1;
    const int32_t images = t.tensor({1, 32, 32, 3});
    const int32_t amounts = t.tensor({4, 2}, TfliteWriter::kI32, pads());
    const int32_t padded = t.op(34, {images, amounts}, {1, 34, 34, 3});
    const int32_t a =
        swish(t.op(3, {padded, t.floats({8, 3, 3, 3}, channels_last(w0, 8, 3, 9)), t.floats({8}, b0)},
                   {1, 16, 16, 8}, {{0, valid}, {1, 2}, {2, 2}}),
              {1, 16, 16, 8});
    const int32_t b = swish(t.op(3, {a, t.floats({8, 1, 1, 8}, w1), t.floats({8}, b1)}, {1, 16, 16, 8},
                                 {{0, same}, {1, 1}, {2, 1}}),
                            {1, 16, 16, 8});
    const int32_t c =
        swish(t.op(4, {b, t.floats({1, 3, 3, 8}, channels_last(w2, 8, 1, 9)), t.floats({8}, b2)},
                   {1, 16, 16, 8}, {{0, same}, {1, 1}, {2, 1}, {3, 1}}),
              {1, 16, 16, 8});
    const int32_t d = t.op(0, {a, c}, {1, 16, 16, 8});
    const int32_t e = swish(t.op(3, {d, t.floats({12, 1, 1, 8}, w3), t.floats({12}, b3)}, {1, 16, 16, 12},
                                 {{0, same}, {1, 1}, {2, 1}}),
                            {1, 16, 16, 12});
    const int32_t f = t.op(40, {e, t.integers({1, 2})}, {1, 12});
    const int32_t g = t.op(9, {f, t.floats({4, 12}, w4), t.floats({4}, b4)}, {1, 4});
    return t.bytes({images}, {t.op(25, {g}, {1, 4}, {{0, 1.0f}})});
  }

  static std::string pads() {
    const int32_t amounts[] = {0, 0, 1, 1, 1, 1, 0, 0};
    return {reinterpret_cast<const char*>(amounts), sizeof(amounts)};
  }
};

TEST(ImportedNetwork, IsTheSameThroughThreeFormats) {
  OneNetwork network;
  const Floats picture = network.random.random(3 * 32 * 32, 0.5f);
  const engine::Array expected = compute(import_model_bytes(network.onnx(), "m.onnx"), picture);
  const Graph tflite = import_model_bytes(network.tflite(), "m.tflite");
  EXPECT_EQ(tests::count_op(tflite, "Transpose") + tests::count_op(tflite, "Pad"), 0);
  for (const Graph& graph : {import_model_bytes(network.checkpoint(), "m.pt"), tflite}) {
    const engine::Array found = compute(graph, picture);
    ASSERT_EQ(found.shape, (Shape{1, OneNetwork::kClasses}));
    for (size_t i = 0; i < expected.values.size(); ++i)
      EXPECT_NEAR(found.values[i], expected.values[i], 1e-5) << i;
  }
}

}  // namespace
}  // namespace shrike::graph
