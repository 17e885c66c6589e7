// Operators that move integers without changing them (spec/numerics.md section 7), one small case per rule,
// and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tests/runtime/one_node.h"
#include "toolchain/support/error.h"

namespace shrike::tests {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using Dims = std::vector<int64_t>;

const std::vector<OutputFormat> kOne = {{}};

std::vector<int8_t> counting(int n) {
  std::vector<int8_t> values(static_cast<size_t>(n));
  std::iota(values.begin(), values.end(), int8_t{0});
  return values;
}

void expect_refused(const std::string& op, std::vector<Operand> operands, const AttributeMap& attributes,
                    const std::string& phrase, const std::vector<OutputFormat>& outputs = kOne) {
  try {
    OneNode node(op, std::move(operands), attributes, outputs);
    ADD_FAILURE() << op << " was accepted, expected: " << phrase;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(phrase));
  }
}

OneNode slice(const Operand& input, const Dims& starts, const Dims& ends, const Dims& axes,
              const Dims& steps) {
  return OneNode("Slice", {input, int64s(starts), int64s(ends), int64s(axes), int64s(steps)}, {}, kOne);
}

TEST(Slice, TakesEveryThird) {
  EXPECT_THAT(slice(int8s({10}, counting(10)), {1}, {9}, {0}, {3}).run().output<int8_t>(),
              ElementsAre(1, 4, 7));
}

TEST(Slice, ClampsTheExtremesOfInt64) {
  EXPECT_THAT(slice(int8s({4}, counting(4)), {INT64_MIN}, {INT64_MAX}, {0}, {1}).run().output<int8_t>(),
              ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(slice(int8s({4}, counting(4)), {INT64_MAX}, {INT64_MIN}, {0}, {-1}).run().output<int8_t>(),
              ElementsAre(3, 2, 1, 0));
  EXPECT_THAT(slice(int8s({4}, counting(4)), {-1}, {INT64_MIN}, {-1}, {INT64_MIN}).run().output<int8_t>(),
              ElementsAre(3));
}

TEST(Slice, CountsNegativePositionsFromTheEnd) {
  OneNode node = slice(int8s({2, 5}, counting(10)), {-3}, {-1}, {1}, {1});
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(2, 3, 7, 8));
  EXPECT_EQ(node.dims(), (Dims{2, 2}));
}

TEST(Slice, RefusesWhatItCannotMean) {
  const Operand input = int8s({4}, counting(4));
  expect_refused("Slice", {input, int64s({0}), int64s({4}), int64s({0}), int64s({0})}, {}, "step 0");
  expect_refused("Slice", {input, int64s({0}), int64s({4}), int64s({1}), int64s({1})}, {},
                 "axis is out of range");
  expect_refused("Slice", {input, int64s({2}), int64s({2}), int64s({0}), int64s({1})}, {}, "less than one");
  expect_refused("Slice", {input, int64s({0, 0}), int64s({4, 4}), int64s({0, -1}), int64s({1, 1})}, {},
                 "named twice");
  expect_refused("Slice", {input, int64s({0}), int64s({4, 4})}, {}, "different lengths");
  expect_refused("Slice", {input, int8s({1}, {0}), int64s({4})}, {}, "not a constant of type INT64");
}

TEST(Transpose, AcceptsNegativeEntries) {
  OneNode node("Transpose", {int8s({1, 2, 3}, counting(6))}, {{"perm", Dims{0, -1, -2}}}, kOne);
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_EQ(node.dims(), (Dims{1, 3, 2}));
}

TEST(Transpose, RefusesAnIncompletePermutation) {
  expect_refused("Transpose", {int8s({2, 3}, counting(6))}, {{"perm", Dims{0}}}, "one entry per axis");
  expect_refused("Transpose", {int8s({2, 3}, counting(6))}, {{"perm", Dims{1, -1}}}, "named twice");
}

TEST(Concat, JoinsAlongANegativeAxis) {
  OneNode node("Concat", {int8s({2, 1}, {1, 2}), int8s({2, 2}, {3, 4, 5, 6})}, {{"axis", int64_t{-1}}}, kOne);
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(1, 3, 4, 2, 5, 6));
}

TEST(Concat, RefusesInputsOnDifferentGrids) {
  const AttributeMap axis = {{"axis", int64_t{0}}};
  expect_refused("Concat", {int8s({1}, {1}, -3), int8s({1}, {1}, 0)}, axis, "different exponents");
  expect_refused("Concat", {int8s({1}, {1}), int16s({1}, {1})}, axis, "types differ");
  expect_refused("Concat", {int8s({1, 2}, {1, 1}), int8s({1, 3}, {1, 1, 1})}, axis, "another axis");
}

TEST(Split, TakesTheSizesOfInputOne) {
  OneNode node("Split", {int8s({2, 3}, counting(6)), int64s({1, 2})}, {{"axis", int64_t{1}}}, {{}, {}});
  node.run();
  EXPECT_THAT(node.output<int8_t>(0), ElementsAre(0, 3));
  EXPECT_THAT(node.output<int8_t>(1), ElementsAre(1, 2, 4, 5));
}

TEST(Split, RefusesSizesThatDoNotAddUp) {
  const AttributeMap axis = {{"axis", int64_t{0}}};
  for (const Dims& sizes : {Dims{1, 1}, Dims{1, 3}, Dims{0, 3}, Dims{-1, 4}, Dims{INT64_MAX, INT64_MAX}}) {
    expect_refused("Split", {int8s({3}, counting(3)), int64s(sizes)}, axis, "do not add up", {{}, {}});
  }
}

TEST(Reshape, InfersOneDimensionAndKeepsZeros) {
  EXPECT_EQ(OneNode("Reshape", {int8s({2, 3, 4}, counting(24)), int64s({0, -1})}, {}, kOne).dims(),
            (Dims{2, 12}));
  expect_refused("Reshape", {int8s({6}, counting(6)), int64s({-1, -1})}, {}, "less than one");
  expect_refused("Reshape", {int8s({6}, counting(6)), int64s({4, -1})}, {}, "another number of elements");
  expect_refused("Reshape", {int8s({6}, counting(6)), int64s({INT64_MAX, 2})}, {}, "too large");
}

TEST(Identity, MovesToTheOutputsGridWithTheTargetsRounding) {
  const Operand input = int8s({5}, {-5, -3, 3, 5, 127}, -4);
  const std::vector<OutputFormat> coarser = {{DataType::kInt8, -3}};
  EXPECT_THAT(OneNode("Identity", {input}, {}, coarser, "esp32p4").run().output<int8_t>(),
              ElementsAre(-2, -2, 2, 2, 64));
  EXPECT_THAT(OneNode("Identity", {input}, {}, coarser, "esp32s3").run().output<int8_t>(),
              ElementsAre(-2, -1, 2, 3, 64));
}

TEST(Gather, ResolvesNegativeIndices) {
  OneNode node("Gather", {int8s({2, 3}, counting(6)), int64s({-1, 0})}, {{"axis", int64_t{1}}}, kOne);
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(2, 0, 5, 3));
  expect_refused("Gather", {int8s({3}, counting(3)), int64s({3})}, {}, "an index is out of range");
  expect_refused("Gather", {int8s({3}, counting(3)), int64s({-4})}, {}, "an index is out of range");
}

TEST(Pad, FillsRepeatsAndMirrors) {
  const Operand input = int8s({3}, {1, 2, 3});
  const Operand pads = int64s({2, 1});
  const auto mode = [](const char* name) { return AttributeMap{{"mode", std::string(name)}}; };
  EXPECT_THAT(
      OneNode("Pad", {input, pads, constant(int8s({1}, {9}))}, mode("constant"), kOne).run().output<int8_t>(),
      ElementsAre(9, 9, 1, 2, 3, 9));
  EXPECT_THAT(OneNode("Pad", {input, pads}, mode("edge"), kOne).run().output<int8_t>(),
              ElementsAre(1, 1, 1, 2, 3, 3));
  EXPECT_THAT(OneNode("Pad", {input, pads}, mode("reflect"), kOne).run().output<int8_t>(),
              ElementsAre(3, 2, 1, 2, 3, 2));
  expect_refused("Pad", {input, int64s({3, 0})}, mode("reflect"), "as long as the axis");
  expect_refused("Pad", {input, int64s({-1, 0})}, mode("edge"), "negative");
  expect_refused("Pad", {input, pads}, mode("wrap"), "mode is not");
}

TEST(InsertZeros, SpreadsPixelsAndIgnoresExponents) {
  const AttributeMap attributes = {{"stride", Dims{2, 2}}, {"output_padding", Dims{0, 1}}};
  OneNode node("InsertZeros", {int8s({1, 2, 2, 1}, {1, 2, 3, 4}, 2)}, attributes, {{DataType::kInt8, 1}});
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0));
  EXPECT_EQ(node.dims(), (Dims{1, 3, 4, 1}));
}

TEST(DepthToSpace, PlacesChannelsByEitherMode) {
  const Operand input = int8s({1, 1, 1, 8}, counting(8));
  AttributeMap attributes = {{"blocksize", int64_t{2}}, {"mode", std::string("DCR")}};
  EXPECT_THAT(OneNode("DepthToSpace", {input}, attributes, kOne).run().output<int8_t>(),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  attributes["mode"] = std::string("CRD");
  EXPECT_THAT(OneNode("DepthToSpace", {input}, attributes, kOne).run().output<int8_t>(),
              ElementsAre(0, 4, 1, 5, 2, 6, 3, 7));
  attributes["blocksize"] = int64_t{3};
  expect_refused("DepthToSpace", {input}, attributes, "squared block size");
}

TEST(SpaceToDepth, UndoesDepthToSpace) {
  OneNode node("SpaceToDepth", {int8s({1, 2, 4, 1}, counting(8))}, {{"blocksize", int64_t{2}}}, kOne);
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
  EXPECT_EQ(node.dims(), (Dims{1, 1, 2, 4}));
}

TEST(ReverseSequence, ReversesEachPrefix) {
  const Operand input = int8s({3, 2}, counting(6));  // [time, batch]
  EXPECT_THAT(OneNode("ReverseSequence", {input, int64s({2, 3})}, {}, kOne).run().output<int8_t>(),
              ElementsAre(2, 5, 0, 3, 4, 1));
  expect_refused("ReverseSequence", {input, int64s({2, 4})}, {}, "outside the time axis");
}

TEST(ScatterNd, ReplacesAddsAndSaturates) {
  const Operand data = int8s({2, 2}, {100, 100, 1, 2});
  Operand indices = int64s({-2});
  indices.dims = {1, 1};
  const Operand updates = int8s({1, 2}, {50, -7});
  EXPECT_THAT(OneNode("ScatterND", {data, indices, updates}, {}, kOne).run().output<int8_t>(),
              ElementsAre(50, -7, 1, 2));
  const AttributeMap add = {{"reduction", std::string("add")}};
  EXPECT_THAT(OneNode("ScatterND", {data, indices, updates}, add, kOne).run().output<int8_t>(),
              ElementsAre(127, 93, 1, 2));
}

TEST(StreamingCache, PutsEarlierFramesInFrontAndForgetsOnReset) {
  const AttributeMap attributes = {{"window_size", int64_t{3}}, {"frame_axis", int64_t{1}}};
  OneNode node("StreamingCache", {int8s({1, 1, 2}, {1, 2})}, attributes, kOne);
  EXPECT_THAT(node.run().output<int8_t>(), ElementsAre(0, 0, 0, 0, 1, 2));
  EXPECT_THAT(node.feed({3, 4}).run().output<int8_t>(), ElementsAre(0, 0, 1, 2, 3, 4));
  EXPECT_THAT(node.feed({5, 6}).run().output<int8_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
  node.reset();
  EXPECT_THAT(node.feed({7, 8}).run().output<int8_t>(), ElementsAre(0, 0, 0, 0, 7, 8));
}

// Large enough to be shared out, in stretches.
TEST(ConcatSplitAndPad, GiveTheSameBytesForAnyNumberOfThreads) {
  const int64_t rows = 90, columns = 70;
  const auto values = [](int64_t count, int factor) {
    std::vector<int8_t> result(static_cast<size_t>(count));
    for (size_t i = 0; i < result.size(); ++i) result[i] = static_cast<int8_t>(i * 57 + i * i / 7 * factor);
    return result;
  };
  const int64_t widths[] = {16, 5, 32};
  std::vector<Operand> parts;
  for (const int64_t width : widths) {
    parts.push_back(int8s({rows, columns, width}, values(rows * columns * width, static_cast<int>(width))));
  }
  std::vector<int8_t> joined;
  for (int64_t pixel = 0; pixel < rows * columns; ++pixel) {
    for (size_t k = 0; k < parts.size(); ++k) {
      const auto begin = parts[k].bytes.begin() + pixel * widths[k];
      joined.insert(joined.end(), begin, begin + widths[k]);
    }
  }
  const int64_t all = 53, row = columns * all;
  std::vector<int8_t> padded(static_cast<size_t>(2 * (row + 4 * all)), 9);
  for (int64_t y = 0; y < rows; ++y) {
    padded.insert(padded.end(), static_cast<size_t>(all), 9);
    padded.insert(padded.end(), joined.begin() + y * row, joined.begin() + (y + 1) * row);
    padded.insert(padded.end(), static_cast<size_t>(3 * all), 9);
  }
  padded.insert(padded.end(), static_cast<size_t>(row + 4 * all), 9);
  const Operand whole = int8s({rows, columns, all}, joined);
  for (const int threads : {1, 2}) {
    OneNode concat("Concat", parts, {{"axis", int64_t{2}}}, kOne, "esp32p4", threads);
    EXPECT_EQ(concat.run().output<int8_t>(), joined);
    OneNode split("Split", {whole, int64s({16, 5, 32})}, {{"axis", int64_t{2}}}, {kOne[0], kOne[0], kOne[0]},
                  "esp32p4", threads);
    split.run();
    for (int32_t k = 0; k < 3; ++k) {
      EXPECT_EQ(bytes_of(split.output<int8_t>(k)), parts[static_cast<size_t>(k)].bytes);
    }
    OneNode pad("Pad", {whole, int64s({2, 1, 0, 1, 3, 0}), constant(int8s({1}, {9}))},
                {{"mode", std::string("constant")}}, kOne, "esp32p4", threads);
    EXPECT_EQ(pad.run().output<int8_t>(), padded);
  }
}

TEST(Transpose, GivesTheSameBytesForAnyNumberOfThreads) {
  std::vector<int8_t> values(300 * 40 * 17);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int8_t>(i * 31 + i / 127);
  const Operand input = int8s({300, 40, 17}, values);
  const AttributeMap attributes = {{"perm", Dims{2, 0, 1}}};
  const std::vector<int8_t> one =
      OneNode("Transpose", {input}, attributes, kOne, "esp32p4", 1).run().output<int8_t>();
  for (size_t a = 0; a < 300; ++a) {
    for (size_t b = 0; b < 40; ++b) {
      for (size_t c = 0; c < 17; ++c) ASSERT_EQ(one[(c * 300 + a) * 40 + b], values[(a * 40 + b) * 17 + c]);
    }
  }
  EXPECT_EQ(OneNode("Transpose", {input}, attributes, kOne, "esp32p4", 5).run().output<int8_t>(), one);
}

}  // namespace
}  // namespace shrike::tests
