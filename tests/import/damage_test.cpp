// Damaged files: every truncation and every flipped bit of a model with all kinds of content either still
// gives a sound graph or ends in one Error. Meant to run under the sanitizers, too.
#include <algorithm>

#include "tests/import/onnx_builder.h"
#include "toolchain/import/onnx/import.h"

namespace shrike::graph {
namespace {

using tests::Ints;
using tests::OnnxBuilder;

// Convolution, batch norm, swish, pooling, upsampling, attention, a chain of shapes: small, but nothing left
// out.
std::string small_model() {
  OnnxBuilder b(12);
  b.input("x", {1, 3, 32, 32}).filled("w", {4, 3, 3, 3}, 0.25f);
  b.node("Conv", {"x", "w"}, {"c"}, {{"strides", Ints{8, 8}}, {"pads", Ints{1, 1, 1, 1}}});
  for (const char* name : {"gamma", "beta", "mean", "variance"}) b.filled(name, {4}, 1);
  b.node("BatchNormalization", {"c", "gamma", "beta", "mean", "variance"}, {"n"});
  b.node("Sigmoid", {"n"}, {"g"}).node("Mul", {"n", "g"}, {"s"});
  b.node("MaxPool", {"s"}, {"p"}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}});
  b.floats("scales", {4}, {1, 1, 2, 2})
      .node("Resize", {"p", "", "scales"}, {"u"}, {{"mode", std::string("nearest")}});
  b.node("Concat", {"s", "u"}, {"j"}, {{"axis", int64_t{1}}}).conv("j", 8, 8, "qkv");
  b.integers("heads", {1, 1, 8, 16}).node("Reshape", {"qkv", "heads"}, {"h"});
  b.node("Split", {"h"}, {"q", "k", "v"}, {{"axis", int64_t{2}}, {"split", Ints{2, 2, 4}}});
  b.node("Transpose", {"q"}, {"qt"}, {{"perm", Ints{0, 1, 3, 2}}}).node("MatMul", {"qt", "k"}, {"qk"});
  b.floats("d", {}, {0.5f})
      .node("Mul", {"qk", "d"}, {"a"})
      .node("Softmax", {"a"}, {"m"}, {{"axis", int64_t{3}}});
  b.node("MatMul", {"v", "m"}, {"vm"})
      .node("Shape", {"s"}, {"shape"})
      .node("Reshape", {"vm", "shape"}, {"r"});
  b.integers("starts", {0}).integers("ends", {2}).integers("axes", {1});
  b.node("Slice", {"r", "starts", "ends", "axes"}, {"y"}).output("y");
  return b.bytes();
}

// True when the damaged file still gave a graph.
bool survive(const std::string& bytes) {
  try {
    Graph graph = import_onnx_bytes(bytes, "damaged.onnx");
    to_text(graph);
    PrepareOptions options;
    options.outputs = {graph.outputs.front()};
    prepare(graph, options);
    resize_input(graph, {64, 32});
    check(graph);
    return true;
  } catch (const Error& error) {
    EXPECT_STRNE(error.what(), "");
    return false;
  }
}

TEST(Damage, TheModelItselfIsSound) {
  EXPECT_TRUE(survive(small_model()));
}

TEST(Damage, EveryTruncation) {
  const std::string bytes = small_model();
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(survive(bytes.substr(0, size))) << size;
}

TEST(Damage, EveryFlippedBit) {
  std::string bytes = small_model();
  int survived = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      survived += survive(bytes) ? 1 : 0;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
    }
  }
  EXPECT_GT(survived, 0);  // weights and names may change without doing harm
}

}  // namespace
}  // namespace shrike::graph
