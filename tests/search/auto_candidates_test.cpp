#include "toolchain/search/auto_candidates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/engine/graph_builder.h"

namespace shrike::quantize {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::Pair;
using tests::GraphBuilder;
using Names = std::vector<std::string>;

// x -> Conv_0 -> Swish_1 -> Conv_2 -> Resize_3 -> Conv_4 -> Add_5 (with Swish_1) -> Conv_6 -> z
graph::Graph network() {
  const graph::Shape shape = {1, 1, 2, 2};
  GraphBuilder builder;
  builder.input("x", shape).constant("w", {1, 1, 1, 1}, {1});
  for (const char* name : {"a", "b", "c", "d", "e", "f", "z"}) builder.variable(name, shape);
  return builder.node("Conv", {"x", "w"}, {"a"})
      .node("Swish", {"a"}, {"b"})
      .node("Conv", {"b", "w"}, {"c"})
      .node("Resize", {"c"}, {"d"})
      .node("Conv", {"d", "w"}, {"e"})
      .node("Add", {"e", "b"}, {"f"})
      .node("Conv", {"f", "w"}, {"z"})
      .graph();
}

std::vector<Names> units_of(const Settings& settings) {
  std::vector<Names> units;
  for (const WideUnit& unit : wide_units(network(), settings)) units.push_back(unit.nodes);
  return units;
}

TEST(WideUnits, TakeTheActivationAlongAndLeaveOutputsAndResizesSourcesAlone) {
  EXPECT_THAT(units_of({}), ElementsAre(Names{"Conv_0", "Swish_1"}, Names{"Conv_4"}, Names{"Add_5"}));
}

TEST(WideUnits, AreNotWideAlready) {
  Settings settings;
  settings.int16_layers = {"Conv_0", "Swish_1", "Add_5"};
  EXPECT_THAT(units_of(settings), ElementsAre(Names{"Conv_4"}));
  settings.bits = 16;
  EXPECT_THAT(units_of(settings), ElementsAre());
}

TEST(OptionAlternatives, AreAllValuesButTheOneInForce) {
  Settings settings;
  settings.calibration = Calibration::kMse;
  const auto alternatives = option_alternatives(settings);
  EXPECT_THAT(alternatives[0], Contains(Pair("calibration", "direct")));
  EXPECT_THAT(alternatives[0], Not(Contains(Pair("calibration", "mse"))));
  EXPECT_THAT(alternatives.back(), ElementsAre(Pair("exponent-search", "on")));
}

}  // namespace
}  // namespace shrike::quantize
