// Every instruction set's 16-bit convolution against the naive formula in 64 bits: geometry, data and
// rounding corners. All comparisons are for equality.
#include <gtest/gtest.h>

#include "tests/kernels/reference.h"

namespace shrike::tests {
namespace {

int16_t saturate_16(int64_t value) {
  return static_cast<int16_t>(value < -32768 ? -32768 : value > 32767 ? 32767 : value);
}

// Weights are kept in logical order [output][ky][kx][c] and stored per layout
// (spec/espdl-format.md 6.2, 6.3).
struct Case16 {
  std::string name;
  ConvGeometry geometry;
  WeightLayout layout = WeightLayout::kBlocked;
  Rounding rounding = Rounding::kHalfEven;
  bool relu = false;
  std::vector<int16_t> input, logical, stored, shifts;
  std::vector<int64_t> bias;

  int taps() const {
    return geometry.kernel_h * geometry.kernel_w * (geometry.depthwise ? 1 : geometry.in_c);
  }

  void store_weights() {
    const int outputs = geometry.out_c, blocked = layout == WeightLayout::kBlocked ? outputs / 8 * 8 : 0;
    stored.assign(logical.size(), 0);
    for (int n = 0; n < outputs; ++n) {
      for (int t = 0; t < taps(); ++t) {
        size_t offset = static_cast<size_t>(n) * taps() + t;
        if (n < blocked) {
          offset = (static_cast<size_t>(n / 8) * taps() + t) * 8 + n % 8;
        } else if (geometry.depthwise) {
          offset = static_cast<size_t>(blocked) * taps() + static_cast<size_t>(t) * (outputs - blocked) +
                   (n - blocked);
        }
        stored[offset] = logical[static_cast<size_t>(n) * taps() + t];
      }
    }
  }

  Conv16 conv() const {
    Conv16 result{};
    result.geometry = geometry;
    result.layout = layout;
    result.weights = stored.data();
    result.bias = bias.empty() ? nullptr : bias.data();
    result.shifts = shifts.data();
    result.rounding = rounding;
    result.relu = relu;
    return result;
  }
};

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

std::vector<int16_t> reference_conv(const Case16& test) {
  const ConvGeometry& g = test.geometry;
  std::vector<int16_t> output;
  for (int y = 0; y < g.out_h; ++y) {
    for (int x = 0; x < g.out_w; ++x) {
      for (int n = 0; n < g.out_c; ++n) {
        int64_t sum = test.bias.empty() ? 0 : test.bias[n];
        const int16_t* weight = &test.logical[static_cast<size_t>(n) * test.taps()];
        for (int ky = 0; ky < g.kernel_h; ++ky) {
          for (int kx = 0; kx < g.kernel_w; ++kx) {
            const int iy = y * g.stride_h - g.pad_top + ky * g.dilation_h;
            const int ix = x * g.stride_w - g.pad_left + kx * g.dilation_w;
            const int channels = g.depthwise ? 1 : g.in_c;
            for (int c = 0; c < channels; ++c, ++weight) {
              if (iy < 0 || iy >= g.in_h || ix < 0 || ix >= g.in_w) continue;
              const int channel = g.depthwise ? n : c;
              sum +=
                  int64_t{*weight} * test.input[(static_cast<size_t>(iy) * g.in_w + ix) * g.in_c + channel];
            }
          }
        }
        output.push_back(reference_result(test, sum, n));
      }
    }
  }
  return output;
}

// Rows [0, cut) and [cut, out_h) by separate calls.
void expect_output(const Conv16Kernel& kernel, const Case16& test, const std::vector<int16_t>& expected) {
  Conv16 conv = test.conv();
  const size_t packed_bytes = kernel.packed_bytes(conv);
  if (kernel.run != kPortableKernels.conv16.run) {
    ASSERT_GT(packed_bytes, 0u) << test.name << ": " << kernel.name << " refuses the geometry";
  }
  Memory packed(packed_bytes), scratch(kernel.scratch_bytes(conv));
  kernel.pack(conv, packed.data());
  conv.packed = packed.data();
  for (const int cut : {0, 1, test.geometry.out_h / 2}) {
    if (cut >= test.geometry.out_h) continue;
    std::vector<int16_t> output(expected.size(), 0x3333);
    SaturationCount saturated;
    if (cut > 0) saturated.add(kernel.run(conv, test.input.data(), output.data(), 0, cut, scratch.data()));
    saturated.add(
        kernel.run(conv, test.input.data(), output.data(), cut, test.geometry.out_h, scratch.data()));
    EXPECT_EQ(saturated.sums, 0u);
    for (size_t k = 0; k < expected.size(); ++k) {
      const size_t channels = static_cast<size_t>(test.geometry.out_c);
      ASSERT_EQ(output[k], expected[k]) << test.name << ": " << kernel.name << ", rows cut at " << cut
                                        << ", pixel " << k / channels << ", channel " << k % channels;
    }
  }
}

void check_everywhere(const Case16& test) {
  const std::vector<int16_t> expected = reference_conv(test);
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    expect_output(kernels->conv16, test, expected);
    if (testing::Test::HasFatalFailure()) return;
  }
}

int16_t fill_value_16(Fill fill, std::mt19937& random) {
  switch (fill) {
    case Fill::kLowest:
      return -32768;
    case Fill::kHighest:
      return 32767;
    case Fill::kExtremes:
      return random() % 2 == 0 ? int16_t{-32768} : int16_t{32767};
    default:
      return static_cast<int16_t>(random());
  }
}

// Shifts are spread around the one that makes full use of the output range.
Case16 make_case_16(const std::string& name, const ConvGeometry& g, Fill inputs, Fill weights,
                    unsigned seed) {
  std::mt19937 random(seed);
  Case16 test;
  test.name = name;
  test.geometry = g;
  test.input.resize(static_cast<size_t>(g.in_h) * g.in_w * g.in_c);
  for (int16_t& value : test.input) value = fill_value_16(inputs, random);
  test.logical.resize(static_cast<size_t>(g.out_c) * test.taps());
  for (int16_t& value : test.logical) value = fill_value_16(weights, random);
  int typical = 14;
  while ((int64_t{1} << (2 * (typical - 14))) < test.taps()) ++typical;
  for (int n = 0; n < g.out_c; ++n) {
    test.shifts.push_back(static_cast<int16_t>(typical + static_cast<int>(random() % 5) - 2));
    test.bias.push_back(static_cast<int64_t>(random()) - (int64_t{1} << 31));
  }
  test.store_weights();
  return test;
}

struct Named {
  const char* name;
  ConvGeometry geometry;
};

const Named kGeometries[] = {
    {"1x1 on 1x1", geometry(1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1, one channel in, 17 out", geometry(5, 7, 1, 17, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1, 37 in, 48 out", geometry(9, 13, 37, 48, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1 on one long row", geometry(1, 1009, 64, 24, 1, 1, 1, 1, 0, 0, 0, 0)},
    {"1x1 stride 2", geometry(9, 11, 20, 33, 1, 1, 2, 1, 0, 0, 0, 0)},
    {"1x1 with padding", geometry(4, 5, 6, 7, 1, 1, 1, 1, 1, 2, 2, 1)},
    {"3x3 stem, stride 2", geometry(17, 23, 3, 16, 3, 3, 2, 1, 1, 1, 1, 1)},
    {"3x3 on 1x1", geometry(1, 1, 5, 20, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3 same", geometry(12, 20, 16, 32, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3, many rows", geometry(90, 6, 96, 8, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3, odd everything", geometry(13, 19, 7, 29, 3, 3, 1, 1, 1, 1, 1, 1)},
    {"3x3 dilation 2", geometry(15, 14, 9, 18, 3, 3, 1, 2, 2, 2, 2, 2)},
    {"3x3 dilation 3, stride 2", geometry(21, 18, 4, 16, 3, 3, 2, 3, 3, 3, 3, 3)},
    {"3x3, padding at one side", geometry(8, 9, 10, 16, 3, 3, 1, 1, 2, 0, 0, 1)},
    {"padding wider than the input", geometry(2, 3, 4, 16, 3, 3, 1, 1, 5, 6, 5, 6)},
    {"1-D, kernel 9", geometry(1, 50, 12, 12, 1, 9, 1, 1, 0, 4, 0, 4)},
    {"kernel as large as the input", geometry(6, 7, 11, 31, 6, 7, 1, 1, 0, 0, 0, 0)},
    {"taller stride than kernel", geometry(23, 23, 5, 6, 2, 2, 5, 1, 0, 0, 0, 0)},
    {"depthwise 1x1 on 1x1", geometry(1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0, true)},
    {"depthwise 1x1", geometry(3, 5, 21, 0, 1, 1, 1, 1, 0, 0, 0, 0, true)},
    {"depthwise 3x3", geometry(10, 14, 64, 0, 3, 3, 1, 1, 1, 1, 1, 1, true)},
    {"depthwise 3x3, 37 channels, stride 2", geometry(15, 13, 37, 0, 3, 3, 2, 1, 1, 1, 1, 1, true)},
    {"depthwise dilation 2", geometry(12, 11, 33, 0, 3, 3, 1, 2, 2, 2, 2, 2, true)},
    {"depthwise, padding wider than the input", geometry(2, 2, 18, 0, 3, 3, 1, 1, 4, 5, 4, 5, true)},
};

TEST(Conv16, EqualsTheFormulaOnEveryGeometry) {
  unsigned seed = 1;
  for (const Named& named : kGeometries) {
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
        if (HasFatalFailure()) return;
      }
    }
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
