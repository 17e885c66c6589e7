// What ONNX files of other opsets and exporters say, and what the import makes of it.
#include <gmock/gmock.h>

#include <cmath>

#include "tests/import/onnx_builder.h"
#include "toolchain/graph/batch.h"
#include "toolchain/graph/range_hints.h"

namespace shrike::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::count_op;
using tests::error_of;
using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

const Tensor& input_of(const Graph& graph, size_t node, size_t slot) {
  return graph.tensor(graph.nodes.at(node).inputs.at(slot));
}

TEST(Dialects, OldAttributesOfClipPadSliceAndTopK) {
  const Graph graph =
      OnnxBuilder(9)
          .input("x", {1, 6, 4, 4})
          .node("Clip", {"x"}, {"a"}, {{"min", 0.0f}, {"max", 6.0f}})
          .node("Pad", {"a"}, {"b"}, {{"pads", Ints{0, 0, 1, 1, 0, 0, 1, 1}}, {"value", 2.0f}})
          .node("Slice", {"b"}, {"c"}, {{"starts", Ints{1}}, {"ends", Ints{3}}, {"axes", Ints{2}}})
          .node("TopK", {"c"}, {"v", "i"}, {{"k", int64_t{2}}, {"axis", int64_t{1}}})
          .output("v")
          .graph();
  EXPECT_EQ(input_of(graph, 0, 2).values, Floats{6});
  EXPECT_EQ(input_of(graph, 1, 1).integers, (Ints{0, 0, 1, 1, 0, 0, 1, 1}));
  EXPECT_EQ(input_of(graph, 1, 2).values, Floats{2});
  EXPECT_EQ(input_of(graph, 2, 3).integers, Ints{2});
  EXPECT_EQ(input_of(graph, 3, 1).integers, Ints{2});
}

TEST(Dialects, SumsOfSeveralBecomeChainsOfTwo) {
  Graph graph = OnnxBuilder(8)
                    .input("x", {1, 4})
                    .filled("c", {4}, 1)
                    .node("Relu", {"x"}, {"r"})
                    .node("Sum", {"x", "r", "c"}, {"s"})
                    .node("Mean", {"s", "x"}, {"m"})
                    .node("Max", {"m", "x", "r"}, {"y"})
                    .node("Min", {"y"}, {"z"})
                    .output("z")
                    .graph();
  EXPECT_EQ(count_op(graph, "Sum") + count_op(graph, "Mean"), 0);
  EXPECT_EQ(count_op(graph, "Add"), 3);
  EXPECT_EQ(count_op(graph, "Max"), 2);
  EXPECT_EQ(count_op(graph, "Identity"), 1);  // of the Min of one
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor("z").shape, (Shape{1, 4}));
  for (const Node& node : graph.nodes) {
    if (node.op == "Mul") {
      EXPECT_EQ(graph.tensor(node.inputs[1]).values, Floats{0.5f});
    }
  }
}

TEST(Dialects, ResultsThatOnlyTrainingReadsGo) {
  OnnxBuilder builder(11);
  builder.input("x", {1, 2, 4, 4});
  for (const char* name : {"gamma", "beta", "mean", "var"}) builder.filled(name, {2}, 1);
  const Graph graph =
      builder.node("BatchNormalization", {"x", "gamma", "beta", "mean", "var"}, {"n", "m1", "v1", "m2", "v2"})
          .node("MaxPool", {"n"}, {"p", "where"}, {{"kernel_shape", Ints{2, 2}}})
          .node("Dropout", {"p"}, {"y", "mask"}, {{"ratio", 0.5f}})
          .output("y")
          .graph();
  for (const Node& node : graph.nodes) EXPECT_EQ(node.outputs.size(), 1u) << node.name;
  EXPECT_EQ(graph.tensors.count("mask"), 0u);
}

TEST(Dialects, AMaskThatIsReadIsTrueEverywhere) {
  Graph graph = OnnxBuilder()
                    .input("x", {1, 4})
                    .node("Dropout", {"x"}, {"d", "mask"})
                    .node("Where", {"mask", "d", "x"}, {"y"})
                    .output("y")
                    .graph();
  fold_constants(graph);
  EXPECT_EQ(graph.tensor("mask").integers, Ints(4, 1));
}

TEST(Dialects, CastLikeTakesTheTypeOfItsSecondInput) {
  Graph graph = OnnxBuilder(18)
                    .input("x", {2, 4})
                    .integers("one", {1})
                    .floats("half", {1}, {0.5f})
                    .node("CastLike", {"one", "x"}, {"c"})
                    .node("Mul", {"x", "c"}, {"m"})
                    .node("Shape", {"m"}, {"s"})
                    .node("Gather", {"s", "one"}, {"g"})
                    .node("CastLike", {"half", "g"}, {"w"})
                    .node("CastLike", {"m", "half"}, {"y"})
                    .output("y")
                    .output("w")
                    .graph();
  EXPECT_EQ(count_op(graph, "CastLike"), 0);
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor("c").type, ElementType::kFloat);
  EXPECT_EQ(graph.tensor("w").type, ElementType::kInt64);
  EXPECT_EQ(graph.tensor("y").type, ElementType::kFloat);
}

TEST(Dialects, WholeExponentsOfFloatsBecomeFloats) {
  Graph graph = OnnxBuilder()
                    .input("x", {1, 4})
                    .integers("two", {2})
                    .node("Pow", {"x", "two"}, {"y"})
                    .output("y")
                    .graph();
  write_out_operands(graph);
  EXPECT_EQ(input_of(graph, 0, 1).values, Floats{2});
  EXPECT_EQ(input_of(graph, 0, 1).type, ElementType::kFloat);
}

TEST(Dialects, ABatchBecomesOneImage) {
  Graph graph = OnnxBuilder()
                    .input("x", {4, 2, 3, 3})
                    .integers("flat", {4, 18})
                    .node("Relu", {"x"}, {"r"})
                    .node("Reshape", {"r", "flat"}, {"y"})
                    .output("y")
                    .graph();
  set_batch_to_one(graph);
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor("x").shape, (Shape{1, 2, 3, 3}));
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 18}));
}

TEST(Dialects, PixelsInBytesAreAnInputOfFloats) {
  OnnxBuilder builder;
  builder.input("x", {1, 3, 4, 4}).node("Cast", {"x"}, {"y"}, {{"to", int64_t{1}}}).output("y");
  builder.model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(
      onnx::TensorProto::UINT8);
  EXPECT_EQ(builder.graph().tensor("x").type, ElementType::kFloat);
}

OnnxBuilder quantized(int zero_point_type) {
  OnnxBuilder builder;
  builder.input("x", {1, 2}).floats("s", {}, {0.5f}).floats("ws", {2}, {0.25f, 2});
  builder.initializer("z", zero_point_type, {}).add_int32_data(3);
  builder.initializer("wz", onnx::TensorProto::INT8, {2}).add_int32_data(0);
  builder.model.mutable_graph()->mutable_initializer(3)->add_int32_data(0);
  auto& weights = builder.initializer("w", onnx::TensorProto::INT8, {2, 2});
  for (const int32_t value : {-128, 4, 0, 127}) weights.add_int32_data(value);
  builder.node("QuantizeLinear", {"x", "s", "z"}, {"q"}).node("DequantizeLinear", {"q", "s", "z"}, {"d"});
  builder.node("DequantizeLinear", {"w", "ws", "wz"}, {"wf"}, {{"axis", int64_t{0}}});
  return builder.node("MatMul", {"d", "wf"}, {"y"}).output("y");
}

TEST(Dialects, QuantisedModelsBecomeFloatOnesWithHints) {
  Graph graph = quantized(onnx::TensorProto::UINT8).graph();
  remove_identities(graph);
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].inputs[0], "x");
  EXPECT_EQ(input_of(graph, 0, 1).values, (Floats{-32, 1, 0, 254}));
  EXPECT_THAT(range_hints(graph), ElementsAre(std::pair<const std::string, RangeHint>{"x", {-1.5f, 126}}));
  EXPECT_EQ(range_hints(quantized(onnx::TensorProto::INT8).graph()).at("x"), (RangeHint{-65.5f, 62}));
}

TEST(Dialects, WeightsBehindBothOperatorsAreRounded) {
  OnnxBuilder builder;
  builder.input("x", {1, 3}).floats("w", {3}, {0.26f, -100, 0.12f}).floats("s", {}, {0.25f});
  builder.initializer("z", onnx::TensorProto::INT8, {}).add_int32_data(0);
  builder.node("QuantizeLinear", {"w", "s", "z"}, {"q"}).node("DequantizeLinear", {"q", "s", "z"}, {"d"});
  const Graph graph = builder.node("Mul", {"x", "d"}, {"y"}).output("y").graph();
  EXPECT_EQ(input_of(graph, 0, 1).values, (Floats{0.25f, -32, 0}));
}

TEST(DialectErrors, OperatorsThatComputeOnIntegers) {
  OnnxBuilder builder;
  builder.input("x", {1, 2}).node("DynamicQuantizeLinear", {"x"}, {"q", "s", "z"}).output("q");
  EXPECT_THAT(error_of([&] { builder.graph(); }),
              HasSubstr("node 'n_q' (DynamicQuantizeLinear): it computes on"));
}

TEST(DialectErrors, NodesWithTooFewOrTooManyInputs) {
  for (const char* op : {"Cast", "Identity", "Relu", "Concat"}) {
    OnnxBuilder builder;
    builder.input("x", {1, 4}).node(op, {}, {"y"}).output("y");
    EXPECT_THAT(error_of([&] { builder.graph(); }), HasSubstr("has 0 inputs, 1")) << op;
  }
  OnnxBuilder surplus;
  surplus.input("x", {1, 4}).node("Relu", {"x", "x"}, {"y"}).output("y");
  EXPECT_EQ(error_of([&] { surplus.graph(); }),
            "test.onnx: node 'n_y' (Relu) has 2 inputs, 1 were expected; export the model again");
  OnnxBuilder gap;
  gap.input("x", {1, 4}).node("Concat", {"", "x"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  EXPECT_THAT(error_of([&] { gap.graph(); }), HasSubstr("lacks its first input"));
}

TEST(DialectErrors, OtherMeanings) {
  const auto refusal = [](const std::string& op, const tests::Attribute& attribute) {
    OnnxBuilder builder(19);
    builder.input("x", {1, 4}).node(op, {"x"}, {"y"}, {attribute}).output("y");
    return error_of([&] { builder.graph(); });
  };
  EXPECT_THAT(refusal("Dropout", {"training_mode", int64_t{1}}), HasSubstr("model.eval()"));
  EXPECT_THAT(refusal("Resize", {"keep_aspect_ratio_policy", std::string("not_larger")}),
              HasSubstr("keep_aspect_ratio_policy"));
  EXPECT_THAT(refusal("Swish", {"alpha", 2.0f}), HasSubstr("an alpha of 1 was expected, found 2"));
  EXPECT_THAT(refusal("LeakyRelu", {"alpha", NAN}), HasSubstr("'alpha' is NaN"));
}

TEST(DialectErrors, AFunctionNamedLikeAnOperator) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Relu", {"x"}, {"y"}).output("y");
  builder.model.add_functions()->set_name("Relu");
  EXPECT_THAT(error_of([&] { builder.graph(); }), HasSubstr("defines the standard operator 'Relu' anew"));
}

TEST(DialectErrors, TensorsWithTheirDataInTwoPlaces) {
  OnnxBuilder both;
  both.input("x", {1, 1}).floats("c", {1}, {1}).node("Mul", {"x", "c"}, {"y"}).output("y");
  both.model.mutable_graph()->mutable_initializer(0)->set_raw_data("abcd");
  EXPECT_THAT(error_of([&] { both.graph(); }), HasSubstr("in one place, found 2"));
  OnnxBuilder part;
  part.input("x", {1, 1}).floats("c", {1}, {1}).node("Mul", {"x", "c"}, {"y"}).output("y");
  part.model.mutable_graph()->mutable_initializer(0)->mutable_segment()->set_begin(0);
  EXPECT_THAT(error_of([&] { part.graph(); }), HasSubstr("a segment of a tensor"));
}

TEST(DialectErrors, TensorsThatHoldNothing) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).integers("none", {});
  builder.node("Gather", {"x", "none"}, {"y"}, {{"axis", int64_t{1}}}).output("y");
  Graph graph = builder.graph();
  EXPECT_THAT(error_of([&] { infer_shapes(graph); }), HasSubstr("'y' would be [1,0], which holds nothing"));
}

TEST(DialectErrors, ConstantsThatWouldFillTheMemory) {
  OnnxBuilder builder;
  builder.input("x", {1, 1});
  for (int i = 0; i < 6; ++i) {
    const std::string name = "c" + std::to_string(i);
    builder.integers(name + "_size", {1 << 24}).node("ConstantOfShape", {name + "_size"}, {name});
  }
  Graph graph = builder.node("Relu", {"x"}, {"y"}).output("y").graph();
  EXPECT_THAT(error_of([&] { fold_constants(graph); }), HasSubstr("have more than 67108864 elements"));
}

TEST(DialectErrors, ASharedConstantWhoseCopiesWouldFillTheMemory) {
  OnnxBuilder builder;
  builder.input("x", {1, 1}).filled("c", {1 << 20}, 1);
  std::string last = "x";
  for (int i = 0; i < 70; ++i) {
    builder.node("Mul", {last, "c"}, {"y" + std::to_string(i)});
    last = "y" + std::to_string(i);
  }
  builder.output(last);
  EXPECT_THAT(error_of([&] { builder.graph(); }), HasSubstr("read by so many nodes"));
}

// Seconds when every new name or Identity looks at the whole graph: a test that ends late has failed.
TEST(Dialects, ManySharedConstantsAndIdentities) {
  OnnxBuilder builder(11);
  builder.input("x", {1, 4}).filled("c", {4}, 1);
  std::string last = "x";
  for (int i = 0; i < 20000; ++i) {
    const std::string name = std::to_string(i);
    builder.node("Identity", {last}, {"i" + name}).node("Add", {"i" + name, "c"}, {"a" + name});
    last = "a" + name;
  }
  Graph graph = builder.output(last).graph();
  remove_identities(graph);
  EXPECT_EQ(graph.nodes.size(), 20000u);
}

}  // namespace
}  // namespace shrike::graph
