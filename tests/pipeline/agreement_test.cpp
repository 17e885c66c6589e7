// The two engines against each other: every node of the quantised YOLO11n, given the integer runtime's own
// inputs, is also computed by the fake-quantised float engine.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/shared_data.h"
#include "toolchain/engine/engine.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/integer/trial.h"
#include "toolchain/pipeline/steps.h"

namespace shrike::quantize {
namespace {

class Agreement : public ::testing::TestWithParam<Target> {};

// What a node reads, as the integer runtime holds it. Tensors that the lowered program merged away (a
// Transpose in front of a MatMul) are left to the engine: `first` moves back to the node that makes them.
void collect(const TrialNetwork& network, const graph::Graph& graph, const graph::Links& links,
             const std::string& name, std::map<std::string, engine::Array>& values, int& first) {
  if (name.empty() || graph.tensor(name).constant || values.contains(name)) return;
  if (network.has(name)) {
    values[name] = network.values(name);
    return;
  }
  const int producer = links.producer.at(name);
  first = std::min(first, producer);
  for (const std::string& input : graph.nodes[static_cast<size_t>(producer)].inputs) {
    collect(network, graph, links, input, values, first);
  }
}

TEST_P(Agreement, EveryNodeOfYolo11nOnARealImage) {
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  SHRIKE_NEEDS_SHARED("data/coco_calib320/images");
  Settings settings;
  settings.target = GetParam();
  settings.size = {320, 320};
  settings.threads = 2;
  graph::Graph float_graph = load_float_graph(tests::shared_root() + "/models/yolo11n.onnx", settings);
  const Feed feed(float_graph,
                  choose_samples(data::list_images(tests::shared_root() + "/data/coco_calib320/images"), 4),
                  settings.threads);
  settings.weight_refit = settings.bias_correction = false;
  Draft draft{std::move(float_graph), feed, {}, {}};
  std::vector<Phase> phases;
  for (const Part part : {Part::kNetwork, Part::kPlan})
    run_steps(
        part, draft, settings, [](const std::string&, size_t, size_t) {}, phases);

  TrialNetwork network(materialize(draft.graph, draft.plan, settings.target), settings.target,
                       KeepTensors::kAll, 2);
  network.run(feed.values(1));
  const graph::Graph& graph = network.graph();
  const graph::Links links(graph);
  engine::EngineOptions options;
  options.precision = engine::Precision::kFakeQuantized;
  options.half_even = settings.target == Target::kEsp32p4;
  engine::Engine fake(graph, options);

  int64_t elements = 0, different = 0;
  int nodes = 0;
  std::string worst = "none";
  double worst_share = -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const graph::Node& node = graph.nodes[i];
    for (const std::string& output : node.outputs) {
      const graph::Format& format = graph.tensor(output).format;
      if (format.is_float() || !network.has(output)) continue;  // Softmax: judged behind its QuantizeLinear
      std::map<std::string, engine::Array> values;
      int first = static_cast<int>(i);
      for (const std::string& input : node.inputs) collect(network, graph, links, input, values, first);
      const engine::Array computed = fake.run_range(first, static_cast<int>(i), values, {output}).at(output);
      const engine::Array expected = network.values(output);
      ASSERT_EQ(computed.values.size(), expected.values.size()) << node.name;
      const float unit = std::ldexp(1.0f, format.exponent);
      int64_t here = 0;
      for (size_t k = 0; k < expected.values.size(); ++k) {
        const float steps = (computed.values[k] - expected.values[k]) / unit;
        if (steps == 0) continue;
        ++here;
        ASSERT_LE(std::fabs(steps), 1.0f) << node.name << " element " << k << ": " << computed.values[k]
                                          << " against " << expected.values[k];
      }
      ++nodes;
      elements += static_cast<int64_t>(expected.values.size());
      different += here;
      const double share = static_cast<double>(here) / static_cast<double>(expected.values.size());
      if (share > worst_share) {
        worst_share = share;
        worst = node.name + " (" + node.op + ")";
      }
    }
  }
  std::printf("%d outputs, %lld elements, %lld differ by one unit; worst node: %s, %.5f %%\n", nodes,
              static_cast<long long>(elements), static_cast<long long>(different), worst.c_str(),
              100 * worst_share);
  EXPECT_GT(nodes, 200);
  EXPECT_LE(static_cast<double>(different), 1e-4 * static_cast<double>(elements));
}

INSTANTIATE_TEST_SUITE_P(Targets, Agreement,
                         ::testing::Values(Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32),
                         [](const ::testing::TestParamInfo<Target>& target) {
                           return target.param == Target::kEsp32p4   ? "esp32p4"
                                  : target.param == Target::kEsp32s3 ? "esp32s3"
                                                                     : "esp32";
                         });

}  // namespace
}  // namespace shrike::quantize
