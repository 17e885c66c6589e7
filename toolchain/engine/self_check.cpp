#include "toolchain/engine/self_check.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "toolchain/engine/guarded.h"
#include "toolchain/engine/torch.h"
#include "toolchain/support/random.h"
#include "toolchain/system/library.h"

namespace shrike::engine {
namespace {

// The beginning of oneDNN's dnnl_version_t.
struct Version {
  int major, minor, patch;
};

// Null where LibTorch is built with another library or hides this one.
const Version* onednn_version() {
  auto* ask = find_in_process<const Version*()>("dnnl_version");
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
at::Tensor numbers(const std::vector<int64_t>& shape, uint64_t seed) {
  Random random(seed);
  at::Tensor tensor = at::empty(shape, at::kFloat);
  float* const values = tensor.data_ptr<float>();
  for (int64_t i = 0; i < tensor.numel(); ++i) values[i] = static_cast<float>(random.below(8)) - 3;
  return tensor;
}

// Rounding differs between ways to convolve (Winograd's has fractions); a defect does not hide behind this.
constexpr double kRounding = 1e-3;

// Against LibTorch's own convolution of doubles, which oneDNN has no part in.
bool is_right(const Shape& shape) {
  const at::Tensor picture = numbers({1, shape.channels, kSide, kSide}, 1),
                   filters = numbers({shape.filters, shape.channels, shape.kernel, shape.kernel}, 2);
  const int64_t pad = shape.kernel / 2;
  const at::Tensor input = shape.by_pixel ? picture.contiguous(at::MemoryFormat::ChannelsLast) : picture;
  const at::Tensor found = at::mkldnn_convolution(input, filters, {}, {pad, pad}, {1, 1}, {1, 1}, 1);
  const at::Tensor expected =
      at::conv2d(picture.to(at::kDouble), filters.to(at::kDouble), {}, {1, 1}, {pad, pad});
  const double error = (found.to(at::kDouble) - expected).abs().amax().item<double>();
  return error <= kRounding * expected.abs().amax().item<double>();
}

}  // namespace

void limit_instructions() {
  const Version* const version = onednn_version();
  if (version == nullptr || version->major != 3 || version->minor != 7) return;
  for (const char* name : {"DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA"}) {
    if (std::getenv(name) != nullptr) return;
  }
  constexpr int kSse41 = 1;  // dnnl_cpu_isa_sse41; AVX, AVX2 and AVX-512 are wrong
  if (auto* limit = find_in_process<int(int)>("dnnl_set_max_cpu_isa")) limit(kSse41);
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
