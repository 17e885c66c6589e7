// Which taps of a convolution window fall inside the input, worked out once a row or column, outside the
// inner loops.
#pragma once
#include <stdint.h>

#include "kernels/kernels.h"

namespace shrike {

struct Range {
  int32_t begin, end;
};

// Taps k in [begin, end) of `kernel` with 0 <= start + k * dilation < size. Empty ranges have begin == end.
inline Range valid_taps(int32_t start, int32_t kernel, int32_t dilation, int32_t size) {
  Range range{0, kernel};
  if (start < 0) range.begin = (-start + dilation - 1) / dilation;
  if (range.begin > kernel) range.begin = kernel;
  if (start + (kernel - 1) * dilation >= size) {
    range.end = start >= size ? range.begin : (size - 1 - start) / dilation + 1;
    if (range.end < range.begin) range.end = range.begin;
  }
  return range;
}

// Output columns whose window lies inside the input from the first to the last tap.
inline Range interior_columns(const ConvGeometry& g) {
  Range range;
  range.begin = (g.pad_left + g.stride_w - 1) / g.stride_w;
  if (range.begin > g.out_w) range.begin = g.out_w;
  const int32_t last =
      g.in_w - 1 - (g.kernel_w - 1) * g.dilation_w + g.pad_left;  // of the window's left edge
  range.end = last < 0 ? 0 : last / g.stride_w + 1;
  if (range.end > g.out_w) range.end = g.out_w;
  if (range.end < range.begin) range.end = range.begin;
  return range;
}

}  // namespace shrike
