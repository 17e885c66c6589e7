#include "toolchain/rounding/bias.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/engine/graph_builder.h"
#include "tests/formats/ramp.h"
#include "tests/support/temporary_folder.h"
#include "toolchain/formats/calibrate.h"
#include "toolchain/formats/choose.h"
#include "toolchain/integer/reference.h"
#include "toolchain/rounding/round_weights.h"

namespace shrike::quantize {
namespace {

class CorrectBiases : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "shrike_bias_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    ramp_ = tests::write_ramp(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  // x -> first -> activation -> second -> z, and a branch around the second that an Add joins.
  static graph::Graph network(const char* activation) {
    tests::GraphBuilder builder;
    builder.input("x", {1, 3, 16, 16})
        .constant("w1", {2, 3, 1, 1}, {3, 0, 0, 0, -4, 1})
        .constant("b1", {2}, {-0.5f, 1})
        .constant("w2", {2, 2, 1, 1}, {1, -0.5f, 0.25f, 0.75f})
        .constant("b2", {2}, {0.5f, -0.25f})
        .variable("y", {1, 2, 16, 16})
        .variable("s", {1, 2, 16, 16})
        .variable("t", {1, 2, 16, 16})
        .variable("z", {1, 2, 16, 16})
        .node("Conv", {"x", "w1", "b1"}, {"y"})
        .node(activation, {"y"}, {"s"})
        .node("Conv", {"s", "w2", "b2"}, {"t"})
        .node("Add", {"s", "t"}, {"z"});
    return builder.graph();
  }

  std::string folder_, ramp_;
};

// A Relu is done by the convolution itself, whose own output the written network then has not.
TEST_P(CorrectBiases, BringsBackBiasesThatAreOff) {
  const graph::Graph graph = network(GetParam());
  const auto quiet = [](size_t, size_t) {};
  const Target target = Target::kEsp32p4;
  const Feed feed(graph, {ramp_}, 1);
  Plan plan = choose_formats(graph, calibrate(graph, feed, quiet), {});
  round_weights(graph, target, {}, plan);
  const Reference reference = make_reference(graph, feed);
  const double exact = output_noise(graph, plan, target, reference)[0];
  for (auto& [layer, code] : plan.weights) {
    for (float& bias : code.bias) bias += 0.2f;
  }
  const double spoilt = output_noise(graph, plan, target, reference)[0];
  ASSERT_GT(spoilt, 10 * exact);

  const Plan before = plan;
  const FloatOutputs wanted = float_outputs(graph, feed);
  for (int round = 0; round < 3; ++round) correct_biases(graph, feed, wanted, target, plan, quiet);

  EXPECT_LT(output_noise(graph, plan, target, reference)[0], 2 * exact);
  for (const auto& [layer, code] : plan.weights) {
    ASSERT_EQ(code.bias_shift.size(), code.bias.size());
    for (size_t n = 0; n < code.bias.size(); ++n) {
      EXPECT_NEAR(code.bias[n] - code.bias_shift[n], before.weights.at(layer).bias[n], 1e-5)
          << layer << ": the shift tells what was corrected";
    }
  }
}

TEST_P(CorrectBiases, KeepsInMemoryWhatTheDiskDoesNotTake) {
  const graph::Graph graph = network(GetParam());
  const Feed feed(graph, {ramp_}, 1);
  const FloatOutputs on_disk = float_outputs(graph, feed);
  const tests::TemporaryFolder none("/no/such/folder");
  const FloatOutputs in_memory = float_outputs(graph, feed);
  ASSERT_TRUE(in_memory.covers(feed));
  for (const char* tensor : {"y", "t"}) EXPECT_EQ(in_memory.at(ramp_, tensor), on_disk.at(ramp_, tensor));
}

INSTANTIATE_TEST_SUITE_P(Behind, CorrectBiases, ::testing::Values("Swish", "Relu", "LeakyRelu"),
                         [](const auto& activation) { return std::string(activation.param); });

}  // namespace
}  // namespace shrike::quantize
