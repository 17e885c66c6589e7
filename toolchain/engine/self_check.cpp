#include "toolchain/engine/self_check.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "toolchain/engine/guarded.h"
#include "toolchain/engine/torch.h"
#include "toolchain/system/library.h"

namespace shrike::engine {
namespace {

// The beginning of oneDNN's dnnl_version_t.
struct Version {
  int major, minor, patch;
};

// Null where LibTorch is built with another library or hides this one.
const Version* onednn_version() {
  auto* ask = reinterpret_cast<const Version* (*)()>(symbol_of_process("dnnl_version"));
  return ask == nullptr ? nullptr : ask();
}

// Shapes that 3.7.2 gets wrong, by up to half of the largest value: planar pictures whose channels fill the
// last block of 8 or 16 halfway, and 72 filters of one pixel on pictures stored pixel by pixel; and two that
// are right there.
struct Shape {
  int64_t channels, filters, kernel;
  bool by_pixel;
};
constexpr Shape kShapes[] = {
    {72, 8, 3, false}, {100, 8, 3, false}, {64, 72, 1, true}, {3, 16, 3, false}, {16, 32, 3, true}};
constexpr int64_t kSide = 12;

// Small integers, so that sums are exact in any order.
std::vector<float> numbers(int64_t count, uint32_t seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<float>(seed >> 29) - 3);
  }
  return values;
}

std::vector<double> plain(const Shape& shape, const std::vector<float>& picture,
                          const std::vector<float>& filters) {
  const int64_t pad = shape.kernel / 2;
  std::vector<double> result;
  for (int64_t filter = 0; filter < shape.filters; ++filter) {
    for (int64_t y = 0; y < kSide; ++y) {
      for (int64_t x = 0; x < kSide; ++x) {
        double sum = 0;
        for (int64_t channel = 0; channel < shape.channels; ++channel) {
          for (int64_t tap = 0; tap < shape.kernel * shape.kernel; ++tap) {
            const int64_t row = y + tap / shape.kernel - pad, column = x + tap % shape.kernel - pad;
            if (row < 0 || row >= kSide || column < 0 || column >= kSide) continue;
            const auto weight = (filter * shape.channels + channel) * shape.kernel * shape.kernel + tap;
            sum +=
                static_cast<double>(picture[static_cast<size_t>((channel * kSide + row) * kSide + column)]) *
                filters[static_cast<size_t>(weight)];
          }
        }
        result.push_back(sum);
      }
    }
  }
  return result;
}

// Rounding differs between ways to convolve (Winograd's has fractions); a defect does not hide behind this.
constexpr double kRounding = 1e-3;

bool is_right(const Shape& shape) {
  const std::vector<float> picture = numbers(shape.channels * kSide * kSide, 1),
                           filters = numbers(shape.filters * shape.channels * shape.kernel * shape.kernel, 2);
  at::Tensor input =
      at::from_blob(const_cast<float*>(picture.data()), {1, shape.channels, kSide, kSide}, at::kFloat);
  if (shape.by_pixel) input = input.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor weights =
      at::from_blob(const_cast<float*>(filters.data()),
                    {shape.filters, shape.channels, shape.kernel, shape.kernel}, at::kFloat);
  const int64_t pad = shape.kernel / 2;
  const at::Tensor output =
      at::mkldnn_convolution(input, weights, {}, {pad, pad}, {1, 1}, {1, 1}, 1).contiguous();
  const std::vector<double> expected = plain(shape, picture, filters);
  const float* const found = output.data_ptr<float>();
  double largest = 0, error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::fabs(expected[i]));
    error = std::max(error, std::fabs(expected[i] - found[i]));
  }
  return error <= kRounding * largest;
}

}  // namespace

void limit_instructions() {
  const Version* const version = onednn_version();
  if (version == nullptr || version->major != 3 || version->minor != 7) return;
  for (const char* name : {"DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"}) {
    if (std::getenv(name) != nullptr) return;
  }
  constexpr int kSse41 = 1;  // dnnl_cpu_isa_sse41; AVX, AVX2 and AVX-512 are wrong
  if (auto* limit = reinterpret_cast<int (*)(int)>(symbol_of_process("dnnl_set_max_cpu_isa"))) limit(kSse41);
}

void check_convolutions() {
  guarded([] {
    const c10::InferenceMode no_gradients;
    for (const Shape& shape : kShapes) {
      if (is_right(shape)) continue;
      const Version* const version = onednn_version();
      const std::string name =
          version == nullptr ? "convolution library"
                             : fmt::format("oneDNN {}.{}.{}", version->major, version->minor, version->patch);
      fail(
          "the float engine's {} computes wrong convolutions on this machine ({} channels, {} filters of "
          "{}x{}); set "
          "DNNL_MAX_CPU_ISA=SSE41 in the environment, or install another LibTorch (Debian 12's is right)",
          name, shape.channels, shape.filters, shape.kernel, shape.kernel);
    }
  });
}

}  // namespace shrike::engine
