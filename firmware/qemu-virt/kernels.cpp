// Instructions per multiply-add of the kernel tables and of a naive triple loop, on shapes of YOLO11n.
// Results must be equal; the program ends with 1 when they are not.
#include <stdio.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/portable/portable.h"
#include "kernels/weight_layout.h"
#include "qemu-virt/board.h"

namespace {

using shrike::Conv8;
using shrike::ConvGeometry;

constexpr size_t kMostBytes = 1 << 20;
alignas(64) int8_t input[kMostBytes], weights[kMostBytes], expected[kMostBytes], output[kMostBytes];
alignas(64) uint8_t packed[kMostBytes], scratch[kMostBytes];
int32_t bias[512];
int8_t shifts[512];

uint32_t random_state = 1;
int32_t random_number() {
  random_state = random_state * 1664525u + 1013904223u;
  return static_cast<int32_t>(random_state >> 24);
}

// The formula itself, with weights as the file stores them.
void naive(const Conv8& conv) {
  const ConvGeometry& g = conv.geometry;
  for (int32_t y = 0; y < g.out_h; ++y) {
    for (int32_t x = 0; x < g.out_w; ++x) {
      for (int32_t n = 0; n < g.out_c; ++n) {
        const shrike::ChannelTaps at = shrike::channel_taps<int8_t>(g, conv.layout, n);
        int32_t sum = conv.bias[n];
        for (int32_t ky = 0; ky < g.kernel_h; ++ky) {
          for (int32_t kx = 0; kx < g.kernel_w; ++kx) {
            const int32_t in_y = y * g.stride_h - g.pad_top + ky, in_x = x * g.stride_w - g.pad_left + kx;
            if (in_y < 0 || in_y >= g.in_h || in_x < 0 || in_x >= g.in_w) continue;
            const int32_t run = g.depthwise ? 1 : g.in_c;
            for (int32_t c = 0; c < run; ++c) {
              const int32_t tap = (ky * g.kernel_w + kx) * run + c;
              sum += input[(in_y * g.in_w + in_x) * g.in_c + (g.depthwise ? n : c)] *
                     conv.weights[at.offset + static_cast<size_t>(tap) * at.stride];
            }
          }
        }
        expected[(y * g.out_w + x) * g.out_c + n] = shrike::finish_s8(conv, sum, n);
      }
    }
  }
}

uint64_t run(const shrike::Conv8Kernel& kernel, Conv8 conv) {
  if (kernel.packed_bytes(conv) > sizeof packed || kernel.scratch_bytes(conv) > sizeof scratch) return 0;
  kernel.pack(conv, packed);
  conv.packed = packed;
  memset(output, 0, sizeof output);
  const uint64_t before = board::instructions();
  kernel.run(conv, input, output, 0, conv.geometry.out_h, scratch);
  return board::instructions() - before;
}

// Prints naive, portable and pairs; returns whether all agree.
bool compare(const char* name, ConvGeometry g) {
  Conv8 conv{};
  conv.geometry = g;
  conv.layout = shrike::WeightLayout::kBlocked;
  conv.weights = weights;
  conv.bias = bias;
  conv.shifts = shifts;
  conv.rounding = shrike::Rounding::kHalfEven;
  const size_t outputs =
      static_cast<size_t>(g.out_h) * static_cast<size_t>(g.out_w) * static_cast<size_t>(g.out_c);
  const double macs = static_cast<double>(outputs * shrike::taps_per_channel(g));
  const uint64_t before = board::instructions();
  naive(conv);
  const uint64_t plain = board::instructions() - before;
  printf("kernel %-24s %5.2f", name, static_cast<double>(plain) / macs);
  bool equal = true;
  const shrike::KernelSet* const tables[] = {&shrike::kPortableKernels, &shrike::kPairKernels};
  for (const shrike::KernelSet* kernels : tables) {
    const uint64_t count = run(g.depthwise ? kernels->depthwise8 : kernels->conv8, conv);
    equal = equal && count > 0 && memcmp(output, expected, outputs) == 0;
    printf(" %5.2f", static_cast<double>(count) / macs);
  }
  printf(" %s\n", equal ? "equal" : "DIFFERS");
  return equal;
}

ConvGeometry square(int32_t size, int32_t in_c, int32_t out_c, int32_t kernel, int32_t stride,
                    bool depthwise) {
  ConvGeometry g{};
  g.in_h = g.in_w = size;
  g.out_h = g.out_w = size / stride;
  g.in_c = in_c;
  g.out_c = out_c;
  g.kernel_h = g.kernel_w = kernel;
  g.stride_h = g.stride_w = stride;
  g.dilation_h = g.dilation_w = 1;
  g.pad_top = g.pad_left = kernel / 2;
  g.depthwise = depthwise;
  return g;
}

}  // namespace

int main() {
  for (int8_t& value : input) value = static_cast<int8_t>(random_number());
  // Like trained weights: small ones are frequent. The mean magnitude is 21.
  for (int8_t& value : weights) {
    value = static_cast<int8_t>((random_number() + random_number() + random_number() - 382) / 3 / 2);
  }
  for (int32_t& value : bias) value = random_number() * 16 - 2048;
  for (int8_t& value : shifts) value = static_cast<int8_t>(8 + random_number() % 4);
  printf("instructions per multiply-add: naive, portable, pairs\n");
  bool equal = compare("3x3/2 3->16", square(64, 3, 16, 3, 2, false));
  equal = compare("3x3 64->64", square(20, 64, 64, 3, 1, false)) && equal;
  equal = compare("3x3 128->128, 10 wide", square(10, 128, 128, 3, 1, false)) && equal;
  equal = compare("1x1 64->80", square(20, 64, 80, 1, 1, false)) && equal;
  equal = compare("1x1 384->256", square(10, 384, 256, 1, 1, false)) && equal;
  equal = compare("3x3 depthwise 128", square(20, 128, 128, 3, 1, true)) && equal;
  return equal ? 0 : 1;
}
