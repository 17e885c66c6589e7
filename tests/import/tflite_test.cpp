// TensorFlow Lite files: layout, quantisation, and files that are wrong. Real files where the shared data
// are.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

#include "tests/import/onnx_builder.h"
#include "tests/import/tflite_writer.h"
#include "tests/import/zip_writer.h"
#include "tests/shared_data.h"
#include "toolchain/graph/range_hints.h"
#include "toolchain/import/import.h"

namespace shrike::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::count_op;
using tests::error_of;
using tests::Floats;
using tests::TfliteWriter;

constexpr int8_t kSame = 0, kValid = 1;

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Graph import(const TfliteWriter& writer, const std::vector<int32_t>& inputs,
             const std::vector<int32_t>& outputs) {
  return import_model_bytes(writer.bytes(inputs, outputs), "m.tflite");
}

const Node& only(const Graph& graph, const std::string& op) {
  for (const Node& node : graph.nodes) {
    if (node.op == op) return node;
  }
  throw Error("no " + op);
}

TEST(Tflite, ConvolutionsReadChannelsFirst) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 5, 7, 2});
  const int32_t y = t.op(3, {x, t.floats({1, 1, 2, 2}, {1, 2, 3, 4}), t.floats({1}, {9})}, {1, 3, 4, 1},
                         {{0, kSame}, {1, 2}, {2, 2}, {3, int8_t{3}}});
  Graph graph = import(t, {x}, {y});
  EXPECT_EQ(graph.tensor("images").shape, (Shape{1, 2, 5, 7}));
  const Node& conv = only(graph, "Conv");
  EXPECT_EQ(graph.tensor(conv.inputs[1]).shape, (Shape{1, 2, 1, 2}));
  EXPECT_EQ(graph.tensor(conv.inputs[1]).values, (Floats{1, 3, 2, 4}));  // [O,kh,kw,I] -> [O,I,kh,kw]
  // Rows: 5 -> 3 with stride 2 and a window of 1 need nothing; columns: 7 -> 4 with a window of 2 one at the
  // end.
  EXPECT_EQ(conv.integers("pads"), (std::vector<int64_t>{0, 0, 0, 1}));
  EXPECT_EQ(count_op(graph, "Clip"), 1);  // the fused ReLU6
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 1, 3, 4}));
}

TEST(Tflite, GroupsFollowFromTheFilters) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4, 4, 4});
  const int32_t y =
      t.op(3, {x, t.floats({2, 1, 1, 2}, {1, 2, 3, 4})}, {1, 4, 4, 2}, {{0, kValid}, {1, 1}, {2, 1}});
  EXPECT_EQ(only(import(t, {x}, {y}), "Conv").integer("group", 0), 2);
}

TEST(Tflite, TransposesThatUndoEachOtherAreNotWritten) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 2, 3, 4});
  const int32_t first = t.op(39, {x, t.integers({0, 3, 1, 2})}, {1, 4, 2, 3});
  const int32_t relu = t.op(19, {first}, {1, 4, 2, 3});
  const int32_t flat = t.op(22, {relu}, {1, 4, 6});
  const int32_t second = t.op(39, {relu, t.integers({0, 2, 3, 1})}, {1, 2, 3, 4});
  const Graph graph =
      import(t, {x}, {flat, t.op(17, {second}, {1, 2, 3, 4}, {{0, kSame}, {1, 1}, {2, 1}, {3, 1}, {4, 1}})});
  EXPECT_EQ(count_op(graph, "Transpose"), 0);
  EXPECT_EQ(count_op(graph, "Reshape"), 1);
}

// The pixels of an image in front of a dense layer: its columns move, not the pixels.
TEST(Tflite, FlattenedImagesMoveTheWeightsBehind) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 1, 2, 3});  // pixels p, q with channels 0, 1, 2
  const int32_t flat = t.op(22, {x}, {1, 6});
  const int32_t y = t.op(9, {flat, t.floats({1, 6}, {1, 2, 3, 4, 5, 6})}, {1, 1});
  const Graph graph = import(t, {x}, {y});
  EXPECT_EQ(count_op(graph, "Transpose"), 0);
  EXPECT_EQ(graph.tensor(only(graph, "Gemm").inputs[1]).values, (Floats{1, 4, 2, 5, 3, 6}));
}

TEST(Tflite, ConcatAndSliceFindTheirAxis) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4, 4, 3});
  const int32_t part =
      t.op(45, {x, t.integers({0, 0, 0, 1}), t.integers({0, 0, 0, 3}), t.integers({1, 1, 1, 1})},
           {1, 4, 4, 2}, {{0, 7}, {1, 7}});
  const int32_t y = t.op(2, {x, part}, {1, 4, 4, 5}, {{0, -1}});
  Graph graph = import(t, {x}, {y});
  EXPECT_EQ(graph.tensor(only(graph, "Slice").inputs[3]).integers, std::vector<int64_t>{1});
  EXPECT_EQ(only(graph, "Concat").integer("axis", 0), 1);
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 5, 4, 4}));
}

// PyTorch's chunk, as converters write it.
TEST(Tflite, SlicesThatShareATensorOutAreOneSplit) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4, 4, 3});
  const auto part = [&](int32_t first, int32_t last) {
    return t.op(45, {x, t.integers({0, 0, 0, first}), t.integers({0, 0, 0, last}), t.integers({1, 1, 1, 1})},
                {1, 4, 4, last - first}, {{0, 7}, {1, 7}});
  };
  const int32_t back = part(1, 3), front = part(0, 1);
  Graph graph = import(t, {x}, {front, back});
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.tensor(graph.nodes[0].inputs[1]).integers, (std::vector<int64_t>{1, 2}));
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor(graph.outputs[0]).shape, (Shape{1, 1, 4, 4}));
  EXPECT_EQ(graph.tensor(graph.outputs[1]).shape, (Shape{1, 2, 4, 4}));
}

TEST(Tflite, ConstantsOfChannelsAreBroadcastAlongThem) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4, 4, 3});
  const Graph graph = import(t, {x}, {t.op(0, {x, t.floats({3}, {1, 2, 3})}, {1, 4, 4, 3})});
  EXPECT_EQ(graph.tensor(only(graph, "Add").inputs[1]).shape, (Shape{1, 3, 1, 1}));
}

TEST(Tflite, OperatorsThatAreTwoOrHaveAnotherName) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4}), z = t.tensor({1, 4});
  const int32_t square = t.op(92, {x}, {1, 4}), difference = t.op(99, {square, z}, {1, 4});
  const int32_t norm = t.op(11, {difference}, {1, 4}),
                least = t.op(89, {norm, t.integers({1})}, {1, 1}, {{0, int8_t{1}}});
  const Graph graph = import(t, {x, z}, {least, t.op(50, {norm}, {1, 4})});
  EXPECT_EQ(count_op(graph, "Mul"), 2);
  EXPECT_EQ(count_op(graph, "Sub"), 1);
  for (const char* op : {"LpNormalization", "ReduceMin", "LogSoftmax"})
    EXPECT_EQ(count_op(graph, op), 1) << op;
}

TEST(Tflite, IntegersBecomeWhatTheyMean) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 2, 2, 1}, TfliteWriter::kI8, "", {{0.5f}, {-128}, 0});
  const int32_t w =
      t.tensor({2, 1, 1, 1}, TfliteWriter::kI8, std::string("\x02\xff", 2), {{0.25f, 2}, {0, 0}, 0});
  const int32_t bias[] = {8, -8};
  const int32_t b =
      t.tensor({2}, TfliteWriter::kI32, {reinterpret_cast<const char*>(bias), 8}, {{0.125f, 1}, {0, 0}, 0});
  const Graph graph = import(t, {x}, {t.op(3, {x, w, b}, {1, 2, 2, 2}, {{0, kValid}, {1, 1}, {2, 1}})});
  EXPECT_EQ(graph.tensor(only(graph, "Conv").inputs[1]).values, (Floats{0.5f, -2}));
  EXPECT_EQ(graph.tensor(only(graph, "Conv").inputs[2]).values, (Floats{1, -8}));
  EXPECT_THAT(range_hints(graph),
              ElementsAre(std::pair<const std::string, RangeHint>{"images", {0, 127.5f}}));
}

TEST(Tflite, HalvesAreReadThroughTheirDequantize) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 2});
  const int32_t w = t.op(6, {t.tensor({2}, TfliteWriter::kF16, std::string("\x00\x3c\x00\xc1", 4))}, {2});
  const Graph graph = import(t, {x}, {t.op(18, {x, w}, {1, 2})});
  EXPECT_EQ(graph.tensor(only(graph, "Mul").inputs[1]).values, (Floats{1, -2.5f}));
}

// How older converters write a depthwise convolution.
TEST(Tflite, ConvolutionsOfSingleChannelsAreMerged) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4, 4, 2});
  const int32_t left = t.tensor({1, 4, 4, 1}), right = t.tensor({1, 4, 4, 1});
  t.op_into(49, {t.integers({3}), x}, {left, right}, {{0, 2}});
  const auto conv = [&](int32_t part, float weight) {
    return t.op(3, {part, t.floats({1, 1, 1, 1}, {weight})}, {1, 4, 4, 1}, {{0, kSame}, {1, 1}, {2, 1}});
  };
  const int32_t a = conv(left, 5), b = conv(right, 7);
  const Graph graph = import(t, {x}, {t.op(2, {a, b}, {1, 4, 4, 2}, {{0, 3}})});
  ASSERT_EQ(graph.nodes.size(), 1u);
  EXPECT_EQ(graph.nodes[0].integer("group", 0), 2);
  EXPECT_EQ(graph.tensor(graph.nodes[0].inputs[1]).values, (Floats{5, 7}));
}

TEST(Tflite, NamesOfTheArchiveBehindTheModel) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 2});
  const std::string model = t.bytes({x}, {t.op(19, {x}, {1, 2})});
  const auto metadata = [&](const std::string& name, const std::string& text) {
    return import_model_bytes(model + tests::ZipWriter().add(name, text).bytes(), "m.tflite").metadata;
  };
  EXPECT_EQ(
      metadata("metadata.json", R"({"task": "detect", "stride": 32, "names": {"0": "cat", "1": "it's"}})")
          .at("names"),
      "{0: 'cat', 1: 'it\\'s'}");
  const auto python =
      metadata("temp_meta.txt", "{'stride': 32, 'imgsz': [224, 224], 'names': {0: 'cat', 10: \"dog\"}}");
  EXPECT_EQ(python.at("names"), "{0: 'cat', 10: 'dog'}");
  EXPECT_EQ(python.at("imgsz"), "[224, 224]");
  EXPECT_TRUE(metadata("metadata.json", "{'names': {0: ").empty());
}

TEST(TfliteErrors, NameTheOperator) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4, 4, 3});
  const std::string custom = t.bytes({x}, {t.op(32, {x}, {1, 4})});
  EXPECT_THAT(error_of([&] { import_model_bytes(custom, "m.tflite"); }),
              HasSubstr("m.tflite: operator 0 (CUSTOM): it is not supported; give the float model"));
  TfliteWriter wrong;
  const int32_t input = wrong.tensor({1, 4, 4, 3});
  const int32_t y = wrong.op(3, {input, wrong.floats({1, 1, 1, 2}, {1, 2})}, {1, 4, 4, 1});
  EXPECT_THAT(error_of([&] { import(wrong, {input}, {y}); }), HasSubstr("filters [1,1,1,2] do not fit"));
}

TEST(TfliteErrors, AStateThatIsKeptFromRunToRun) {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4}), state = t.state({1, 4});
  const int32_t y = t.op(27, {x, t.floats({4, 4}, std::vector<float>(16, 1)), state}, {1, 4});
  EXPECT_THAT(error_of([&] { import(t, {x}, {y}); }),
              HasSubstr("operator 0 (SVDF) keeps a state from run to run, which is not supported"));
}

TEST(TfliteErrors, OrderAndSizes) {
  TfliteWriter early;
  const int32_t x = early.tensor({1, 2}), later = early.tensor({1, 2});
  const int32_t y = early.op(19, {later}, {1, 2});
  early.op_into(19, {x}, {later});
  EXPECT_THAT(error_of([&] { import(early, {x}, {y}); }),
              HasSubstr("operator 0 (RELU) reads tensor 1 before it is made"));
  TfliteWriter small;
  const int32_t in = small.tensor({1, 2});
  const int32_t short_one = small.tensor({2}, TfliteWriter::kF32, "abcd");
  const int32_t out = small.op(0, {in, short_one}, {1, 2});
  EXPECT_THAT(error_of([&] { import(small, {in}, {out}); }),
              HasSubstr("holds 4 bytes, its shape asks for 8"));
  TfliteWriter steps;
  const int32_t a = steps.tensor({1, 2}, TfliteWriter::kI8, "", {{NAN}, {0}, 0});
  EXPECT_THAT(error_of([&] {
                import(steps, {a}, {steps.op(19, {a}, {1, 2})});
              }),
              HasSubstr("a scale of nan"));
}

// All kinds of operators, for damage.
std::string many_operators() {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 8, 8, 2});
  const int32_t w =
      t.tensor({2, 3, 3, 2}, TfliteWriter::kI8, std::string(36, '\x03'), {{0.25f, 2}, {0, 0}, 0});
  const int32_t c = t.op(3, {x, w, t.floats({2}, {1, 2})}, {1, 8, 8, 2}, {{0, kSame}, {1, 1}, {2, 1}});
  const int32_t d =
      t.op(4, {c, t.floats({1, 1, 1, 2}, {1, 2})}, {1, 8, 8, 2}, {{0, kSame}, {1, 1}, {2, 1}, {3, 1}});
  const int32_t p = t.op(17, {d}, {1, 4, 4, 2}, {{0, kSame}, {1, 2}, {2, 2}, {3, 2}, {4, 2}});
  const int32_t u = t.op(97, {p, t.integers({8, 8})}, {1, 8, 8, 2}, {{1, int8_t{1}}});
  const int32_t j = t.op(2, {u, d}, {1, 8, 8, 4}, {{0, 3}});
  const int32_t left = t.tensor({1, 8, 8, 2}), right = t.tensor({1, 8, 8, 2});
  t.op_into(49, {t.integers({3}), j}, {left, right}, {{0, 2}});
  const int32_t s = t.op(18, {left, right}, {1, 8, 8, 2});
  const int32_t n = t.op(39, {s, t.integers({0, 3, 1, 2})}, {1, 2, 8, 8});
  const int32_t r = t.op(22, {n, t.integers({1, 2, 64})}, {1, 2, 64});
  const int32_t m = t.op(126, {r, r}, {1, 2, 2}, {{1, int8_t{1}}});
  const int32_t mean = t.op(40, {s, t.integers({1, 2})}, {1, 2});
  const int32_t f = t.op(9, {mean, t.floats({3, 2}, {1, 2, 3, 4, 5, 6})}, {1, 3});
  return t.bytes({x}, {t.op(25, {f}, {1, 3}, {{0, 1.0f}}), m});
}

TEST(TfliteErrors, AThousandDamagedFiles) {
  const std::string bytes = many_operators();
  EXPECT_NO_THROW(import_model_bytes(bytes, "whole.tflite"));
  std::mt19937 random(5);
  int refused = 0;
  const auto survive = [&](const std::string& damaged) {
    try {
      Graph graph = import_model_bytes(damaged, "damaged.tflite");
      fold_constants(graph);
      infer_shapes(graph);
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "");
      ++refused;
    }
  };
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = bytes;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips)
      damaged[random() % damaged.size()] = static_cast<char>(random() % 4 == 0 ? random() : random() % 8);
    survive(damaged);
  }
  for (size_t size = 8; size < bytes.size(); size += 7) survive(bytes.substr(0, size));
  EXPECT_GT(refused, 500);
}

// The ONNX file was restored from this one (shared/data/README.md): biases exactly, weights to its step
// sizes.
TEST(Tflite, Yolo11nHasTheWeightsOfTheOnnxFile) {
  SHRIKE_NEEDS_SHARED("models/tflite/yolo11n_int8.tflite");
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  Graph tflite =
      import_model_bytes(read_whole(tests::shared_root() + "/models/tflite/yolo11n_int8.tflite"), "t");
  Graph onnx = import_model_bytes(read_whole(tests::shared_root() + "/models/yolo11n.onnx"), "o");
  EXPECT_EQ(count_op(tflite, "Pad"), 0);
  EXPECT_THAT(tflite.metadata.at("names"), HasSubstr("0: 'person'"));
  for (Graph* graph : {&tflite, &onnx})
    prepare(*graph, {.size = {}, .outputs = {}, .attention_scale_folded = false});
  EXPECT_EQ(tflite.outputs, onnx.outputs);
  EXPECT_EQ(tflite.nodes.size(), onnx.nodes.size());
  for (const char* op : {"Conv", "Swish", "Transpose", "Reshape", "MatMul", "Softmax", "MaxPool", "Resize"})
    EXPECT_EQ(count_op(tflite, op), count_op(onnx, op)) << op;
  // Sorted by their biases, which are the same numbers in both.
  const auto convolutions = [](const Graph& graph) {
    std::multimap<Floats, Floats> found;
    for (const Node& node : graph.nodes) {
      if (node.op == "Conv" && node.inputs.size() > 2)
        found.emplace(graph.tensor(node.inputs[2]).values, graph.tensor(node.inputs[1]).values);
    }
    return found;
  };
  const auto a = convolutions(tflite), b = convolutions(onnx);
  ASSERT_EQ(a.size(), b.size());
  for (auto i = a.begin(), j = b.begin(); i != a.end(); ++i, ++j) {
    EXPECT_EQ(i->first, j->first);
    ASSERT_EQ(i->second.size(), j->second.size());
    EXPECT_EQ(i->second, j->second);
  }
}

TEST(Tflite, OtherDeployedFilesAreRead) {
  SHRIKE_NEEDS_SHARED("models/tflite/person_detect.tflite");
  for (const char* name : {"person_detect.tflite", "yolo11n_full_integer_quant_224.tflite"}) {
    Graph graph = import_model_bytes(read_whole(tests::shared_root() + "/models/tflite/" + name), name);
    EXPECT_NO_THROW(infer_shapes(graph)) << name;
    EXPECT_FALSE(range_hints(graph).empty()) << name;
  }
}

}  // namespace
}  // namespace shrike::graph
