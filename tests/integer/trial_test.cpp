// What was merged away on the way to the file can still be looked at: the integers of every tensor of the
// float network are somewhere.
#include "toolchain/integer/trial.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/engine/graph_builder.h"
#include "toolchain/formats/materialize.h"

namespace shrike::quantize {
namespace {

using tests::GraphBuilder;

// Integers from -128 to 127.
std::vector<float> integers(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>((i * 37) % 256) - 128;
  return values;
}

// A chain of `perms`, each behind an Abs where `functions` says so, read in between by MaxPools, which want
// channels last.
graph::Graph transposes(const std::vector<std::vector<int64_t>>& perms, const std::vector<bool>& functions,
                        const std::vector<bool>& pooled) {
  graph::Shape shape = {1, 2, 3, 4};
  GraphBuilder builder;
  builder.input("x", shape);
  std::string last = "x";
  std::vector<std::string> outputs;
  for (size_t i = 0; i < perms.size(); ++i) {
    const std::string number = std::to_string(i);
    if (functions[i]) {
      builder.variable("f" + number, shape).node("Abs", {last}, {"f" + number});
      last = "f" + number;
    }
    graph::Shape moved;
    for (const int64_t axis : perms[i]) moved.push_back(shape[static_cast<size_t>(axis)]);
    shape = moved;
    builder.variable("t" + number, shape).node("Transpose", {last}, {"t" + number}, {{"perm", perms[i]}});
    last = "t" + number;
    if (pooled[i]) {
      outputs.push_back("p" + number);
      const std::vector<int64_t> ones = {1, 1};
      builder.variable("p" + number, shape)
          .node("MaxPool", {last}, {"p" + number},
                {{"kernel_shape", ones}, {"strides", ones}, {"pads", std::vector<int64_t>(4, 0)}});
    }
  }
  outputs.push_back(last);
  return builder.outputs(outputs).graph();
}

TEST(TrialNetwork, TensorsThatMergedTransposesMadeAreHeldByOthers) {
  int held = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::vector<int64_t>> perms;
    std::vector<bool> functions, pooled;
    for (uint32_t left = 2 + random() % 4; left > 0; --left) {
      std::vector<int64_t> perm = {1, 2, 3};
      for (size_t i = perm.size(); i > 1; --i) std::swap(perm[i - 1], perm[random() % i]);
      perm.insert(perm.begin(), 0);
      perms.push_back(perm);
      functions.push_back(random() % 3 == 0);
      pooled.push_back(random() % 3 == 0);
    }
    const graph::Graph graph = transposes(perms, functions, pooled);
    Plan plan;
    std::vector<std::string> names;
    for (const auto& [name, tensor] : graph.tensors) plan.formats[name] = {8, 0, {}};
    for (const graph::Node& node : graph.nodes) names.push_back(node.outputs[0]);
    TrialNetwork trial(materialize(graph, plan, Target::kEsp32p4), Target::kEsp32p4, KeepTensors::kAll, 1);
    const std::vector<float> input = integers(24);
    trial.run(input);
    const auto expected = engine::Engine(graph).run({{"x", {graph.tensor("x").shape, input}}}, names);
    for (const std::string& name : names) {
      ASSERT_TRUE(trial.has(name)) << seed << ": " << name;
      const engine::Array got = trial.values(name);
      EXPECT_EQ(got.shape, expected.at(name).shape) << seed << ": " << name;
      std::vector<float> wanted = expected.at(name).values;
      for (float& value : wanted) value = std::min(value, 127.0f);  // of Abs(-128)
      EXPECT_EQ(got.values, wanted) << seed << ": " << name;
    }
    held += static_cast<int>(trial.program().held.size());
  }
  EXPECT_GT(held, 100);
}

// ESP-DL's Pad of two axes is written as one of joined axes, between Reshapes that the model has not.
TEST(StoredVariables, APadBetweenReshapesKeepsTheOrder) {
  const std::vector<int64_t> ones = {1, 1};
  GraphBuilder builder;
  builder.input("x", {1, 2, 3, 4})
      .variable("p", {1, 2, 3, 4})
      .variable("y", {1, 2, 5, 7})
      .integers("pads", {0, 0, 1, 2, 0, 0, 1, 1})
      .node("MaxPool", {"x"}, {"p"},
            {{"kernel_shape", ones}, {"strides", ones}, {"pads", std::vector<int64_t>(4, 0)}})
      .node("Pad", {"p", "pads"}, {"y"});
  const graph::Graph graph = builder.graph();
  Plan plan;
  for (const auto& [name, tensor] : graph.tensors) plan.formats[name] = {8, 0, {}};
  const espdl::Program program = espdl::lower(materialize(graph, plan, Target::kEsp32p4), Target::kEsp32p4);
  ASSERT_EQ(std::count_if(program.nodes.begin(), program.nodes.end(),
                          [](const espdl::StoredNode& node) { return node.op == "Reshape"; }),
            2);
  IntegerNetwork network =
      network_of(host::IntegerModel::from_bytes(espdl::serialize(program), "pad.espdl", {}), graph);
  const std::vector<float> input = integers(24);
  network.set_input(input);
  network.run();
  const engine::Array got = network.values("y");
  const engine::Array expected = engine::Engine(graph).run({{"x", {{1, 2, 3, 4}, input}}}).at("y");
  EXPECT_EQ(got.shape, expected.shape);
  EXPECT_EQ(got.values, expected.values);
}

}  // namespace
}  // namespace shrike::quantize
