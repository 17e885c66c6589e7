// Reading ONNX files: element types, attribute forms of old opsets, and files that are wrong.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include "tests/import/onnx_builder.h"
#include "tests/shared_data.h"
#include "toolchain/import/onnx/import.h"

namespace shrike::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::error_of;
using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

Graph product_with(const std::function<void(OnnxBuilder&)>& add_initializer) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Mul", {"x", "c"}, {"y"}).output("y");
  add_initializer(builder);
  return builder.graph();
}

TEST(Import, ReadsEveryFloatTypeTypedAndRaw) {
  const Floats expected = {1.0f, -2.5f, 0.0f, 65504.0f};
  const uint16_t halves[] = {0x3c00, 0xc100, 0x0000, 0x7bff};
  const double doubles[] = {1.0, -2.5, 0.0, 65504.0};
  EXPECT_EQ(product_with([&](OnnxBuilder& b) { b.floats("c", {4}, expected); }).tensor("c").values, expected);
  EXPECT_EQ(product_with([&](OnnxBuilder& b) {
              b.initializer("c", onnx::TensorProto::FLOAT, {4}).set_raw_data(expected.data(), 16);
            })
                .tensor("c")
                .values,
            expected);
  EXPECT_EQ(product_with([&](OnnxBuilder& b) {
              b.initializer("c", onnx::TensorProto::DOUBLE, {4}).set_raw_data(doubles, sizeof(doubles));
            })
                .tensor("c")
                .values,
            expected);
  EXPECT_EQ(product_with([&](OnnxBuilder& b) {
              b.initializer("c", onnx::TensorProto::FLOAT16, {4}).set_raw_data(halves, sizeof(halves));
            })
                .tensor("c")
                .values,
            expected);
  EXPECT_EQ(product_with([&](OnnxBuilder& b) {
              auto& tensor = b.initializer("c", onnx::TensorProto::FLOAT16, {4});
              for (const uint16_t half : halves) tensor.add_int32_data(half);
            })
                .tensor("c")
                .values,
            expected);
}

TEST(Import, ReadsSubnormalHalves) {
  const uint16_t half = 0x0001;
  const Graph graph = product_with(
      [&](OnnxBuilder& b) { b.initializer("c", onnx::TensorProto::FLOAT16, {1}).set_raw_data(&half, 2); });
  EXPECT_EQ(graph.tensor("c").values, Floats{0x1p-24f});
}

TEST(Import, ReadsIntegersAndBooleansAsInt64) {
  const int32_t words[] = {-7, 9};
  const Graph graph = product_with([&](OnnxBuilder& b) {
    b.initializer("c", onnx::TensorProto::INT32, {2}).set_raw_data(words, sizeof(words));
    auto& flag = b.initializer("flag", onnx::TensorProto::BOOL, {2});
    flag.add_int32_data(1);
    flag.add_int32_data(0);
  });
  EXPECT_EQ(graph.tensor("c").type, ElementType::kInt64);
  EXPECT_EQ(graph.tensor("c").integers, (Ints{-7, 9}));
  EXPECT_EQ(graph.tensor("flag").integers, (Ints{1, 0}));
}

TEST(Import, GivesEveryReaderOfAConstantItsOwnCopy) {
  const Graph graph = OnnxBuilder()
                          .input("x", {1, 4})
                          .filled("c", {4}, 2)
                          .node("Mul", {"x", "c"}, {"a"})
                          .node("Add", {"a", "c"}, {"y"})
                          .output("y")
                          .graph();
  EXPECT_THAT(graph.nodes[0].inputs, ElementsAre("x", "c"));
  EXPECT_THAT(graph.nodes[1].inputs, ElementsAre("a", "c_1"));
  EXPECT_EQ(graph.tensor("c_1").values, Floats(4, 2));
}

TEST(Import, NamesNodesThatHaveNoNameOrShareOne) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Relu", {"x"}, {"a"}).node("Relu", {"a"}, {"b"}).node("Relu", {"b"}, {"c"});
  builder.output("c");
  auto* nodes = builder.model.mutable_graph()->mutable_node();
  nodes->Mutable(0)->set_name("same");
  nodes->Mutable(1)->set_name("same");
  nodes->Mutable(2)->clear_name();
  const Graph graph = builder.graph();
  EXPECT_EQ(graph.nodes[0].name, "same");
  EXPECT_EQ(graph.nodes[1].name, "same_1");
  EXPECT_EQ(graph.nodes[2].name, "Relu_2");
}

TEST(Import, SortsNodesThatAreStoredOutOfOrder) {
  const Graph graph = OnnxBuilder()
                          .input("x", {1, 4})
                          .node("Relu", {"a"}, {"y"})
                          .node("Sigmoid", {"x"}, {"a"})
                          .output("y")
                          .graph();
  EXPECT_EQ(graph.nodes[0].op, "Sigmoid");
  EXPECT_EQ(graph.nodes[1].op, "Relu");
}

TEST(Import, TreatsAnOpenBatchAsOne) {
  Graph graph = OnnxBuilder().input("x", {-1, 3, 8, 8}).node("Relu", {"x"}, {"y"}).output("y").graph();
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor("y").shape, (Shape{1, 3, 8, 8}));
}

TEST(Import, TurnsConstantNodesIntoConstants) {
  OnnxBuilder builder;
  builder.input("x", {1, 2}).node("Constant", {}, {"c"}, {{"value_floats", Floats{3, 4}}});
  builder.node("Mul", {"x", "c"}, {"y"}).output("y");
  const Graph graph = builder.graph();
  EXPECT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.tensor("c").values, (Floats{3, 4}));
}

TEST(Import, MovesOldAttributesIntoInputs) {
  const Graph graph = OnnxBuilder(11)
                          .input("x", {1, 6, 4, 4})
                          .node("Split", {"x"}, {"a", "b"}, {{"axis", int64_t{1}}, {"split", Ints{2, 4}}})
                          .node("Unsqueeze", {"a"}, {"c"}, {{"axes", Ints{0}}})
                          .node("Squeeze", {"c"}, {"d"}, {{"axes", Ints{0}}})
                          .node("Clip", {"d"}, {"e"}, {{"min", 0.0f}, {"max", 6.0f}})
                          .node("ReduceMean", {"b"}, {"f"}, {{"axes", Ints{2, 3}}, {"keepdims", int64_t{1}}})
                          .output("e")
                          .output("f")
                          .graph();
  const auto constant = [&](size_t node, size_t slot) {
    return graph.tensor(graph.nodes.at(node).inputs.at(slot));
  };
  EXPECT_EQ(constant(0, 1).integers, (Ints{2, 4}));
  EXPECT_EQ(constant(1, 1).integers, Ints{0});
  EXPECT_EQ(constant(2, 1).integers, Ints{0});
  EXPECT_EQ(constant(3, 1).values, Floats{0});
  EXPECT_EQ(constant(3, 2).values, Floats{6});
  EXPECT_EQ(constant(4, 1).integers, (Ints{2, 3}));
  for (const Node& node : graph.nodes) {
    for (const char* key : {"split", "axes", "min", "max"}) EXPECT_EQ(node.attributes.count(key), 0u);
  }
}

OnnxBuilder minimal(int64_t opset = 13) {
  OnnxBuilder builder(opset);
  builder.input("x", {1, 4}).node("Relu", {"x"}, {"y"}).output("y");
  return builder;
}

TEST(ImportErrors, OpsetsOutside7To24) {
  EXPECT_NO_THROW(minimal(7).graph());
  EXPECT_NO_THROW(minimal(24).graph());
  EXPECT_THAT(error_of([] { minimal(6).graph(); }), HasSubstr("opset 7 to 24 was expected, found 6"));
  EXPECT_THAT(error_of([] { minimal(25).graph(); }), HasSubstr("found 25"));
  OnnxBuilder two = minimal();
  two.model.add_opset_import()->set_version(12);
  EXPECT_THAT(error_of([&] { two.graph(); }), HasSubstr("one ONNX opset was expected, found 13 and 12"));
}

TEST(ImportErrors, MissingAndDoublyDefinedTensors) {
  EXPECT_EQ(
      error_of([] {
        minimal().node("Add", {"y", "ghost"}, {"z"}).graph();
      }),
      "test.onnx: node 'n_z' (Add) reads the tensor 'ghost', which nothing provides; export the model again");
  EXPECT_EQ(error_of([] { minimal().node("Relu", {"x"}, {"y"}).graph(); }),
            "test.onnx: the tensor 'y' is defined twice; export the model again");
  EXPECT_THAT(error_of([] { minimal().output("ghost").graph(); }),
              HasSubstr("graph output 'ghost' is made by no node"));
}

TEST(ImportErrors, Cycles) {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Add", {"x", "b"}, {"a"}).node("Relu", {"a"}, {"b"}).output("b");
  EXPECT_THAT(error_of([&] { builder.graph(); }), HasSubstr("the nodes form a cycle"));
}

TEST(ImportErrors, DataThatDoNotFitTheShape) {
  OnnxBuilder builder = minimal();
  builder.initializer("c", onnx::TensorProto::FLOAT, {4}).set_raw_data("abc", 3);
  EXPECT_THAT(error_of([&] { builder.graph(); }),
              HasSubstr("16 bytes of data were expected for its shape, found 3"));
  OnnxBuilder negative = minimal();
  negative.initializer("c", onnx::TensorProto::FLOAT, {-4});
  EXPECT_THAT(error_of([&] { negative.graph(); }), HasSubstr("initializer 'c'"));
  OnnxBuilder huge = minimal();
  huge.initializer("c", onnx::TensorProto::FLOAT, {int64_t{1} << 31, int64_t{1} << 31, int64_t{1} << 31});
  EXPECT_THAT(error_of([&] { huge.graph(); }), HasSubstr("initializer 'c'"));
}

TEST(Import, ActivationsThatOnnxRuntimeContributed) {
  for (const auto& [contributed, op] : std::map<std::string, std::string>{
           {"FastGelu", "Gelu"}, {"Gelu", "Gelu"}, {"QuickGelu", "QuickGelu"}}) {
    OnnxBuilder model = minimal();
    onnx::NodeProto& node = *model.model.mutable_graph()->mutable_node(0);
    node.set_op_type(contributed);
    node.set_domain("com.microsoft");
    const Graph graph = model.graph();
    EXPECT_EQ(graph.nodes.at(0).op, op);
    EXPECT_EQ(graph.nodes[0].text("approximate", "none"), contributed == "FastGelu" ? "tanh" : "none");
    node.set_op_type("BiasGelu");
    EXPECT_THAT(error_of([&] { model.graph(); }), HasSubstr("domain 'com.microsoft'"));
  }
}

TEST(ImportErrors, KindsOfModelsThatAreNotSupported) {
  OnnxBuilder text = minimal();
  text.initializer("c", onnx::TensorProto::STRING, {1});
  EXPECT_THAT(error_of([&] { text.graph(); }), HasSubstr("found STRING"));
  OnnxBuilder external = minimal();
  external.model.mutable_graph()->add_initializer()->CopyFrom(tests::external_tensor("c", {1}, "w.data"));
  EXPECT_THAT(error_of([&] { external.graph(); }), HasSubstr("only read beside a model file"));
  OnnxBuilder custom = minimal();
  custom.model.mutable_graph()->mutable_node(0)->set_domain("com.acme");
  EXPECT_THAT(error_of([&] { custom.graph(); }), HasSubstr("domain 'com.acme'"));
  OnnxBuilder loop = minimal();
  auto* body = loop.model.mutable_graph()->mutable_node(0)->add_attribute();
  body->set_name("body");
  body->set_type(onnx::AttributeProto::GRAPH);
  EXPECT_THAT(error_of([&] { loop.graph(); }), HasSubstr("node 'n_y' (Relu) contains a subgraph"));
  OnnxBuilder nan = minimal();
  nan.floats("c", {1}, {NAN});
  EXPECT_THAT(error_of([&] { nan.graph(); }), HasSubstr("found NaN"));
}

TEST(ImportErrors, NamesThatAreNotText) {
  OnnxBuilder builder = minimal();
  builder.model.mutable_graph()->mutable_node(0)->set_name("a\xff");
  EXPECT_THAT(error_of([&] { builder.graph(); }),
              HasSubstr("printable UTF-8 was expected for a node's name"));
}

TEST(ImportErrors, FilesThatAreNoModels) {
  const std::string end =
      "an ONNX model was expected, found something else or a truncated file; export or copy it again";
  EXPECT_EQ(error_of([] { import_onnx_bytes("", "empty.onnx"); }),
            "empty.onnx: an ONNX model was expected, found an empty file");
  EXPECT_EQ(error_of([] { import_onnx_bytes("\x89PNG\r\n\x1a\n", "cat.png"); }), "cat.png: " + end);
  EXPECT_EQ(error_of([] { import_onnx_bytes(std::string(1000, '\0'), "zero.onnx"); }), "zero.onnx: " + end);
  EXPECT_THAT(error_of([] { import_onnx("/nonexistent/model.onnx"); }), HasSubstr("/nonexistent/model.onnx"));
}

TEST(ImportErrors, GarbageNeverGetsThrough) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(1 + random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    EXPECT_THROW(import_onnx_bytes(bytes, "garbage.onnx"), Error);
  }
}

// Import and the whole recipe either work or end in one Error; nothing else may escape.
void survive(const std::string& bytes) {
  try {
    Graph graph = import_onnx_bytes(bytes, "damaged.onnx");
    prepare(graph, {});
    check(graph);
  } catch (const Error& error) {
    EXPECT_STRNE(error.what(), "");
  }
}

TEST(ImportErrors, TruncatedRealModels) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  std::ifstream file(tests::shared_root() + "/models/yolo11n.onnx", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  ASSERT_EQ(bytes.size(), 10699067u);
  for (size_t size = 1; size + 4096 < bytes.size(); size += bytes.size() / 40) {
    EXPECT_THROW(import_onnx_bytes(bytes.substr(0, size), "cut.onnx"), Error) << size;
  }
  for (size_t missing = 1; missing < 3000; missing += 97) survive(bytes.substr(0, bytes.size() - missing));
}

}  // namespace
}  // namespace shrike::graph
