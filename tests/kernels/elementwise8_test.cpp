// Element-wise 8-bit kernels of every instruction set against the spec's formulas, on all values and odd
// counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "ops/numeric.h"
#include "tests/kernels/reference.h"
#include "tests/kernels/tables.h"

namespace shrike::tests {
namespace {

const size_t kCounts[] = {0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 127, 1000};

// All pairs of 8-bit values.
struct Pairs {
  std::vector<int8_t> a, b;
  Pairs() {
    for (int x = -128; x <= 127; ++x) {
      for (int y = -128; y <= 127; ++y) {
        a.push_back(static_cast<int8_t>(x));
        b.push_back(static_cast<int8_t>(y));
      }
    }
  }
};

using Kernel =
    std::function<void(const KernelSet&, const int8_t* a, const int8_t* b, int8_t* output, size_t count)>;

// Runs on every table: all pairs, then odd counts (nothing past `count` may be written), then in place.
void check_kernel(const char* what, const Kernel& kernel,
                  const std::function<int8_t(int a, int b)>& formula) {
  const Pairs pairs;
  std::vector<int8_t> expected;
  for (size_t i = 0; i < pairs.a.size(); ++i) expected.push_back(formula(pairs.a[i], pairs.b[i]));
  for (int i = 0; const KernelSet* kernels = tested_kernels(i); ++i) {
    std::vector<int8_t> output(expected.size());
    kernel(*kernels, pairs.a.data(), pairs.b.data(), output.data(), output.size());
    ASSERT_EQ(output, expected) << what << ": " << kernels->isa;
    for (const size_t count : kCounts) {
      const size_t start = 12345;
      Memory exact(count);
      int8_t* target = static_cast<int8_t*>(exact.data());
      kernel(*kernels, pairs.a.data() + start, pairs.b.data() + start, target, count);
      for (size_t k = 0; k < count; ++k)
        ASSERT_EQ(target[k], expected[start + k]) << what << ": " << kernels->isa;
      ASSERT_EQ(target[count], 0x5a) << what << ": " << kernels->isa << " writes past " << count;
    }
    output = pairs.a;
    kernel(*kernels, output.data(), pairs.b.data(), output.data(), output.size());
    ASSERT_EQ(output, expected) << what << " in place: " << kernels->isa;
  }
}

const Rounding kRoundings[] = {Rounding::kHalfEven, Rounding::kHalfUp};

TEST(Elementwise8, LookupTakesTheEntryOfEveryValue) {
  const std::vector<int8_t> table = random_table(99);
  check_kernel(
      "lookup8",
      [&table](const KernelSet& kernels, const int8_t* a, const int8_t*, int8_t* output, size_t count) {
        kernels.lookup8(a, output, count, table.data());
      },
      [&table](int a, int) { return table[static_cast<size_t>(a + 128)]; });
}

TEST(Elementwise8, AddSaturates) {
  check_kernel(
      "add8",
      [](const KernelSet& kernels, const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
        kernels.add8(a, b, output, count);
      },
      [](int a, int b) { return reference_saturate(a + b); });
}

TEST(Elementwise8, MaximumIsTheLargerInteger) {
  check_kernel(
      "maximum8",
      [](const KernelSet& kernels, const int8_t* a, const int8_t* b, int8_t* output, size_t count) {
        kernels.maximum8(a, b, output, count);
      },
      [](int a, int b) { return static_cast<int8_t>(a > b ? a : b); });
}

TEST(Elementwise8, MulRoundsTheExactProductForEveryShift) {
  for (const Rounding rounding : kRoundings) {
    for (int shift = 0; shift <= 30; ++shift) {
      check_kernel(("mul8, shift " + std::to_string(shift)).c_str(),
                   [=](const KernelSet& kernels, const int8_t* a, const int8_t* b, int8_t* output,
                       size_t count) { kernels.mul8(a, b, output, count, shift, rounding); },
                   [=](int a, int b) { return reference_saturate(reference_shift(a * b, shift, rounding)); });
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Elementwise8, RequantizeRoundsRightAndSaturatesLeft) {
  for (const Rounding rounding : kRoundings) {
    for (int shift = -30; shift <= 30; ++shift) {
      check_kernel(("requantize8, shift " + std::to_string(shift)).c_str(),
                   [=](const KernelSet& kernels, const int8_t* a, const int8_t*, int8_t* output,
                       size_t count) { kernels.requantize8(a, output, count, shift, rounding); },
                   [=](int a, int) {
                     return reference_saturate(shift < 0 ? int64_t{a} * (int64_t{1} << -shift)
                                                         : reference_shift(a, shift, rounding));
                   });
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Elementwise8, QuantizeRoundsAndClampsEveryFloat) {
  std::vector<float> input = {0.0f,   -0.0f,  0.5f,     -0.5f,     1.5f,    2.5f,    -2.5f,   0.49999997f,
                              126.5f, 127.0f, 127.5f,   128.0f,    -127.5f, -128.0f, -128.5f, -129.0f,
                              1e30f,  -1e30f, INFINITY, -INFINITY, NAN,     1e-40f,  -1e-40f};
  for (int i = -2100; i < 2100; ++i) input.push_back(static_cast<float>(i) / 16);
  for (const Rounding rounding : kRoundings) {
    for (const float scale : {1.0f, 0.25f, 8.0f}) {
      std::vector<int8_t> expected(input.size());
      for (size_t i = 0; i < input.size(); ++i)
        expected[i] = quantize_float<int8_t>(input[i] * scale, rounding);
      for (int i = 0; const KernelSet* kernels = tested_kernels(i); ++i) {
        for (const size_t count : {size_t{0}, size_t{7}, size_t{33}, input.size()}) {
          std::vector<int8_t> output(input.size() + 1, 0x5a);
          kernels->quantize8(input.data(), output.data(), count, scale, rounding);
          for (size_t k = 0; k < count; ++k)
            ASSERT_EQ(output[k], expected[k]) << kernels->isa << ": " << input[k] * scale;
          ASSERT_EQ(output[count], 0x5a) << kernels->isa << " writes past " << count;
        }
        std::vector<float> memory = input;
        int8_t* const in_place = reinterpret_cast<int8_t*>(memory.data());
        kernels->quantize8(memory.data(), in_place, memory.size(), scale, rounding);
        EXPECT_TRUE(std::equal(expected.begin(), expected.end(), in_place)) << kernels->isa << " in place";
      }
    }
  }
}

TEST(Elementwise8, RequantizeGivesTheSpecsExamples) {
  // spec/numerics.md 6.1, k = 1 and k = 2.
  const int8_t input[] = {-128, -5, -3, -1, 1, 3, 5, 6, 127};
  const int8_t half_up[] = {-64, -2, -1, 0, 1, 2, 3, 3, 64}, half_even[] = {-64, -2, -2, 0, 0, 2, 2, 3, 64};
  const int8_t quarter[] = {-32, -1, -1, 0, 0, 1, 1, 2, 32};
  for (int i = 0; const KernelSet* kernels = tested_kernels(i); ++i) {
    std::vector<int8_t> output(9);
    kernels->requantize8(input, output.data(), 9, 1, Rounding::kHalfUp);
    EXPECT_THAT(output, ::testing::ElementsAreArray(half_up)) << kernels->isa;
    kernels->requantize8(input, output.data(), 9, 1, Rounding::kHalfEven);
    EXPECT_THAT(output, ::testing::ElementsAreArray(half_even)) << kernels->isa;
    for (const Rounding rounding : kRoundings) {
      kernels->requantize8(input, output.data(), 9, 2, rounding);
      EXPECT_THAT(output, ::testing::ElementsAreArray(quarter)) << kernels->isa;
    }
  }
}

}  // namespace
}  // namespace shrike::tests
