// Accumulators of the chips (spec/numerics.md 3.2 to 3.5): fast 32-bit sums followed by the correction of
// those whose lane met a limit give what a lane that saturates after every multiply-add gives.
#include "kernels/portable/lanes_s8.h"

#include <gtest/gtest.h>

#include "kernels/portable/portable.h"
#include "tests/kernels/reference.h"
#include "tests/kernels/tables.h"

namespace shrike::tests {
namespace {

struct LaneResult {
  std::vector<int8_t> output;
  SaturationCount count;
};

int64_t clamp_to(int64_t value, int bits) {
  const int64_t high = (int64_t{1} << (bits - 1)) - 1;
  return value > high ? high : value < -high - 1 ? -high - 1 : value;
}

int64_t wrap_to_32(int64_t value) {
  return static_cast<int32_t>(static_cast<uint32_t>(value));
}

// One sum after the other, every lane by its definition.
LaneResult reference_lanes(const ConvCase& test, Lane block, Lane remainder) {
  const ConvGeometry& g = test.geometry;
  const int blocked = test.layout == WeightLayout::kBlocked ? g.out_c / 16 * 16 : 0;
  LaneResult result;
  for (int y = 0; y < g.out_h; ++y) {
    for (int x = 0; x < g.out_w; ++x) {
      for (int n = 0; n < g.out_c; ++n) {
        const Lane lane = g.depthwise || n < blocked ? block : remainder;
        const int bits = lane == Lane::kSaturating20 ? 20 : 32;
        const bool saturates = lane == Lane::kSaturating20 || lane == Lane::kSaturating32;
        int64_t sum = test.bias[n];
        bool met = false;
        for (int t = 0; t < test.taps(); ++t) {
          const int channels = g.depthwise ? 1 : g.in_c;
          const int iy = y * g.stride_h - g.pad_top + t / channels / g.kernel_w * g.dilation_h;
          const int ix = x * g.stride_w - g.pad_left + t / channels % g.kernel_w * g.dilation_w;
          if (iy < 0 || iy >= g.in_h || ix < 0 || ix >= g.in_w) continue;
          const int channel = g.depthwise ? n : t % channels;
          sum += test.logical[static_cast<size_t>(n) * test.taps() + t] *
                 test.input[(static_cast<size_t>(iy) * g.in_w + ix) * g.in_c + channel];
          if (lane == Lane::kWrapping32) sum = wrap_to_32(sum);
          if (saturates && clamp_to(sum, bits) != sum) {
            met = true;
            ++result.count.multiply_adds;
          }
          if (saturates) sum = clamp_to(sum, bits);
        }
        const int64_t high = (int64_t{1} << (bits - 1)) - 1;
        if (met || (saturates && (sum == high || sum == -high - 1))) ++result.count.sums;
        int8_t value =
            reference_saturate(test.shifts[n] < 0 ? sum << -test.shifts[n]
                                                  : reference_shift(sum, test.shifts[n], test.rounding));
        if (test.relu && value < 0) value = 0;
        result.output.push_back(value);
      }
    }
  }
  return result;
}

// The way operators go: 32-bit sums with harmless shifts and biases, then the correction.
LaneResult run_lanes(const ConvCase& test, Lane block, Lane remainder) {
  ConvCase harmless = test;
  std::vector<int16_t> shifts(test.shifts.begin(), test.shifts.end());
  for (int8_t& shift : harmless.shifts) shift = shift < 0 ? 0 : shift;
  for (int32_t& bias : harmless.bias) bias = bias >= 1 << 30 || bias <= -(1 << 30) ? 0 : bias;
  LaneResult result;
  result.output = run_conv(kPortableKernels, harmless, 0);
  const Conv8 conv = harmless.conv();
  std::vector<int32_t> limits(test.shifts.size() * kCentres);
  std::vector<ColumnSums> columns(static_cast<size_t>(test.geometry.in_w));
  ExactSums exact{block, remainder, test.bias.data(), shifts.data(), lanes20_s8, limits.data()};
  if (needs_correction(conv, exact)) {
    find_limits(conv, exact, limits.data());
    result.count = correct_rows(conv, exact, test.input.data(), result.output.data(), 0, test.geometry.out_h,
                                columns.data());
  }
  return result;
}

void expect_lanes(const ConvCase& test, Lane block, Lane remainder) {
  const LaneResult expected = reference_lanes(test, block, remainder);
  const LaneResult got = run_lanes(test, block, remainder);
  EXPECT_EQ(got.output, expected.output) << test.name;
  EXPECT_EQ(got.count.sums, expected.count.sums) << test.name;
  EXPECT_EQ(got.count.multiply_adds, expected.count.multiply_adds) << test.name;
}

// Spec 3.3: 40 products of +16129, then 20 of -16129, shift 12.
ConvCase example(int channels) {
  ConvCase test = make_case("the spec's example", geometry(1, 1, 60, channels, 1, 1, 1, 1, 0, 0, 0, 0),
                            Fill::kHighest, Fill::kHighest, 1);
  for (int n = 0; n < channels; ++n) {
    for (int c = 40; c < 60; ++c) test.logical[static_cast<size_t>(n) * 60 + c] = -127;
  }
  test.store_weights();
  test.rounding = Rounding::kHalfUp;
  test.bias.assign(static_cast<size_t>(channels), 0);
  test.shifts.assign(static_cast<size_t>(channels), 12);
  return test;
}

TEST(Lanes8, TwentyBitLanesGiveTheSpecsExample) {
  const LaneResult result = run_lanes(example(17), Lane::kSaturating20, Lane::kExact);
  EXPECT_EQ(result.output[0], 49);
  EXPECT_EQ(result.output[15], 49);
  EXPECT_EQ(result.output[16], 79) << "a remainder channel has a 40-bit register";
  EXPECT_EQ(result.count.sums, 16u);
  // 32 products of 16129 stay below 524288, each of the last 8 is cut.
  EXPECT_EQ(result.count.multiply_adds, 16u * 8);
}

TEST(Lanes8, WideSumsGiveTheExactResult) {
  const LaneResult result = run_lanes(example(17), Lane::kSaturating32, Lane::kExact);
  EXPECT_EQ(result.output, std::vector<int8_t>(17, 79));
  EXPECT_EQ(result.count.sums, 0u);
}

// Sums walk along the limit of a 20-bit lane: some meet it, most do not.
TEST(Lanes8, OnlySumsThatMeetTheLimitChange) {
  const ConvGeometry geometries[] = {
      geometry(7, 9, 64, 40, 3, 3, 1, 1, 1, 1, 1, 1),        geometry(9, 8, 96, 16, 3, 3, 2, 1, 1, 1, 1, 1),
      geometry(6, 10, 48, 33, 3, 3, 1, 2, 2, 2, 2, 2),       geometry(1, 40, 200, 18, 1, 1, 1, 1, 0, 0, 0, 0),
      geometry(12, 12, 35, 0, 7, 7, 1, 1, 3, 3, 3, 3, true),
  };
  uint64_t met = 0, outputs = 0;
  unsigned seed = 0;
  for (const ConvGeometry& g : geometries) {
    for (const Fill inputs : {Fill::kRandom, Fill::kHighest, Fill::kExtremes}) {
      ConvCase test = make_case("lanes", g, inputs, Fill::kRandom, ++seed);
      for (int32_t& bias : test.bias) bias = bias * 52;  // up to 520 000
      test.rounding = Rounding::kHalfUp;
      test.relu = seed % 2 == 0;
      expect_lanes(test, Lane::kSaturating20, Lane::kExact);
      const LaneResult result = reference_lanes(test, Lane::kSaturating20, Lane::kExact);
      met += result.count.sums;
      outputs += result.output.size();
    }
  }
  EXPECT_GT(met, outputs / 100);
  EXPECT_LT(met, outputs / 2);
}

// Activations with an offset: values near the lowest code, and a bias that takes it back.
ConvCase shifted_case(const ConvGeometry& g, unsigned seed) {
  ConvCase test = make_case("shifted activations", g, Fill::kRandom, Fill::kRandom, seed);
  for (int8_t& value : test.input) value = static_cast<int8_t>(-128 + (value & 31));
  for (size_t n = 0; n < test.bias.size(); ++n) {
    int32_t sum = 0;
    for (int t = 0; t < test.taps(); ++t) sum += test.logical[n * static_cast<size_t>(test.taps()) + t];
    test.bias[n] = 112 * sum;
  }
  test.rounding = Rounding::kHalfUp;
  return test;
}

TEST(Lanes8, ShiftedActivationsMeetLimitsExactlyWhereLanesDo) {
  const ConvGeometry geometries[] = {
      geometry(7, 9, 64, 40, 3, 3, 1, 1, 1, 1, 1, 1), geometry(9, 8, 96, 16, 3, 3, 2, 1, 0, 0, 0, 0),
      geometry(6, 10, 48, 33, 3, 3, 1, 2, 2, 0, 2, 0), geometry(1, 40, 200, 18, 1, 1, 1, 1, 0, 0, 0, 0)};
  uint64_t met = 0, outputs = 0;
  unsigned seed = 20;
  for (const ConvGeometry& g : geometries) {
    const ConvCase test = shifted_case(g, ++seed);
    expect_lanes(test, Lane::kSaturating20, Lane::kExact);
    const LaneResult result = reference_lanes(test, Lane::kSaturating20, Lane::kExact);
    met += result.count.sums;
    outputs += result.output.size();
  }
  EXPECT_GT(met, 0u);
  EXPECT_LT(met, outputs / 2);
}

// Sums of squares of the codes themselves would say that every lane may saturate.
TEST(Lanes8, ShiftedActivationsAreNotComputedTwice) {
  const ConvCase test = shifted_case(geometry(1, 40, 64, 48, 1, 1, 1, 1, 0, 0, 0, 0), 31);
  const Conv8 conv = test.conv();
  const std::vector<int16_t> shifts(test.shifts.begin(), test.shifts.end());
  std::vector<int32_t> limits(test.shifts.size() * kCentres);
  std::vector<ColumnSums> columns(40);
  const ExactSums exact{Lane::kSaturating20, Lane::kExact, test.bias.data(),
                        shifts.data(),       lanes20_s8,   limits.data()};
  ASSERT_TRUE(needs_correction(conv, exact));
  find_limits(conv, exact, limits.data());
  std::vector<int8_t> output(40 * 48, 99);
  correct_rows(conv, exact, test.input.data(), output.data(), 0, 1, columns.data());
  EXPECT_EQ(output, std::vector<int8_t>(40 * 48, 99));
}

// Channels without weights on esp32p4 have biases at the 32-bit limits (spec 4).
TEST(Lanes8, BiasesAtTheLimitsOfThirtyTwoBits) {
  ConvCase test = make_case("large biases", geometry(5, 6, 20, 35, 3, 3, 1, 1, 1, 1, 1, 1), Fill::kRandom,
                            Fill::kRandom, 5);
  for (size_t n = 0; n < test.bias.size(); ++n) {
    if (n % 3 == 0) test.bias[n] = n % 2 == 0 ? INT32_MAX - static_cast<int32_t>(n) * 1000 : INT32_MIN + 5000;
    if (n % 3 == 0) test.shifts[n] = n % 4 == 0 ? 31 : 25;
  }
  expect_lanes(test, Lane::kSaturating32, Lane::kExact);
  expect_lanes(test, Lane::kWrapping32, Lane::kWrapping32);
  test.layout = WeightLayout::kPlain;
  test.store_weights();
  expect_lanes(test, Lane::kWrapping32, Lane::kWrapping32);
}

TEST(Lanes8, NegativeShiftsGoLeft) {
  ConvCase test = make_case("left shifts", geometry(3, 3, 1, 18, 1, 1, 1, 1, 0, 0, 0, 0), Fill::kRandom,
                            Fill::kRandom, 6);
  test.layout = WeightLayout::kPlain;
  test.store_weights();
  for (size_t n = 0; n < test.bias.size(); ++n) {
    test.bias[n] = static_cast<int32_t>(n) - 9;
    test.shifts[n] = static_cast<int8_t>(-static_cast<int>(n % 5));
  }
  for (int8_t& value : test.logical) value = static_cast<int8_t>(value % 2);
  test.store_weights();
  expect_lanes(test, Lane::kWrapping32, Lane::kWrapping32);
}

TEST(Lanes8, EveryInstructionSetCutsTheSameMultiplyAdds) {
  constexpr size_t kInputs = 3000;
  for (const Fill fill : {Fill::kRandom, Fill::kLowest, Fill::kHighest, Fill::kExtremes}) {
    std::mt19937 random(9);
    std::vector<int8_t> x(kInputs), weights(kInputs * 16);
    for (int8_t& value : x) value = fill_value<int8_t>(fill, random);
    for (int8_t& value : weights) value = fill_value<int8_t>(fill, random);
    for (const size_t count : {size_t{0}, size_t{1}, size_t{35}, kInputs}) {
      std::vector<int32_t> start(16);
      for (int32_t& sum : start) sum = static_cast<int32_t>(random() % (1 << 20)) + kLowest20;
      std::vector<int32_t> sums = start, cut(16, 7);
      lanes20_s8(x.data(), weights.data(), count, sums.data(), cut.data());
      for (int i = 0; const KernelSet* kernels = tested_kernels(i); ++i) {
        std::vector<int32_t> other_sums = start, other_cut(16, 7);
        kernels->lanes20(x.data(), weights.data(), count, other_sums.data(), other_cut.data());
        EXPECT_EQ(other_sums, sums) << kernels->isa << ", " << count << " inputs";
        EXPECT_EQ(other_cut, cut) << kernels->isa << ", " << count << " inputs";
      }
    }
  }
}

}  // namespace
}  // namespace shrike::tests
