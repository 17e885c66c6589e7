// The detection heads of Ultralytics exports are found by their structure.
#include <gmock/gmock.h>

#include "tests/import/onnx_builder.h"

namespace shrike::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::error_of;
using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

const auto kSixOutputs = ElementsAre("box0", "score0", "box1", "score1", "box2", "score2");

struct Head {
  int64_t classes = 80;
  int64_t bins = 16;  // 1: the box convolutions give distances directly
  bool coarse_first = false;
};

// 64x64 input; raw convolutions "b<i>" and "s<i>" of 8x8, 4x4 and 2x2.
OnnxBuilder network(const Head& head) {
  OnnxBuilder builder(12);
  builder.input("images", {1, 3, 64, 64});
  builder.conv("images", 3, 8, "p0", 8).conv("p0", 8, 8, "p1", 2).conv("p1", 8, 8, "p2", 2);
  for (const std::string level : {"0", "1", "2"}) {
    builder.conv("p" + level, 8, 4 * head.bins, "b" + level).conv("p" + level, 8, head.classes, "s" + level);
  }
  return builder;
}

std::vector<std::string> level_order(const Head& head) {
  return head.coarse_first ? std::vector<std::string>{"2", "1", "0"}
                           : std::vector<std::string>{"0", "1", "2"};
}

// Distances [1,4,84] from "boxes", probabilities from "scores", joined to "output0".
void decode(OnnxBuilder& builder, const Head& head) {
  std::string distances = "boxes";
  if (head.bins > 1) {
    Floats ramp;
    for (int64_t i = 0; i < head.bins; ++i) ramp.push_back(static_cast<float>(i));
    builder.integers("bins", {1, 4, head.bins, 84}).integers("flat", {1, 4, 84});
    builder.floats("ramp", {1, head.bins, 1, 1}, ramp);
    builder.node("Reshape", {"boxes", "bins"}, {"binned"});
    builder.node("Transpose", {"binned"}, {"bins_first"}, {{"perm", Ints{0, 2, 1, 3}}});
    builder.node("Softmax", {"bins_first"}, {"distribution"}, {{"axis", int64_t{3}}});
    builder.node("Conv", {"distribution", "ramp"}, {"mean"});
    builder.node("Reshape", {"mean", "flat"}, {"distances"});
    distances = "distances";
  }
  builder.filled("anchors", {1, 4, 84}, 0.5f).node("Add", {distances, "anchors"}, {"corners"});
  builder.node("Sigmoid", {"scores"}, {"probabilities"});
  builder.node("Concat", {"corners", "probabilities"}, {"output0"}, {{"axis", int64_t{1}}}).output("output0");
}

// Boxes and scores of a level are joined, then the levels, then they are parted again.
OnnxBuilder joined_per_level(const Head& head) {
  OnnxBuilder builder = network(head);
  const int64_t box = 4 * head.bins;
  builder.integers("rows", {1, box + head.classes, -1});
  std::vector<std::string> rows;
  for (const std::string& level : level_order(head)) {
    builder.node("Concat", {"b" + level, "s" + level}, {"level" + level}, {{"axis", int64_t{1}}});
    builder.node("Reshape", {"level" + level, "rows"}, {"rows" + level});
    rows.push_back("rows" + level);
  }
  builder.node("Concat", rows, {"all"}, {{"axis", int64_t{2}}});
  builder.node("Split", {"all"}, {"boxes", "scores"},
               {{"axis", int64_t{1}}, {"split", Ints{box, head.classes}}});
  decode(builder, head);
  return builder;
}

// Boxes of all levels are joined, and scores of all levels.
OnnxBuilder joined_over_levels(const Head& head) {
  OnnxBuilder builder = network(head);
  builder.integers("box_rows", {1, 4 * head.bins, -1}).integers("score_rows", {1, head.classes, -1});
  std::vector<std::string> boxes, scores;
  for (const std::string& level : level_order(head)) {
    builder.node("Reshape", {"s" + level, "score_rows"}, {"score_row" + level});
    builder.node("Reshape", {"b" + level, "box_rows"}, {"box_row" + level});
    boxes.push_back("box_row" + level);
    scores.push_back("score_row" + level);
  }
  builder.node("Concat", scores, {"scores"}, {{"axis", int64_t{-1}}});
  builder.node("Concat", boxes, {"boxes"}, {{"axis", int64_t{-1}}});
  decode(builder, head);
  return builder;
}

Graph cut(const OnnxBuilder& builder) {
  Graph graph = builder.graph();
  cut_detect_head(graph);
  check(graph);
  return graph;
}

void expect_six_outputs(const Graph& graph, const Head& head) {
  ASSERT_THAT(graph.outputs, kSixOutputs);
  EXPECT_EQ(graph.nodes.size(), 9u);
  for (int64_t level = 0; level < 3; ++level) {
    const int64_t side = 8 >> level;
    const std::string suffix = std::to_string(level);
    EXPECT_EQ(graph.tensor("box" + suffix).shape, (Shape{1, 4 * head.bins, side, side}));
    EXPECT_EQ(graph.tensor("score" + suffix).shape, (Shape{1, head.classes, side, side}));
    EXPECT_EQ(graph.nodes[static_cast<size_t>(graph.producer("box" + suffix))].name, "n_b" + suffix);
    EXPECT_EQ(graph.nodes[static_cast<size_t>(graph.producer("score" + suffix))].name, "n_s" + suffix);
  }
}

TEST(DetectHead, JoinedPerLevel) {
  for (const Head& head :
       {Head{}, Head{1, 16, false}, Head{64, 16, false}, Head{5, 1, false}, Head{80, 16, true}}) {
    expect_six_outputs(cut(joined_per_level(head)), head);
  }
}

TEST(DetectHead, JoinedOverLevels) {
  for (const Head& head :
       {Head{}, Head{1, 16, false}, Head{64, 16, false}, Head{4, 1, false}, Head{80, 16, true}}) {
    expect_six_outputs(cut(joined_over_levels(head)), head);
  }
}

TEST(DetectHead, SurvivesAnIdentityAndADecoderTailThatIsUnknown) {
  OnnxBuilder builder = joined_over_levels({});
  builder.model.mutable_graph()->clear_output();
  builder.node("NonMaxSuppression", {"output0"}, {"selected"}).output("selected");
  Graph graph = builder.graph();
  prepare(graph, {});
  expect_six_outputs(graph, {});
}

TEST(DetectHead, RawConvolutionsAsOutputsInAnyOrder) {
  OnnxBuilder by_kind = network({});
  for (const char* name : {"b0", "b1", "b2", "s0", "s1", "s2"}) by_kind.output(name);
  expect_six_outputs(cut(by_kind), {});
  OnnxBuilder scores_first = network({3, 16, false});
  for (const char* name : {"s2", "b2", "s1", "b1", "s0", "b0"}) scores_first.output(name);
  expect_six_outputs(cut(scores_first), {3, 16, false});
}

TEST(DetectHead, OutputsThatHaveTheNamesAreOnlyBroughtIntoOrder) {
  OnnxBuilder builder;
  builder.input("images", {1, 3, 64, 64}).conv("images", 3, 4, "box0").node("Relu", {"box0"}, {"score0"});
  for (const char* name : {"box1", "score1", "box2", "score2"}) builder.node("Relu", {"score0"}, {name});
  for (const char* name : {"score2", "score1", "score0", "box2", "box1", "box0"}) builder.output(name);
  const Graph graph = cut(builder);
  EXPECT_THAT(graph.outputs, kSixOutputs);
  EXPECT_EQ(graph.nodes.size(), 6u);
}

TEST(DetectHead, TakesItsNamesFromTensorsThatHadThem) {
  OnnxBuilder builder(12);
  builder.input("box1", {1, 3, 64, 64}).conv("box1", 3, 8, "score2", 8).conv("score2", 8, 8, "p1", 2);
  builder.conv("p1", 8, 8, "p2", 2);
  builder.conv("score2", 8, 64, "box2")
      .conv("score2", 8, 5, "s0")
      .conv("p1", 8, 64, "box0")
      .conv("p1", 8, 5, "s1");
  builder.conv("p2", 8, 64, "b2").conv("p2", 8, 5, "s2");
  for (const char* name : {"box2", "s0", "box0", "s1", "b2", "s2"}) builder.output(name);
  const Graph graph = cut(builder);
  ASSERT_THAT(graph.outputs, kSixOutputs);
  EXPECT_EQ(graph.tensor("box0").shape, (Shape{1, 64, 8, 8}));
  EXPECT_EQ(graph.tensor("box1").shape, (Shape{1, 64, 4, 4}));
  EXPECT_EQ(graph.tensor("box2").shape, (Shape{1, 64, 2, 2}));
  EXPECT_THAT(graph.inputs, ElementsAre("box1_inner"));
}

TEST(DetectHead, OtherGraphsGetTheirLastNodesListed) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 8, 8})
      .conv("x", 3, 8, "features")
      .node("GlobalAveragePool", {"features"}, {"pooled"});
  builder.node("Flatten", {"pooled"}, {"flat"}).node("Softmax", {"flat"}, {"classes"}).output("classes");
  EXPECT_EQ(
      error_of([&] { cut(builder); }),
      "graph 'test': a detection head with 3 levels of box and score convolutions was expected at the end, "
      "found "
      "'n_features' (Conv), 'n_pooled' (GlobalAveragePool), 'n_flat' (Flatten), 'n_classes' (Softmax) as the "
      "last nodes; name the outputs yourself with --outputs NAME,...");
}

TEST(DetectHead, LevelsThatDoNotMatchAreNoHead) {
  OnnxBuilder builder = network({});
  builder.conv("p2", 8, 7, "odd");
  for (const char* name : {"b0", "s0", "b1", "s1", "b2", "odd"}) builder.output(name);
  EXPECT_THAT(error_of([&] { cut(builder); }), HasSubstr("--outputs"));
}

TEST(CutAt, TakesTensorsAndNodes) {
  Graph graph = joined_over_levels({}).graph();
  cut_at(graph, {"b1", "n_p2"});
  EXPECT_THAT(graph.outputs, ElementsAre("b1", "p2"));
  EXPECT_EQ(graph.nodes.size(), 4u);
}

TEST(CutAt, SuggestsTheNearestName) {
  Graph graph = joined_over_levels({}).graph();
  EXPECT_EQ(error_of([&] { cut_at(graph, {"scors"}); }),
            "--outputs: a tensor or node of the model was expected, found 'scors'; did you mean 'scores'?");
  EXPECT_THAT(error_of([&] { cut_at(graph, {"b1", "n_b1"}); }), HasSubstr("named twice"));
}

}  // namespace
}  // namespace shrike::graph
