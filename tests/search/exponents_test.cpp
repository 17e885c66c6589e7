#include "toolchain/search/exponents.h"

#include <gtest/gtest.h>

#include "tests/engine/graph_builder.h"
#include "toolchain/rounding/round_weights.h"

namespace shrike::quantize {
namespace {

// x -> Abs -> r -> Conv -> y
graph::Graph small_graph() {
  tests::GraphBuilder builder;
  builder.input("x", {1, 1, 2, 2})
      .constant("w", {1, 1, 1, 1}, {1})
      .variable("r", {1, 1, 2, 2})
      .variable("y", {1, 1, 2, 2})
      .node("Abs", {"x"}, {"r"})
      .node("Conv", {"r", "w"}, {"y"});
  return builder.graph();
}

// A tensor that is next to nothing has a format at the end of what the chip can build.
TEST(SearchExponents, WhatTheChipCannotComputeIsNoCandidate) {
  const graph::Graph graph = small_graph();
  Plan plan;
  plan.formats = {{"x", {8, -7, {}}}, {"r", {8, kLowestExponent, {}}}, {"y", {8, -7, {}}}};
  round_weights(graph, Target::kEsp32p4, {}, plan);
  Statistics statistics;
  for (const char* name : {"x", "r", "y"}) {
    statistics[name].images = 1;
    statistics[name].first_exponent = plan.formats.at(name).exponent - 5;
  }
  Reference reference;
  reference.inputs = {{0, 0.25f, 0.5f, 0.75f}};
  reference.outputs = {{{"y", {{1, 1, 2, 2}, reference.inputs[0]}}}};
  size_t tried = 0;
  const SearchReport report = search_exponents(graph, statistics, reference, Target::kEsp32p4, {}, plan,
                                               [&](size_t done, size_t) { tried = done; });
  EXPECT_GT(tried, 0u);
  EXPECT_LT(report.trials, static_cast<int>(tried));
  EXPECT_LE(report.loss_after, report.loss_before);
}

}  // namespace
}  // namespace shrike::quantize
