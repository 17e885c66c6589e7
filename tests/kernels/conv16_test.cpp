// Every instruction set's 16-bit convolution against the naive formula in 64 bits: geometry, data and
// rounding corners. All comparisons are for equality.
#include <gtest/gtest.h>

#include "tests/kernels/geometries.h"
#include "tests/kernels/reference.h"

namespace shrike::tests {
namespace {

int16_t saturate_16(int64_t value) {
  return static_cast<int16_t>(value < -32768 ? -32768 : value > 32767 ? 32767 : value);
}

// spec/numerics.md 3.1 and, for shifts to the left, 3.6.
int16_t reference_result(const Case16& test, int64_t sum, int n) {
  const int shift = test.shifts[n];
  int64_t value = 0;
  if (shift < 0) {
    const double moved = static_cast<double>(sum) * static_cast<double>(int64_t{1} << -shift);
    value = moved > 32767 ? 32767 : moved < -32768 ? -32768 : static_cast<int64_t>(moved);
  } else {
    value = reference_shift(sum, shift, test.rounding);
  }
  const int16_t result = saturate_16(value);
  return test.relu && result < 0 ? int16_t{0} : result;
}

void expect_output(const Conv16Kernel& kernel, const Case16& test, const std::vector<int16_t>& expected) {
  const bool portable = kernel.run == kPortableKernels.conv16.run;
  expect_at_every_cut(test, kernel.name, expected, [&](int cut) {
    SaturationCount saturated;
    const auto rows = [&](const Conv16& conv, int16_t* output, int32_t begin, int32_t end, void* scratch) {
      saturated.add(kernel.run(conv, test.input.data(), output, begin, end, scratch));
    };
    std::vector<int16_t> output = run_kernel(test, kernel, portable, cut, rows);
    EXPECT_EQ(saturated.sums, 0u);
    return output;
  });
}

void check_everywhere(const Case16& test) {
  const std::vector<int16_t> expected =
      reference_conv(test, [&](int64_t sum, int n) { return reference_result(test, sum, n); });
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    expect_output(kernels->conv16, test, expected);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// One geometry under all roundings and layouts, with and without ReLU and bias.
void check_variants(const Named& named, unsigned& seed) {
  for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
    for (const WeightLayout layout : {WeightLayout::kBlocked, WeightLayout::kPlain}) {
      Case16 test = make_case_16(named.name, named.geometry, Fill::kRandom, Fill::kRandom, ++seed);
      test.rounding = rounding;
      test.layout = layout;
      test.store_weights();
      check_everywhere(test);
      test.relu = true;
      check_everywhere(test);
      test.bias.clear();
      check_everywhere(test);
    }
  }
}

TEST(Conv16, EqualsTheFormulaOnEveryGeometry) {
  unsigned seed = 1;
  for (const Named& named : kGeometries) {
    check_variants(named, seed);
    if (HasFatalFailure()) return;
  }
  for (const Named& named : kDepthwise) {
    check_variants(named, seed);
    if (HasFatalFailure()) return;
  }
}

// Pairs of -32768 * -32768 leave 32 bits, sums of 1152 of them leave 40.
TEST(Conv16, IsExactAtTheEndsOfTheRange) {
  const Named shapes[] = {{"640 channels", geometry(3, 5, 640, 20, 1, 1, 1, 1, 0, 0, 0, 0)},
                          {"128 channels 3x3", geometry(4, 4, 128, 16, 3, 3, 1, 1, 1, 1, 1, 1)},
                          {"7 channels 3x3", geometry(4, 5, 7, 9, 3, 3, 1, 1, 1, 1, 1, 1)},
                          {"depthwise", geometry(5, 5, 20, 0, 3, 3, 1, 1, 1, 1, 1, 1, true)}};
  for (const Named& shape : shapes) {
    for (const Fill inputs : {Fill::kLowest, Fill::kHighest, Fill::kExtremes}) {
      for (const Fill weights : {Fill::kLowest, Fill::kHighest, Fill::kExtremes}) {
        Case16 test = make_case_16(shape.name, shape.geometry, inputs, weights, 7);
        check_everywhere(test);
        for (int16_t& shift : test.shifts) shift = static_cast<int16_t>(shift + 8);  // results that fit
        check_everywhere(test);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Only one block has weights that need care: the others must not take its bias.
TEST(Conv16, TakesCareBlockByBlock) {
  Case16 test = make_case_16("one careful block", geometry(5, 7, 6, 50, 3, 3, 1, 1, 1, 1, 1, 1),
                             Fill::kExtremes, Fill::kRandom, 5);
  for (int t = 0; t < test.taps(); ++t) test.logical[static_cast<size_t>(17) * test.taps() + t] = -32768;
  test.store_weights();
  check_everywhere(test);
}

TEST(Conv16, RoundsEveryShiftPerChannel) {
  for (const bool depthwise : {false, true}) {
    for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
      Case16 test = make_case_16("shifts 0 to 66", geometry(6, 6, 67, 67, 3, 3, 1, 1, 1, 1, 1, 1, depthwise),
                                 Fill::kRandom, Fill::kExtremes, 11);
      test.rounding = rounding;
      // Small weights and biases in the middle make exact ties common.
      for (size_t i = 0; i < test.logical.size(); i += 2) test.logical[i] = static_cast<int16_t>(i % 3);
      for (int n = 0; n < 67; ++n) {
        test.shifts[n] = static_cast<int16_t>(n);
        if (n > 61) test.bias[n] = 0;  // the naive formula has 64 bits too
        if (n > 61) test.shifts[n] = static_cast<int16_t>(n - 5);
      }
      test.store_weights();
      check_everywhere(test);
    }
  }
}

TEST(Conv16, RoundsTiesByTheTargetsRule) {
  // spec/numerics.md 1.3: 40 / 16 = 2.5, -40 / 16 = -2.5, -24 / 16 = -1.5, 20 / 8 = 2.5, -20 / 8 = -2.5.
  const int sums[] = {40, -40, -24, 20, -20}, shifts[] = {4, 4, 4, 3, 3};
  const std::vector<int16_t> half_up = {3, -2, -1, 3, -2}, half_even = {2, -2, -2, 2, -2};
  for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
    Case16 test =
        make_case_16("ties", geometry(1, 1, 1, 5, 1, 1, 1, 1, 0, 0, 0, 0), Fill::kRandom, Fill::kRandom, 3);
    test.rounding = rounding;
    test.input = {1};
    for (int n = 0; n < 5; ++n) {
      test.logical[n] = 0;
      test.bias[n] = sums[n];
      test.shifts[n] = static_cast<int16_t>(shifts[n]);
    }
    test.store_weights();
    for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
      expect_output(kernels->conv16, test, rounding == Rounding::kHalfUp ? half_up : half_even);
    }
  }
}

// Biases near 2^61 leave the lanes that round four sums at once; shifts to the left occur on esp32.
TEST(Conv16, RoundsWhatLeavesTheLanes) {
  for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
    Case16 test = make_case_16("large biases", geometry(4, 5, 6, 40, 3, 3, 1, 1, 1, 1, 1, 1), Fill::kRandom,
                               Fill::kRandom, 13);
    test.rounding = rounding;
    for (int n = 0; n < 8; ++n) {
      test.bias[n] = (n % 2 == 0 ? 1 : -1) * ((int64_t{1} << 60) - 12345 * n);
      test.shifts[n] = static_cast<int16_t>(40 + n);
    }
    for (int n = 16; n < 24; ++n) test.shifts[n] = static_cast<int16_t>(n - 24);
    for (int t = 0; t < test.taps(); ++t) test.logical[static_cast<size_t>(20) * test.taps() + t] = 0;
    test.bias[20] = 3;
    test.store_weights();
    check_everywhere(test);
  }
}

}  // namespace
}  // namespace shrike::tests
