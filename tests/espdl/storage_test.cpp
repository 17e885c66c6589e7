// Storage orders and tables, by the literal numbers of the specifications.
#include <gtest/gtest.h>

#include "tests/espdl/maker.h"
#include "toolchain/espdl/filters.h"
#include "toolchain/espdl/layout.h"
#include "toolchain/espdl/tables.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/support/error.h"

namespace shrike::espdl::tests {
namespace {

// Weight (n, c, h, w) = 1000 n + 100 c + 10 h + w.
std::vector<int64_t> numbered(const FilterShape& shape) {
  std::vector<int64_t> weights;
  for (int64_t n = 0; n < shape.outputs; ++n) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      for (int64_t h = 0; h < shape.height; ++h) {
        for (int64_t w = 0; w < shape.width; ++w) weights.push_back(1000 * n + 100 * c + 10 * h + w);
      }
    }
  }
  return weights;
}

TEST(Filters, BlocksOf16WithAPlainRemainder) {
  const FilterShape shape{18, 2, 2, 3, false, FilterKind::kConv2d};
  const StoredFilter stored = store_filter(numbered(shape), shape, 16);
  EXPECT_EQ(stored.dims, (Dims{2, 3, 2, 18}));
  EXPECT_EQ(stored.doc, "layout ==> (N/16)HWC16_UNALIGNED");
  EXPECT_EQ(stored.integers[0], 0);
  EXPECT_EQ(stored.integers[15], 15000);       // 16 channels of the first tap, innermost
  EXPECT_EQ(stored.integers[16], 100);         // then the next input channel
  EXPECT_EQ(stored.integers[32 + 5], 5001);    // then the next column
  EXPECT_EQ(stored.integers[96 + 5], 5010);    // then the next row
  EXPECT_EQ(stored.integers[16 * 12], 16000);  // remainder: channel by channel, NHWC
  EXPECT_EQ(stored.integers[16 * 12 + 1], 16100);
  EXPECT_EQ(stored.integers[16 * 12 + 2], 16001);
  EXPECT_EQ(stored.integers[16 * 12 + 12], 17000);
}

TEST(Filters, DepthwiseRemainderHasChannelsInnermost) {
  const FilterShape shape{19, 1, 1, 2, true, FilterKind::kConv2d};
  const StoredFilter stored = store_filter(numbered(shape), shape, 16);
  EXPECT_EQ(stored.dims, (Dims{1, 2, 19, 1}));
  EXPECT_EQ(stored.integers[16 + 3], 3001);
  EXPECT_EQ(stored.integers[32], 16000);
  EXPECT_EQ(stored.integers[33], 17000);
  EXPECT_EQ(stored.integers[35], 16001);
}

TEST(Filters, PlainOrderHasOutputsOutermost) {
  const FilterShape shape{3, 2, 1, 2, false, FilterKind::kConv2d};
  const StoredFilter stored = store_filter(numbered(shape), shape, 0);
  EXPECT_EQ(stored.integers,
            (std::vector<int64_t>{0, 100, 1, 101, 1000, 1100, 1001, 1101, 2000, 2100, 2001, 2101}));
  EXPECT_EQ(stored.doc, "layout ==> NHWC");
}

TEST(Filters, OneDimensionalFiltersHaveThreeDims) {
  const FilterShape shape{8, 2, 1, 3, false, FilterKind::kConv1d};
  const StoredFilter stored = store_filter(numbered(shape), shape, 8);
  EXPECT_EQ(stored.dims, (Dims{3, 2, 8}));
  EXPECT_EQ(stored.doc, "layout ==> (N/8)WC8");
}

TEST(Filters, BlockWidthFollowsBitsAndTarget) {
  EXPECT_EQ(block_of(Target::kEsp32p4, 8), 16);
  EXPECT_EQ(block_of(Target::kEsp32s3, 16), 8);
  EXPECT_EQ(block_of(Target::kEsp32, 8), 0);
}

TEST(Layout, StoredAndLogicalOrderAreInverse) {
  StoredValue value;
  value.dims = {1, 2, 3, 4};  // NHWC
  value.permutation = channels_last(4);
  std::vector<int64_t> logical;
  for (int64_t i = 0; i < 24; ++i) logical.push_back(i);  // [1, 4, 2, 3]
  const std::vector<int64_t> stored = to_stored(value, logical);
  EXPECT_EQ(stored[0], 0);
  EXPECT_EQ(stored[1], 6);  // channel 1 of the first pixel
  EXPECT_EQ(stored[4], 1);  // channel 0 of the second
  EXPECT_EQ(to_logical(value, stored), logical);
  EXPECT_THROW(to_stored(value, {1, 2, 3}), Error);
}

// numerics.md section 8, examples.
TEST(Tables, MatchThePublishedExamples) {
  Maker m(8);
  const auto x = m.input("x", {1, 4});
  m.graph.tensors["x"].format.exponent = -4;
  m.node("Swish", {x}, {1, 4}, -4);
  m.node("Sigmoid", {x}, {1, 4}, -7);
  for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
    const auto table = [&](size_t node, int exponent) {
      return activation_table(m.graph, m.graph.nodes[node], {8, -4, {}}, {8, exponent, {}}, 1, rounding);
    };
    const auto swish = table(0, -4), sigmoid = table(1, -7);
    ASSERT_EQ(swish.size(), 256u);
    const std::vector<std::pair<int, int>> swish_examples = {
        {-128, 0}, {-64, -1}, {-20, -4}, {-16, -4}, {-1, 0}, {0, 0}, {1, 1}, {16, 12}, {64, 63}, {127, 127}};
    for (const auto& [q, want] : swish_examples) EXPECT_EQ(swish[static_cast<size_t>(q + 128)], want) << q;
    const std::vector<std::pair<int, int>> sigmoid_examples = {
        {-128, 0}, {-16, 34}, {0, 64}, {16, 94}, {127, 127}};
    for (const auto& [q, want] : sigmoid_examples)
      EXPECT_EQ(sigmoid[static_cast<size_t>(q + 128)], want) << q;
  }
}

TEST(Tables, SixteenBitTablesReachTheEndOfTheRange) {
  Maker m(16);
  m.node("Sigmoid", {m.input("x", {1, 4})}, {1, 4}, -15);
  const Program program = lower(
      m.graph.outputs.empty() ? (m.graph.outputs = {"Sigmoid0:0"}, m.graph) : m.graph, Target::kEsp32p4);
  const StoredNode& node = program.nodes.at(0);
  EXPECT_EQ(node.op, "LUT");
  EXPECT_EQ(std::get<std::string>(node.attributes.at("original_op_type")), "Sigmoid");
  EXPECT_EQ(std::get<int64_t>(node.attributes.at("int16_lut_step")), 32);
  EXPECT_EQ(std::get<std::string>(node.attributes.at("quant_type")), "S16");
  EXPECT_EQ(program.initializers.at(0).name, std::get<std::string>(node.attributes.at("lut")));
  EXPECT_EQ(program.initializers.at(0).dims, (Dims{2049}));
  EXPECT_EQ(program.initializers.at(0).exponents, (Dims{-15}));
}

}  // namespace
}  // namespace shrike::espdl::tests
