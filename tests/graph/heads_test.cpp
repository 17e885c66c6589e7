// Output heads are found by their structure, whatever their tensors are called.
#include "toolchain/heads/head.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>

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
    builder.node("Softmax", {"bins_first"}, {"distribution"}, {{"axis", int64_t{1}}});
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
  EXPECT_TRUE(heads::cut(graph).has_value());
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

// Levels of strides 8, 16, ... behind a 64x64 input, with the raw convolutions that `channels` asks for.
struct Levels {
  int count = 3;
  std::vector<int64_t> channels;
  bool shared_input =
      false;  // the last convolution reads what the first reads, the others a tensor of their own
};

OnnxBuilder raw_levels(const Levels& levels) {
  OnnxBuilder builder(12);
  builder.input("images", {1, 3, 128, 128}).conv("images", 3, 8, "p0", 8);
  for (int i = 0; i < levels.count; ++i) {
    const std::string at = std::to_string(i), features = "p" + at;
    if (i > 0) builder.conv("p" + std::to_string(i - 1), 8, 8, features, 2);
    builder.node("Relu", {features}, {"other" + at});
    for (size_t c = 0; c < levels.channels.size(); ++c) {
      const bool apart = levels.shared_input && c == 1;
      builder.conv(apart ? "other" + at : features, 8, levels.channels[c],
                   std::string(1, static_cast<char>('a' + c)) + at);
    }
  }
  return builder;
}

int64_t cells(int levels) {
  int64_t sum = 0;
  for (int i = 0; i < levels; ++i) sum += (16 >> i) * (16 >> i);
  return sum;
}

// The tensors "<kind>0", "<kind>1", ... as one [1, channels, cells], called "<kind>".
void join(OnnxBuilder& builder, const std::string& kind, int64_t channels, int levels) {
  builder.integers("rows_" + kind, {1, channels, -1});
  std::vector<std::string> rows;
  for (int i = 0; i < levels; ++i) {
    const std::string row = "row_" + kind + std::to_string(i);
    builder.node("Reshape", {kind + std::to_string(i), "rows_" + kind}, {row});
    rows.push_back(row);
  }
  builder.node("Concat", rows, {kind}, {{"axis", int64_t{2}}});
}

// Plain distances "a" and scores "b" made boxes and probabilities.
void decode_distances(OnnxBuilder& builder, int64_t classes, int levels) {
  join(builder, "a", 4, levels);
  join(builder, "b", classes, levels);
  builder.filled("grid", {1, 4, cells(levels)}, 0.5f).node("Add", {"a", "grid"}, {"corners"});
  builder.node("Sigmoid", {"b"}, {"probabilities"});
}

heads::Head head_of(OnnxBuilder& builder, std::vector<std::string>* notes = nullptr) {
  Graph graph = builder.graph();
  const auto found = prepare(graph, {});
  if (notes != nullptr) *notes = found;
  const auto head = heads::named(graph);
  EXPECT_TRUE(head.has_value()) << to_text(graph);
  return head.value_or(heads::Head{});
}

TEST(Heads, AnyNumberOfLevelsFromOneToFive) {
  for (int levels = 1; levels <= 5; ++levels) {
    OnnxBuilder builder = raw_levels({levels, {4, 7}});
    decode_distances(builder, 7, levels);
    builder.node("Concat", {"corners", "probabilities"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
    const heads::Head head = head_of(builder);
    ASSERT_EQ(head.levels.size(), static_cast<size_t>(levels));
    for (int i = 0; i < levels; ++i) {
      EXPECT_EQ(head.levels[static_cast<size_t>(i)].stride, 8 << i);
      EXPECT_THAT(head.levels[static_cast<size_t>(i)].tensors,
                  ElementsAre(fmt::format("box{}", i), fmt::format("score{}", i)));
    }
    EXPECT_EQ(head.row->name, "detect");
    EXPECT_EQ(head.classes, 7);
    EXPECT_EQ(head.bins, 1);
  }
}

TEST(Heads, KeyPointsAreTheThirdTensor) {
  OnnxBuilder builder = raw_levels({3, {4, 1, 15}});
  decode_distances(builder, 1, 3);
  join(builder, "c", 15, 3);
  builder.node("Concat", {"corners", "probabilities", "c"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  const heads::Head head = head_of(builder);
  EXPECT_EQ(head.row->name, "pose");
  EXPECT_EQ(head.key_points, 5);
  EXPECT_EQ(head.key_point_values, 3);
  EXPECT_EQ(head.levels[2].tensors[heads::kThird], "kpt2");
}

TEST(Heads, PrototypesOfAnOutputOfTheirOwnMakeTheThirdTensorCoefficients) {
  OnnxBuilder builder = raw_levels({3, {4, 2, 12}});
  decode_distances(builder, 2, 3);
  join(builder, "c", 12, 3);
  builder.node("Concat", {"corners", "probabilities", "c"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  builder.conv("images", 3, 12, "plain", 4).node("Relu", {"plain"}, {"prototypes"}).output("prototypes");
  const heads::Head head = head_of(builder);
  EXPECT_EQ(head.row->name, "segment");
  EXPECT_EQ(head.coefficients, 12);
  EXPECT_EQ(head.shared, "p");
  EXPECT_EQ(head.levels[0].tensors[heads::kThird], "mc0");
}

TEST(Heads, SineAndCosineMakeTheThirdTensorAnAngle) {
  OnnxBuilder builder = raw_levels({3, {4, 2, 1}});
  decode_distances(builder, 2, 3);
  join(builder, "c", 1, 3);
  builder.node("Cos", {"c"}, {"cosine"}).node("Sin", {"c"}, {"sine"});
  builder.node("Mul", {"corners", "cosine"}, {"x"})
      .node("Mul", {"corners", "sine"}, {"z"})
      .node("Sub", {"x", "z"}, {"turned"});
  builder.node("Concat", {"turned", "probabilities", "c"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  EXPECT_EQ(head_of(builder).row->name, "rotated");
}

TEST(Heads, YoloxHasItsObjectnessBesideTheBox) {
  OnnxBuilder builder = raw_levels({3, {4, 3, 1}, true});
  std::vector<std::string> rows;
  builder.integers("rows", {1, 8, -1});
  for (const std::string i : {"0", "1", "2"}) {
    builder.node("Sigmoid", {"c" + i}, {"o" + i}).node("Sigmoid", {"b" + i}, {"s" + i});
    builder.node("Concat", {"a" + i, "o" + i, "s" + i}, {"l" + i}, {{"axis", int64_t{1}}});
    builder.node("Reshape", {"l" + i, "rows"}, {"r" + i});
    rows.push_back("r" + i);
  }
  builder.node("Concat", rows, {"y"}, {{"axis", int64_t{2}}}).output("y");
  const heads::Head head = head_of(builder);
  EXPECT_EQ(head.row->name, "objectness");
  EXPECT_EQ(head.classes, 3);
  EXPECT_EQ(head.cell_offset, 0);
  EXPECT_THAT(head.levels[0].tensors, ElementsAre("box0", "score0", "obj0"));
}

// The convolution of a level is taken apart: what was channel anchor * (5 + classes) + k is one of three
// tensors.
TEST(Heads, AnchorsComeApartIntoBoxesScoresAndObjectness) {
  OnnxBuilder builder = raw_levels({2, {3 * 7}});
  std::vector<std::string> rows;
  for (const std::string i : {"0", "1"}) {
    const int64_t side = i == "0" ? 16 : 8;
    builder.integers("s" + i, {1, 3, 7, side, side}).integers("f" + i, {1, 3 * side * side, 7});
    builder.node("Reshape", {"a" + i, "s" + i}, {"five" + i});
    builder.node("Transpose", {"five" + i}, {"t" + i}, {{"perm", Ints{0, 1, 3, 4, 2}}})
        .node("Sigmoid", {"t" + i}, {"g" + i});
    builder.integers("parts" + i, {2, 2, 3});
    builder.node("Split", {"g" + i}, {"xy" + i, "wh" + i, "rest" + i},
                 {{"axis", int64_t{4}}, {"split", Ints{2, 2, 3}}});
    Floats sizes;
    for (int a = 0; a < 3; ++a) {
      sizes.push_back(static_cast<float>(10 * (a + 1) + (i == "1" ? 100 : 0)));
      sizes.push_back(static_cast<float>(5 * (a + 1)));
    }
    builder.floats("anchors" + i, {1, 3, 1, 1, 2}, sizes)
        .node("Mul", {"wh" + i, "anchors" + i}, {"size" + i});
    builder.node("Concat", {"xy" + i, "size" + i, "rest" + i}, {"c" + i}, {{"axis", int64_t{4}}});
    builder.node("Reshape", {"c" + i, "f" + i}, {"r" + i});
    rows.push_back("r" + i);
  }
  builder.node("Concat", rows, {"y"}, {{"axis", int64_t{1}}}).output("y");
  Floats weights(21 * 8);
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i / 8);  // the channel's number
  for (auto& tensor : *builder.model.mutable_graph()->mutable_initializer()) {
    if (tensor.name() != "a0.weight") continue;
    for (size_t i = 0; i < weights.size(); ++i) tensor.set_float_data(static_cast<int>(i), weights[i]);
  }
  Graph graph = builder.graph();
  prepare(graph, {});
  const auto head = heads::named(graph);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->row->name, "anchors");
  EXPECT_EQ(head->anchors, 3);
  EXPECT_EQ(head->classes, 2);
  EXPECT_THAT(head->anchor_sizes, ElementsAre(10, 5, 20, 10, 30, 15, 110, 5, 120, 10, 130, 15));
  const auto channels_of = [&](const std::string& output) {
    const Node& conv = graph.nodes[static_cast<size_t>(graph.producer(output))];
    Floats numbers;
    const Tensor& filters = graph.tensor(conv.inputs[1]);
    for (size_t i = 0; i < filters.values.size(); i += 8) numbers.push_back(filters.values[i]);
    return numbers;
  };
  EXPECT_THAT(channels_of("box0"), ElementsAre(0, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 17));
  EXPECT_THAT(channels_of("obj0"), ElementsAre(4, 11, 18));
  EXPECT_THAT(channels_of("score0"), ElementsAre(5, 6, 12, 13, 19, 20));
}

TEST(Heads, NanoDetsClassesAndDistributionsComeApart) {
  OnnxBuilder builder = raw_levels({3, {5 + 32}});
  for (const std::string i : {"0", "1", "2"}) {
    builder.node("Split", {"a" + i}, {"s" + i, "b" + i}, {{"axis", int64_t{1}}, {"split", Ints{5, 32}}});
    builder.node("Sigmoid", {"s" + i}, {"g" + i}).output("g" + i).output("b" + i);
  }
  const heads::Head head = head_of(builder);
  EXPECT_EQ(head.row->name, "detect");
  EXPECT_EQ(head.bins, 8);
  EXPECT_EQ(head.classes, 5);
  EXPECT_EQ(head.cell_offset, 0.5f);
}

// YOLO26: the best 300 are chosen in the graph, overlaps are never suppressed; ESP-DL's names for it.
TEST(Heads, ATopKTailMeansOneBoxAnObject) {
  OnnxBuilder builder = raw_levels({3, {4, 6}});
  decode_distances(builder, 6, 3);
  builder.node("Concat", {"corners", "probabilities"}, {"both"}, {{"axis", int64_t{1}}}).integers("k", {30});
  builder.node("ReduceMax", {"probabilities"}, {"best"}, {{"axes", Ints{1}}, {"keepdims", int64_t{0}}});
  builder.node("TopK", {"best", "k"}, {"top", "places"}, {{"axis", int64_t{-1}}});
  builder.node("GatherElements", {"both", "places"}, {"y"}, {{"axis", int64_t{2}}}).output("y");
  const heads::Head head = head_of(builder);
  EXPECT_EQ(head.row->name, "end-to-end");
  EXPECT_TRUE(head.one_to_one);
  EXPECT_THAT(head.levels[0].tensors, ElementsAre("one2one_p3_box", "one2one_p3_cls"));
  EXPECT_THAT(head.levels[2].tensors, ElementsAre("one2one_p5_box", "one2one_p5_cls"));
}

TEST(Heads, AClassifierKeepsItsOutput) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 8, 8})
      .conv("x", 3, 8, "features")
      .node("GlobalAveragePool", {"features"}, {"pooled"});
  builder.node("Flatten", {"pooled"}, {"flat"}).node("Softmax", {"flat"}, {"classes"}).output("classes");
  Graph graph = builder.graph();
  prepare(graph, {});
  EXPECT_THAT(graph.outputs, ElementsAre("classes"));
  const auto head = heads::named(graph);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->row->name, "classify");
  EXPECT_EQ(head->classes, 8);
}

TEST(Heads, AnyOtherGraphKeepsItsOutputsAndSaysSo) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 8, 8})
      .conv("x", 3, 8, "features")
      .node("Relu", {"features"}, {"map"})
      .output("map");
  Graph graph = builder.graph();
  const auto notes = prepare(graph, {});
  EXPECT_THAT(graph.outputs, ElementsAre("map"));
  EXPECT_FALSE(heads::named(graph).has_value());
  EXPECT_THAT(notes, ElementsAre(HasSubstr("own outputs are kept, map")));
}

// Channels would fit, a Sigmoid is there; but boxes and scores are never added up.
TEST(Heads, AResidualBlockAtTheEndIsNone) {
  OnnxBuilder builder;
  builder.input("images", {1, 3, 64, 64}).conv("images", 3, 4, "a", 2).conv("images", 3, 4, "b", 2);
  builder.node("Sigmoid", {"b"}, {"s"}).node("Add", {"a", "s"}, {"sum"}).output("sum");
  Graph graph = builder.graph();
  prepare(graph, {});
  EXPECT_THAT(graph.outputs, ElementsAre("sum"));
}

// Query, key and value: three convolutions with channels as key points have them, a Softmax behind.
TEST(Heads, AttentionAtTheEndIsNone) {
  OnnxBuilder builder;
  builder.input("images", {1, 3, 32, 32}).conv("images", 3, 8, "p", 8);
  builder.conv("p", 8, 64, "q").conv("p", 8, 64, "k").conv("p", 8, 48, "v").integers("rows", {1, -1, 16});
  for (const std::string name : {"q", "k", "v"}) builder.node("Reshape", {name, "rows"}, {name + "_rows"});
  builder.node("Transpose", {"q_rows"}, {"columns"}, {{"perm", Ints{0, 2, 1}}})
      .node("MatMul", {"columns", "k_rows"}, {"logits"})
      .node("Softmax", {"logits"}, {"shares"}, {{"axis", int64_t{2}}})
      .node("MatMul", {"v_rows", "shares"}, {"y"})
      .output("y");
  Graph graph = builder.graph();
  prepare(graph, {});
  EXPECT_THAT(graph.outputs, ElementsAre("y"));
}

// A map of classes and another output: its Softmax is over all channels, a box's over a quarter of them.
TEST(Heads, AMapOfProbabilitiesIsNone) {
  OnnxBuilder builder;
  builder.input("images", {1, 3, 64, 64}).conv("images", 3, 8, "a", 2).conv("images", 3, 6, "b", 2);
  builder.node("Softmax", {"a"}, {"shares"}, {{"axis", int64_t{1}}}).output("shares").output("b");
  Graph graph = builder.graph();
  prepare(graph, {});
  EXPECT_THAT(graph.outputs, ElementsAre("shares", "b"));
}

TEST(Heads, LevelsThatDoNotMatchAreNoHead) {
  OnnxBuilder builder = network({});
  builder.conv("p2", 8, 7, "odd");
  for (const char* name : {"b0", "s0", "b1", "s1", "b2", "odd"}) builder.output(name);
  Graph graph = builder.graph();
  EXPECT_FALSE(heads::cut(graph).has_value());
  EXPECT_THAT(graph.outputs, ElementsAre("b0", "s0", "b1", "s1", "b2", "odd"));
}

TEST(Heads, AreNamedByHand) {
  OnnxBuilder builder = raw_levels({1, {64, 3}});
  builder.node("Relu", {"a0"}, {"u"}).node("Relu", {"b0"}, {"v"}).output("u").output("v");
  Graph graph = builder.graph();
  PrepareOptions options;
  options.outputs = {"score0=n_b0", "box0=a0"};
  prepare(graph, options);
  EXPECT_THAT(graph.outputs, ElementsAre("score0", "box0"));
  const auto head = heads::named(graph);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->bins, 16);
  EXPECT_EQ(head->levels[0].stride, 8);
}

TEST(Heads, TheMetadataSayWhatNamesAndShapesDoNot) {
  OnnxBuilder builder = raw_levels({2, {4, 1, 10}});
  decode_distances(builder, 1, 2);
  join(builder, "c", 10, 2);
  builder.node("Concat", {"corners", "probabilities", "c"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  Graph graph = builder.graph();
  prepare(graph, {});
  EXPECT_EQ(graph.metadata.at("head"),
            "pose levels=2 strides=8,16 bins=1 classes=1 offset=0.5 key_points=5,2");
  graph.metadata["head"] = "pose offset=0 key_points=5,2 raw_third=1";
  const auto head = heads::named(graph);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->cell_offset, 0);
  EXPECT_TRUE(head->raw_third);
}

// One level of two cells, two classes, sides as distances.
TEST(HeadLoss, CountsFractionsOfWhatCouldBecomeADetection) {
  heads::Head head;
  for (const heads::Row& row : heads::rows()) {
    if (row.name == "detect") head.row = &row;
  }
  ASSERT_NE(head.row, nullptr);
  head.classes = 2;
  head.levels.push_back({{"box0", "score0"}, 1, 2, 8});
  using Tensors = std::map<std::string, std::vector<float>>;
  const auto loss = [&](const Tensors& reference, const Tensors& quantized) {
    heads::Loss total;
    total.add(
        head, [&](const std::string& name) { return std::span<const float>(reference.at(name)); },
        [&](const std::string& name) { return std::span<const float>(quantized.at(name)); });
    return total.value();
  };
  const Tensors reference = {{"score0", {0, -20, -20, -20}}, {"box0", {1, 1, 1, 1, 1, 1, 1, 1}}};
  EXPECT_EQ(loss(reference, reference), 0);

  // Probability 1/2 becomes 3/4: a third of it. What stays background costs nothing, and no more do its
  // boxes.
  Tensors quantized = reference;
  quantized["score0"] = {std::log(3.0f), -9, -12, -7};
  quantized["box0"] = {1, 50, 1, 50, 1, 50, 1, 50};
  EXPECT_NEAR(loss(reference, quantized), 1.0 / 3, 1e-6);

  // A box of 2 x 2 cells becomes one of 3 x 2: overlap 2/3, and a third lost counts twice.
  quantized = reference;
  quantized["box0"] = {1, 1, 1, 1, 2, 1, 1, 1};
  EXPECT_NEAR(loss(reference, quantized), 2.0 / 3, 1e-6);

  // Sides that have nothing in common are all that can be lost.
  quantized["box0"] = {-3, 1, 1, 1, 5, 1, 1, 1};
  EXPECT_NEAR(loss(reference, quantized), 2, 1e-6);
}

TEST(CutSelection, EndsTheGraphBeforeTheChoice) {
  OnnxBuilder arg_max;
  arg_max.input("x", {1, 3, 8, 8})
      .conv("x", 3, 8, "features")
      .node("ArgMax", {"features"}, {"class"}, {{"axis", int64_t{1}}})
      .output("class");
  Graph graph = arg_max.graph();
  EXPECT_THAT(prepare(graph, {}), ElementsAre(HasSubstr("'n_class' (ArgMax) chooses among results")));
  EXPECT_THAT(graph.outputs, ElementsAre("features"));

  OnnxBuilder suppression;
  suppression.input("x", {1, 3, 8, 8})
      .conv("x", 3, 4, "map")
      .node("Relu", {"map"}, {"boxes"})
      .node("Sigmoid", {"map"}, {"scores"});
  suppression.node("NonMaxSuppression", {"boxes", "scores"}, {"kept"})
      .node("Gather", {"boxes", "kept"}, {"y"})
      .output("y");
  graph = suppression.graph();
  prepare(graph, {});
  EXPECT_THAT(graph.outputs, ElementsAre("boxes", "scores"));
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
