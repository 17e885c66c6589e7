// Every instruction set's convolutions against the naive formula: geometry, data and rounding corners. All
// comparisons are for equality.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/kernels/geometries.h"
#include "tests/kernels/reference.h"
#include "tests/kernels/tables.h"

namespace shrike::tests {
namespace {

// Checks the case on every table of this machine.
void check_everywhere(const ConvCase& test) {
  const std::vector<int8_t> expected = reference_conv(test);
  for (int i = 0; const KernelSet* kernels = tested_kernels(i); ++i) {
    expect_at_every_cut(test, kernels->isa, expected, [&](int cut) { return run_conv(*kernels, test, cut); });
    if (testing::Test::HasFatalFailure()) return;
  }
}

// One geometry under all roundings, activations and layouts.
void check_variants(const std::string& name, const ConvGeometry& g) {
  unsigned seed = 1;
  for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
    for (const WeightLayout layout : {WeightLayout::kBlocked, WeightLayout::kPlain}) {
      ConvCase test = make_case(name, g, Fill::kRandom, Fill::kRandom, ++seed);
      test.rounding = rounding;
      test.layout = layout;
      test.store_weights();
      check_everywhere(test);
      test.name = name + " with ReLU";
      test.relu = true;
      check_everywhere(test);
      test.name = name + " without bias";
      test.relu = false;
      test.bias.clear();
      check_everywhere(test);
    }
  }
}

TEST(Conv8, EqualsTheFormulaOnEveryGeometry) {
  for (const Named& named : kGeometries) {
    check_variants(named.name, named.geometry);
    if (HasFatalFailure()) return;
  }
}

TEST(Depthwise8, EqualsTheFormulaOnEveryGeometry) {
  for (const Named& named : kDepthwise) {
    check_variants(named.name, named.geometry);
    if (HasFatalFailure()) return;
  }
}

TEST(Conv8, IsExactAtTheEndsOfTheRange) {
  // 640 and 1152 inputs of +-2^14 leave 16 bits at the first pair and 24 bits in the end.
  const Named shapes[] = {{"640 channels", geometry(3, 5, 640, 20, 1, 1, 1, 1, 0, 0, 0, 0)},
                          {"128 channels 3x3", geometry(4, 4, 128, 16, 3, 3, 1, 1, 1, 1, 1, 1)},
                          {"depthwise", geometry(5, 5, 20, 0, 3, 3, 1, 1, 1, 1, 1, 1, true)}};
  for (const Named& shape : shapes) {
    for (const Fill inputs : {Fill::kLowest, Fill::kHighest, Fill::kExtremes}) {
      for (const Fill weights : {Fill::kLowest, Fill::kHighest, Fill::kExtremes}) {
        check_everywhere(make_case(shape.name, shape.geometry, inputs, weights, 7));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Conv8, RoundsEveryShiftPerChannel) {
  for (const bool depthwise : {false, true}) {
    for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
      ConvCase test = make_case("shifts 0 to 30", geometry(6, 6, 31, 31, 3, 3, 1, 1, 1, 1, 1, 1, depthwise),
                                Fill::kRandom, Fill::kExtremes, 11);
      test.rounding = rounding;
      for (int n = 0; n < 31; ++n) test.shifts[n] = static_cast<int8_t>(n);
      // Small weights and biases in the middle make exact ties common.
      for (size_t i = 0; i < test.logical.size(); i += 2) test.logical[i] = static_cast<int8_t>(i % 3);
      test.store_weights();
      check_everywhere(test);
    }
  }
}

TEST(Conv8, RoundsTiesByTheTargetsRule) {
  // spec/numerics.md 1.3: 40 / 16 = 2.5, -40 / 16 = -2.5, -24 / 16 = -1.5, 20 / 8 = 2.5, -20 / 8 = -2.5.
  const int sums[] = {40, -40, -24, 20, -20}, shifts[] = {4, 4, 4, 3, 3};
  const int8_t half_up[] = {3, -2, -1, 3, -2}, half_even[] = {2, -2, -2, 2, -2};
  for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
    ConvCase test =
        make_case("ties", geometry(1, 1, 1, 5, 1, 1, 1, 1, 0, 0, 0, 0), Fill::kRandom, Fill::kRandom, 3);
    test.rounding = rounding;
    test.input = {1};
    for (int n = 0; n < 5; ++n) {
      test.logical[n] = static_cast<int8_t>(sums[n]);
      test.bias[n] = 0;
      test.shifts[n] = static_cast<int8_t>(shifts[n]);
    }
    test.store_weights();
    for (int i = 0; const KernelSet* kernels = tested_kernels(i); ++i) {
      const std::vector<int8_t> output = run_conv(*kernels, test, 0);
      EXPECT_THAT(output, ::testing::ElementsAreArray(rounding == Rounding::kHalfUp ? half_up : half_even))
          << kernels->isa;
    }
  }
}

TEST(Conv8, TakesBiasesAtTheLimitsAndShiftsBeyondTheLane) {
  // Beyond what the scalar kernels are given (their sums stay below 2^30): the other tables promise it.
  for (const bool depthwise : {false, true}) {
    for (const Rounding rounding : {Rounding::kHalfEven, Rounding::kHalfUp}) {
      ConvCase test = make_case("limits", geometry(5, 6, 40, 40, 3, 3, 1, 1, 1, 1, 1, 1, depthwise),
                                Fill::kRandom, Fill::kRandom, 5);
      test.rounding = rounding;
      for (int n = 0; n < 40; ++n) {
        test.shifts[n] = static_cast<int8_t>(n % 5 == 0 ? n + 22 : n);
        if (n % 7 == 0) test.bias[n] = n % 2 == 0 ? INT32_MIN : INT32_MAX;
      }
      const std::vector<int8_t> expected = reference_conv(test);
      for (int i = 1; const KernelSet* kernels = tested_kernels(i); ++i) {
        if (scalar(*kernels)) continue;
        EXPECT_EQ(run_conv(*kernels, test, 2), expected) << kernels->isa;
      }
    }
  }
}

// Kernels and strides at random; the test gives the channels.
class RandomConvolutions {
 public:
  int between(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<unsigned>(high - low + 1));
  }

  void check(int round, int widest, int in_c, int out_c, bool depthwise) {
    const int kernel_h = between(1, 5), kernel_w = between(1, 5), dilation = between(1, 3);
    const ConvGeometry g = geometry(between(1, 30), between(1, widest), in_c, out_c, kernel_h, kernel_w,
                                    between(1, 3), dilation, between(0, kernel_h), between(0, kernel_w),
                                    between(0, kernel_h), between(0, kernel_w), depthwise);
    if (g.in_h + 2 * kernel_h < (kernel_h - 1) * dilation + 1 || g.out_h < 1 || g.out_w < 1) return;
    ConvCase test = make_case("random " + std::to_string(round), g, Fill::kRandom, Fill::kRandom, random_());
    test.rounding = round % 2 == 0 ? Rounding::kHalfEven : Rounding::kHalfUp;
    test.layout = round % 3 == 0 ? WeightLayout::kPlain : WeightLayout::kBlocked;
    test.relu = round % 5 == 0;
    test.store_weights();
    const std::vector<int8_t> expected = run_conv(kPortableKernels, test, 0);
    for (int i = 1; const KernelSet* kernels = tested_kernels(i); ++i) {
      ASSERT_EQ(run_conv(*kernels, test, between(0, g.out_h - 1)), expected)
          << test.name << ": " << kernels->isa;
      ++compared_;
    }
  }

  void expect_compared(int least) const {
    if (available_kernels(1) != nullptr) {
      EXPECT_GT(compared_, least);
    }
  }

 private:
  std::mt19937 random_{2024};
  int compared_ = 0;
};

TEST(Conv8, EqualsThePortableKernelOnRandomConvolutions) {
  RandomConvolutions random;
  for (int round = 0; round < 400 && !HasFatalFailure(); ++round) {
    random.check(round, 40, random.between(1, 70), random.between(1, 150), round % 4 == 0);
  }
  random.expect_compared(200);
}

TEST(Conv8, EqualsThePortableKernelOnRandomConvolutionsToFewChannels) {
  RandomConvolutions random;
  for (int round = 0; round < 300 && !HasFatalFailure(); ++round) {
    const int in_c = round % 4 == 0 ? 3 : 4 * random.between(1, 12);
    random.check(round, 150, in_c, random.between(1, 16), false);
  }
  random.expect_compared(200);
}

TEST(Conv8, RefusesWhatItCannotHoldInItsScratch) {
  // Nothing but the size is looked at, so a hostile file can't make a kernel compute with it.
  ConvCase test =
      make_case("huge", geometry(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0), Fill::kRandom, Fill::kRandom, 1);
  test.geometry.kernel_w = 3;
  test.geometry.dilation_w = 1 << 28;
  for (int i = 1; const KernelSet* kernels = tested_kernels(i); ++i) {
    if (scalar(*kernels)) continue;  // their scratch does not grow with the dilation
    EXPECT_EQ(kernels->conv8.packed_bytes(test.conv()), 0u) << kernels->isa;
    test.geometry.depthwise = true;
    EXPECT_EQ(kernels->depthwise8.packed_bytes(test.conv()), 0u) << kernels->isa;
    test.geometry.depthwise = false;
  }
}

}  // namespace
}  // namespace shrike::tests
