// The real network, small: layouts, layers and errors of a file made from it.
#include <gtest/gtest.h>

#include "tests/shared_data.h"
#include "toolchain/analyze/analyze.h"
#include "toolchain/analyze/layers.h"
#include "toolchain/data/image.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/formats/calibrate.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/pipeline/float_graph.h"
#include "toolchain/pipeline/steps.h"
#include "toolchain/support/files.h"

namespace shrike::analyze {
namespace {

class Yolo11n : public ::testing::Test {
 protected:
  void SetUp() override {
    SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
    SHRIKE_NEEDS_SHARED("data/coco_calib320/images");
    settings_.size = {64, 96};  // sides that differ tell orders apart
    graph_ = quantize::load_float_graph(model(), settings_);
    images_ =
        quantize::choose_samples(data::list_images(tests::shared_root() + "/data/coco_calib320/images"), 2);
  }

  static std::string model() { return tests::shared_root() + "/models/yolo11n.onnx"; }

  espdl::Program lowered() const {
    const quantize::Statistics statistics =
        quantize::calibrate(graph_, {graph_, images_, settings_.threads}, [](size_t, size_t) {});
    const quantize::Plan plan = quantize::rounded_plan(graph_, statistics, settings_);
    return espdl::lower(quantize::materialize(graph_, plan, settings_.target), settings_.target);
  }

  static host::IntegerModel open(const std::vector<uint8_t>& bytes) {
    host::IntegerOptions options;
    options.keep = KeepTensors::kAll;
    options.threads = 1;
    return host::IntegerModel::from_bytes(bytes, "yolo11n.espdl", options);
  }

  quantize::Settings settings_;
  graph::Graph graph_;
  std::vector<std::string> images_;
};

TEST_F(Yolo11n, OrdersAreThoseThatTheWriterChose) {
  const espdl::Program program = lowered();
  const host::IntegerModel file = open(espdl::serialize(program));
  const auto variables = quantize::stored_variables(file, graph_);
  size_t compared = 0;
  for (const espdl::StoredValue& value : program.values) {
    if (!graph_.tensors.contains(value.name)) continue;
    ASSERT_TRUE(variables.contains(value.name)) << value.name;
    EXPECT_EQ(variables.at(value.name).logical, value.name);
    EXPECT_EQ(variables.at(value.name).order, value.permutation) << value.name;
    ++compared;
  }
  EXPECT_GT(compared, 200u);
}

TEST_F(Yolo11n, All89ComputingLayersAreFoundWithWhatTheyReach) {
  const std::vector<uint8_t> bytes = espdl::serialize(lowered());
  const quantize::IntegerNetwork network = quantize::network_of(open(bytes), graph_);
  const std::vector<Layer> layers = find_layers(network, graph_, Scope::kComputing);
  ASSERT_EQ(layers.size(), 89u);
  EXPECT_EQ(layers.front().name, "/model.0/conv/Conv");
  EXPECT_EQ(layers.front().feeds, std::vector<std::string>{"images"});
  EXPECT_EQ(layers.front().reached.size(), 6u);
  EXPECT_TRUE(layers.front().given.empty());
  EXPECT_EQ(layers.back().tensors, std::vector<std::string>{"score2"});
  EXPECT_EQ(layers.back().reached, std::vector<size_t>{5});
  size_t without_weights = 0;
  for (const Layer& layer : layers) without_weights += !layer.has_weights;
  EXPECT_EQ(without_weights, 2u);  // the attention's products
}

TEST_F(Yolo11n, EveryTensorIsNearItsFloat) {
  const quantize::Feed feed(graph_, images_, settings_.threads);
  const Samples images{images_.size(), [&](size_t index) { return feed.inputs(index); }};
  const Analysis analysis =
      analyze(graph_, espdl::serialize(lowered()), "yolo11n.espdl", images, {}, [](size_t, size_t) {});
  EXPECT_GT(analysis.tensors.size(), 200u);
  // A wrong order would give about 2: the sum of the powers of two unrelated tensors.
  for (const TensorReport& tensor : analysis.tensors)
    EXPECT_LT(tensor.distribution.noise_to_signal(), 0.6) << tensor.tensor;
  EXPECT_LT(analysis.mean_output_noise(), 0.2);  // a crude file: weights rounded to nearest
  for (const LayerReport& layer : analysis.layers) {
    EXPECT_GT(layer.mean(), 0) << layer.layer;
    EXPECT_LT(layer.mean(), 0.1) << layer.layer;
  }
}

TEST(PeerFile, OfEspPpqIsComparedWithTheMultiplierItKeeps) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  SHRIKE_NEEDS_SHARED("golden/net/yolo11n_320_esp32p4_s8.espdl");
  const std::vector<uint8_t> bytes =
      read_file(tests::shared_root() + "/golden/net/yolo11n_320_esp32p4_s8.espdl");
  host::IntegerOptions options;
  options.keep = KeepTensors::kAll;
  host::IntegerModel file = host::IntegerModel::from_bytes(bytes, "yolo11n_320.espdl", options);
  const graph::Graph graph =
      quantize::float_graph_of(tests::shared_root() + "/models/yolo11n.onnx", file, {});
  EXPECT_TRUE(graph.tensors.contains("/model.10/m/m.0/attn/Mul_output_0"));
  EXPECT_EQ(graph.tensor("images").shape, (graph::Shape{1, 3, 320, 320}));
  const quantize::IntegerNetwork network = quantize::network_of(std::move(file), graph);
  EXPECT_EQ(find_layers(network, graph, Scope::kComputing).size(), 89u);
}

}  // namespace
}  // namespace shrike::analyze
