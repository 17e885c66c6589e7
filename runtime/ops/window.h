// The sliding window of MaxPool and AveragePool over [N,H,W,C] or [N,W,C] (height one).
#pragma once
#include "ops/op.h"

namespace shrike {

struct PoolWindow {
  int32_t batch, in_h, in_w, channels;
  int32_t out_h, out_w;
  int32_t kernel_h, kernel_w;
  int32_t stride_h, stride_w;
  int32_t pad_top, pad_left, pad_right;
};

// The taps of output row or column `index` that lie inside the input: [begin, end). Never empty after
// read_window.
struct Taps {
  int32_t begin, end;
};
inline Taps taps(int32_t index, int32_t stride, int32_t pad, int32_t kernel, int32_t size) {
  const int32_t first = index * stride - pad;
  return {first < 0 ? 0 : first, first + kernel > size ? size : first + kernel};
}

// Reads kernel_shape, strides and pads, and gives the output its shape (floor, as on the chip).
Status read_window(const Prepare& node, PoolWindow* window);

}  // namespace shrike
