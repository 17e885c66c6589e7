// The built networks against the published parameter counts (spec/training.md sections 1.2 and 1.5).
#include "toolchain/train/yolo11.h"

#include <gtest/gtest.h>

#include <cmath>

#include "toolchain/graph/passes.h"
#include "toolchain/import/onnx/import.h"
#include "toolchain/import/onnx/write.h"
#include "toolchain/support/error.h"

namespace shrike::train {
namespace {

struct Published {
  const char* name;
  double depth, width;
  int64_t max_channels;
  bool deep;
  int classes, bins;
  int64_t image_size, count;
};

class Counts : public ::testing::TestWithParam<Published> {};

TEST_P(Counts, AreThePublishedOnes) {
  const Published& p = GetParam();
  Yolo11Options options;
  options.depth = p.depth;
  options.width = p.width;
  options.max_channels = p.max_channels;
  options.deep_blocks = p.deep;
  options.classes = p.classes;
  options.bins = p.bins;
  options.image_size = p.image_size;
  EXPECT_EQ(parameter_count(build_yolo11(options), options), p.count);
}

INSTANTIATE_TEST_SUITE_P(
    Yolo11, Counts,
    ::testing::Values(Published{"n", 0.5, 0.25, 1024, false, 80, 16, 640, 2624080},
                      Published{"s", 0.5, 0.5, 1024, false, 80, 16, 640, 9458752},
                      Published{"m", 0.5, 1.0, 512, true, 80, 16, 640, 20114688},
                      Published{"l", 1.0, 1.0, 512, true, 80, 16, 640, 25372160},
                      Published{"x", 1.0, 1.5, 512, true, 80, 16, 640, 56966176},
                      Published{"eighth80", 0.5, 0.125, 1024, false, 80, 16, 320, 858832},
                      Published{"eighth80bins8", 0.5, 0.125, 1024, false, 80, 8, 320, 701672},
                      Published{"eighth1", 0.5, 0.125, 1024, false, 1, 16, 320, 810451},
                      Published{"eighth1bins8", 0.5, 0.125, 1024, false, 1, 8, 320, 653291},
                      Published{"sixteenth", 0.5, 0.0625, 1024, false, 1, 8, 160, 206031}),
    [](const ::testing::TestParamInfo<Published>& p) { return std::string(p.param.name); });

Yolo11Options small() {
  Yolo11Options options;
  options.width = 0.0625;
  options.classes = 2;
  options.bins = 8;
  options.image_size = 64;
  return options;
}

TEST(Yolo11, HasAHeadAtStrides8To32) {
  const graph::Graph graph = build_yolo11(small());
  EXPECT_EQ(graph.outputs, (std::vector<std::string>{"box0", "score0", "box1", "score1", "box2", "score2"}));
  EXPECT_EQ(graph.tensor("box0").shape, (graph::Shape{1, 32, 8, 8}));
  EXPECT_EQ(graph.tensor("score2").shape, (graph::Shape{1, 2, 2, 2}));
}

TEST(Yolo11, ExpectsFiveObjectsALevelBeforeTraining) {
  const graph::Graph graph = build_yolo11(small());
  for (int level = 0; level < 3; ++level) {
    const std::string& name =
        graph.nodes[static_cast<size_t>(graph.producer(fmt::format("score{}", level)))].inputs[2];
    const graph::Tensor& bias = graph.tensor(name);
    const graph::Shape& shape = graph.tensor(fmt::format("score{}", level)).shape;
    // Odds, which are the probabilities where cells are many.
    const double expected = 2.0 * static_cast<double>(shape[2] * shape[3]) * std::exp(double{bias.values[0]});
    EXPECT_NEAR(expected, 5, 1e-4);
  }
}

TEST(Yolo11, TheSameSeedGivesTheSameWeights) {
  Yolo11Options options = small();
  const graph::Graph a = build_yolo11(options), b = build_yolo11(options);
  options.seed = 1;
  const graph::Graph c = build_yolo11(options);
  const std::string name = "model.0.conv.weight";
  EXPECT_EQ(a.tensor(name).values, b.tensor(name).values);
  EXPECT_NE(a.tensor(name).values, c.tensor(name).values);
}

TEST(Yolo11, RefusesSizesThatThePyramidDoesNotDivide) {
  Yolo11Options options = small();
  options.image_size = 100;
  EXPECT_THROW(build_yolo11(options), Error);
}

TEST(Yolo11, WrittenAsOnnxItComesBackAsTheSameNetwork) {
  graph::Graph built = build_yolo11(small());
  built.metadata["names"] = "{0: 'a', 1: 'b'}";
  graph::Graph read = graph::import_onnx_bytes(graph::onnx_bytes(built), "test");
  EXPECT_EQ(read.metadata, built.metadata);
  graph::prepare(built, {});
  graph::prepare(read, {});
  EXPECT_EQ(read.outputs, built.outputs);
  ASSERT_EQ(read.nodes.size(), built.nodes.size());
  for (size_t i = 0; i < read.nodes.size(); ++i) EXPECT_EQ(read.nodes[i].op, built.nodes[i].op);
}

}  // namespace
}  // namespace shrike::train
