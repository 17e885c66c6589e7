// Naive convolution and rounding straight from the spec's formulas: an oracle that shares no code with any
// kernel, the portable ones included. And the machinery that runs a kernel the way operators do.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace shrike::tests {

// spec/numerics.md 1.3: k = floor(a / 2^s), r = a - k * 2^s.
inline int64_t reference_shift(int64_t a, int shift, Rounding rounding) {
  if (shift == 0) return a;
  const int64_t unit = int64_t{1} << shift, half = unit / 2;
  const int64_t k = a >= 0 ? a / unit : -((-a + unit - 1) / unit);
  const int64_t r = a - k * unit;
  if (rounding == Rounding::kHalfUp) return r >= half ? k + 1 : k;
  return r > half || (r == half && k % 2 != 0) ? k + 1 : k;
}

inline int8_t reference_saturate(int64_t value) {
  return static_cast<int8_t>(value < -128 ? -128 : value > 127 ? 127 : value);
}

// A convolution with its data. Weights are kept in logical order [output][ky][kx][c] and stored per layout,
// in blocks of kBlock channels.
template <typename ValueType, typename BiasType, int kBlock>
struct CaseData {
  using Value = ValueType;
  std::string name;
  ConvGeometry geometry;
  WeightLayout layout = WeightLayout::kBlocked;
  Rounding rounding = Rounding::kHalfEven;
  bool relu = false;
  std::vector<Value> input, logical, stored, shifts;
  std::vector<BiasType> bias;

  int taps() const {
    return geometry.kernel_h * geometry.kernel_w * (geometry.depthwise ? 1 : geometry.in_c);
  }
  size_t output_count() const {
    return static_cast<size_t>(geometry.out_h) * geometry.out_w * geometry.out_c;
  }

  // spec/espdl-format.md 6.2 and 6.3.
  void store_weights() {
    const ConvGeometry& g = geometry;
    const int outputs = g.out_c, blocked = layout == WeightLayout::kBlocked ? outputs / kBlock * kBlock : 0;
    stored.assign(logical.size(), 0);
    for (int n = 0; n < outputs; ++n) {
      for (int t = 0; t < taps(); ++t) {
        size_t offset;
        if (n < blocked) {
          offset = (static_cast<size_t>(n / kBlock) * taps() + t) * kBlock + n % kBlock;
        } else if (g.depthwise) {
          offset = static_cast<size_t>(blocked) * taps() + static_cast<size_t>(t) * (outputs - blocked) +
                   (n - blocked);
        } else {
          offset = static_cast<size_t>(n) * taps() + t;
        }
        stored[offset] = logical[static_cast<size_t>(n) * taps() + t];
      }
    }
  }

 protected:
  template <class Conv>
  Conv operands() const {
    Conv result{};
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

struct ConvCase : CaseData<int8_t, int32_t, 16> {
  Conv8 conv() const { return operands<Conv8>(); }
};

struct Case16 : CaseData<int16_t, int64_t, 8> {
  Conv16 conv() const { return operands<Conv16>(); }
};

// spec/numerics.md 3.1; finish(sum, channel) makes the output of an exact sum.
template <class Case, class Finish>
std::vector<typename Case::Value> reference_conv(const Case& test, const Finish& finish) {
  const ConvGeometry& g = test.geometry;
  std::vector<typename Case::Value> output;
  for (int y = 0; y < g.out_h; ++y) {
    for (int x = 0; x < g.out_w; ++x) {
      for (int n = 0; n < g.out_c; ++n) {
        int64_t sum = test.bias.empty() ? 0 : test.bias[n];
        const auto* weight = &test.logical[static_cast<size_t>(n) * test.taps()];
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
        output.push_back(finish(sum, n));
      }
    }
  }
  return output;
}

inline std::vector<int8_t> reference_conv(const ConvCase& test) {
  return reference_conv(test, [&test](int64_t sum, int n) {
    const int8_t value = reference_saturate(reference_shift(sum, test.shifts[n], test.rounding));
    return test.relu && value < 0 ? int8_t{0} : value;
  });
}

// As many bytes as asked for and one to watch, so that sanitizers and canaries see every byte too many.
class Memory {
 public:
  explicit Memory(size_t bytes) : bytes_(new uint8_t[bytes + 1]) {
    std::memset(bytes_.get(), 0x5a, bytes + 1);
  }
  void* data() { return bytes_.get(); }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
};

// Runs rows [0, cut) and [cut, out_h) by separate calls; `rows` makes the call. Empty when the
// kernel does not take the geometry.
template <class Case, class Kernel, class Rows>
std::vector<typename Case::Value> run_kernel(const Case& test, const Kernel& kernel, bool takes_all, int cut,
                                             const Rows& rows) {
  auto conv = test.conv();
  const size_t packed_bytes = kernel.packed_bytes(conv);
  if (packed_bytes == 0 && !takes_all) return {};
  Memory packed(packed_bytes), scratch(kernel.scratch_bytes(conv));
  kernel.pack(conv, packed.data());
  conv.packed = packed.data();
  std::vector<typename Case::Value> output(test.output_count(), 0x33);
  if (cut > 0) rows(conv, output.data(), 0, cut, scratch.data());
  rows(conv, output.data(), cut, test.geometry.out_h, scratch.data());
  return output;
}

inline std::vector<int8_t> run_conv(const KernelSet& kernels, const ConvCase& test, int cut) {
  const Conv8Kernel& kernel = test.geometry.depthwise ? kernels.depthwise8 : kernels.conv8;
  const bool takes_all = kernels.fallback == nullptr;
  return run_kernel(test, kernel, takes_all, cut,
                    [&](const Conv8& conv, int8_t* output, int32_t begin, int32_t end, void* scratch) {
                      kernel.run(conv, test.input.data(), output, begin, end, scratch);
                    });
}

// Tables whose sums have 32 bits: given biases and shifts that leave them head room, as the portable one.
inline bool scalar(const KernelSet& kernels) {
  return &kernels == &kPortableKernels || &kernels == &kPairKernels;
}

enum class Fill { kRandom, kLowest, kHighest, kExtremes };

template <typename Value>
Value fill_value(Fill fill, std::mt19937& random) {
  constexpr Value kLowest = std::numeric_limits<Value>::min(), kHighest = std::numeric_limits<Value>::max();
  switch (fill) {
    case Fill::kLowest:
      return kLowest;
    case Fill::kHighest:
      return kHighest;
    case Fill::kExtremes:
      return random() % 2 == 0 ? kLowest : kHighest;
    default:
      return static_cast<Value>(random());
  }
}

// Output size from pads at the end (not part of the geometry: taps past the input read 0).
inline ConvGeometry geometry(int in_h, int in_w, int in_c, int out_c, int kernel_h, int kernel_w, int stride,
                             int dilation, int pad_top, int pad_left, int pad_bottom, int pad_right,
                             bool depthwise = false) {
  ConvGeometry g{};
  g.in_h = in_h, g.in_w = in_w, g.in_c = in_c;
  g.out_c = depthwise ? in_c : out_c;
  g.kernel_h = kernel_h, g.kernel_w = kernel_w;
  g.stride_h = g.stride_w = stride;
  g.dilation_h = g.dilation_w = dilation;
  g.pad_top = pad_top, g.pad_left = pad_left;
  g.out_h = (in_h + pad_top + pad_bottom - (kernel_h - 1) * dilation - 1) / stride + 1;
  g.out_w = (in_w + pad_left + pad_right - (kernel_w - 1) * dilation - 1) / stride + 1;
  g.depthwise = depthwise;
  return g;
}

// Data for a geometry. Shifts are spread around the one that makes full use of the output range: `one_tap`
// for a filter of one tap.
template <class Case, class DrawBias>
Case draw_case(const std::string& name, const ConvGeometry& g, Fill inputs, Fill weights, unsigned seed,
               int one_tap, const DrawBias& draw_bias) {
  using Value = typename Case::Value;
  std::mt19937 random(seed);
  Case test;
  test.name = name;
  test.geometry = g;
  test.input.resize(static_cast<size_t>(g.in_h) * g.in_w * g.in_c);
  for (Value& value : test.input) value = fill_value<Value>(inputs, random);
  test.logical.resize(static_cast<size_t>(g.out_c) * test.taps());
  for (Value& value : test.logical) value = fill_value<Value>(weights, random);
  int typical = one_tap;
  while ((int64_t{1} << (2 * (typical - one_tap))) < test.taps()) ++typical;
  for (int n = 0; n < g.out_c; ++n) {
    test.shifts.push_back(static_cast<Value>(typical + static_cast<int>(random() % 5) - 2));
    test.bias.push_back(draw_bias(random));
  }
  test.store_weights();
  return test;
}

inline ConvCase make_case(const std::string& name, const ConvGeometry& g, Fill inputs, Fill weights,
                          unsigned seed) {
  return draw_case<ConvCase>(name, g, inputs, weights, seed, 5, [](std::mt19937& random) {
    return static_cast<int32_t>(random() % 20001) - 10000;
  });
}

inline Case16 make_case_16(const std::string& name, const ConvGeometry& g, Fill inputs, Fill weights,
                           unsigned seed) {
  return draw_case<Case16>(name, g, inputs, weights, seed, 14, [](std::mt19937& random) {
    return static_cast<int64_t>(random()) - (int64_t{1} << 31);
  });
}

// What `run` gives equals `expected`, as one call and cut into row ranges. run(cut); `by`: whose run.
template <class Case, class Run>
void expect_at_every_cut(const Case& test, const std::string& by,
                         const std::vector<typename Case::Value>& expected, const Run& run) {
  for (const int cut : {0, 1, test.geometry.out_h / 2}) {
    if (cut >= test.geometry.out_h) continue;
    const std::vector<typename Case::Value> output = run(cut);
    ASSERT_EQ(output.size(), expected.size()) << test.name << ": " << by << " refuses the geometry";
    for (size_t k = 0; k < expected.size(); ++k) {
      const size_t channels = static_cast<size_t>(test.geometry.out_c);
      ASSERT_EQ(output[k], expected[k]) << test.name << ": " << by << ", rows cut at " << cut << ", pixel "
                                        << k / channels << ", channel " << k % channels;
    }
  }
}

inline std::vector<int8_t> random_table(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int8_t> table(256);
  for (int8_t& entry : table) entry = static_cast<int8_t>(random());
  return table;
}

}  // namespace shrike::tests
