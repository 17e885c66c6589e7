// What the engine does around the operators: batches, ranges of nodes, observers, replaced constants,
// threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/engine/graph_builder.h"
#include "tests/shared_data.h"
#include "toolchain/graph/passes.h"
#include "toolchain/import/onnx/import.h"

namespace shrike::tests {
namespace {

using engine::Array;
using testing::ElementsAre;

GraphBuilder chain() {
  GraphBuilder builder;
  builder.input("x", {1, 2})
      .variable("a", {1, 2})
      .variable("b", {1, 2})
      .variable("y", {1, 2, 1})
      .constant("one", {}, {1})
      .constant("two", {}, {2})
      .integers("shape", {1, 2, 1})
      .node("Add", {"x", "one"}, {"a"})
      .node("Mul", {"a", "two"}, {"b"})
      .node("Reshape", {"b", "shape"}, {"y"});
  return builder;
}

TEST(Engine, BatchesFollowThroughReshape) {
  const Array y = run(chain(), {{"x", {{3, 2}, counting(6)}}});
  EXPECT_EQ(y.shape, (graph::Shape{3, 2, 1}));
  EXPECT_THAT(y.values, ElementsAre(2, 4, 6, 8, 10, 12));
}

TEST(Engine, ObserverSeesEveryTensorInOrder) {
  engine::Engine engine(chain().graph());
  std::vector<std::string> names;
  engine.observe({{"x", {{1, 2}, {1, 2}}}}, [&](const engine::TensorData& data) {
    names.push_back(data.tensor->name);
    EXPECT_EQ(data.values.count(), 2);
    if (data.tensor->name == "b") {
      EXPECT_THAT(data.values.every(1), ElementsAre(4, 6));
    }
  });
  EXPECT_THAT(names, ElementsAre("x", "a", "b", "y"));
}

TEST(Engine, RunsARangeOfNodesOnGivenValues) {
  engine::Engine engine(chain().graph());
  const auto result = engine.run_range(1, 2, {{"a", {{1, 2}, {10, 20}}}}, {"b", "y"});
  EXPECT_THAT(result.at("b").values, ElementsAre(20, 40));
  EXPECT_THAT(result.at("y").values, ElementsAre(20, 40));
  EXPECT_THROW(engine.run_range(1, 1, {}, {"b"}), std::exception);
  EXPECT_THROW(engine.run_range(1, 1, {{"a", {{1, 2}, {10, 20}}}}, {"y"}), std::exception);
}

std::map<std::string, std::vector<float>> everything(engine::Engine& engine, const Array& input,
                                                     const std::string& name) {
  std::map<std::string, std::vector<float>> all;
  engine.observe({{name, input}},
                 [&](const engine::TensorData& data) { all[data.tensor->name] = data.values.every(1); });
  return all;
}

TEST(Engine, GivesTheSameBitsForAnyNumberOfThreadsAndAnyBatch) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  graph::Graph graph = graph::import_onnx(shared_root() + "/models/yolo11n.onnx");
  graph::prepare(graph, {.size = {160, 160}, .outputs = {}});
  engine::Engine engine(graph);
  Array input{{1, 3, 160, 160}, {}};
  uint32_t state = 1;
  for (int i = 0; i < 3 * 160 * 160; ++i) {
    state = state * 1664525u + 1013904223u;
    input.values.push_back(static_cast<float>(state >> 8) / 16777216.0f);
  }
  const std::string name = graph.inputs.at(0);
  engine::set_threads(1);
  const auto one = everything(engine, input, name);
  for (const int threads : {2, 3}) {
    engine::set_threads(threads);
    const auto more = everything(engine, input, name);
    for (const auto& [tensor, values] : one)
      EXPECT_EQ(values, more.at(tensor)) << tensor << ", " << threads << " threads";
  }
  engine::set_threads(1);
  Array twice{{2, 3, 160, 160}, input.values};
  twice.values.insert(twice.values.end(), input.values.begin(), input.values.end());
  for (const auto& [tensor, output] : engine.run({{name, twice}})) {
    const std::vector<float>& single = one.at(tensor);
    ASSERT_EQ(output.values.size(), 2 * single.size());
    EXPECT_TRUE(std::equal(single.begin(), single.end(), output.values.begin())) << tensor;
    EXPECT_TRUE(
        std::equal(single.begin(), single.end(), output.values.begin() + static_cast<int64_t>(single.size())))
        << tensor;
  }
}

TEST(Engine, RunsOnSeveralThreadsAtOnce) {
  GraphBuilder builder;
  builder.input("x", {1, 16, 40, 40})
      .constant("w", {16, 16, 3, 3}, std::vector<float>(16 * 16 * 9, 0.01f))
      .node("Conv", {"x", "w"}, {"c"}, {{"pads", std::vector<int64_t>{1, 1, 1, 1}}})
      .node("Swish", {"c"}, {"y"});
  engine::set_threads(1);
  engine::Engine engine(builder.graph());
  const auto run_from = [&](float first) {
    return engine.run({{"x", {{1, 16, 40, 40}, counting(16 * 1600, first)}}}).at("y").values;
  };
  std::vector<std::vector<float>> alone, together(8);
  for (int i = 0; i < 8; ++i) alone.push_back(run_from(static_cast<float>(i)));
  std::vector<std::thread> workers;
  for (size_t i = 0; i < 8; ++i)
    workers.emplace_back([&, i] { together[i] = run_from(static_cast<float>(i)); });
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(together, alone);
}

}  // namespace
}  // namespace shrike::tests
