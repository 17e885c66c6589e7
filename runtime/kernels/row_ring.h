// Input rows as the inner loops want them: converted to the loop's element type and padded left and right,
// kept in a ring so that rows shared by neighbouring output rows are converted once.
#pragma once
#include "kernels/kernels.h"

namespace shrike {
namespace {

constexpr size_t kCacheLine = 64;

constexpr size_t round_up(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

template <typename T>
T* align_line(void* memory) {
  return reinterpret_cast<T*>(round_up(reinterpret_cast<uintptr_t>(memory), kCacheLine));
}

// Sizes of the ring. `slack`: elements readable past the last pixel of a row.
struct RingSize {
  size_t width;         // pixels of a row: everything that any tap of any output pixel touches
  size_t row_elements;  // whole cache lines
  size_t capacity;      // rows

  RingSize(const ConvGeometry& g, int32_t output_rows, size_t slack, size_t element_bytes) {
    width = static_cast<size_t>(g.out_w - 1) * static_cast<size_t>(g.stride_w) +
            static_cast<size_t>(g.kernel_w - 1) * static_cast<size_t>(g.dilation_w) + 1;
    row_elements =
        round_up((width * static_cast<size_t>(g.in_c) + slack) * element_bytes, kCacheLine) / element_bytes;
    capacity = static_cast<size_t>(output_rows - 1) * static_cast<size_t>(g.stride_h) +
               static_cast<size_t>(g.kernel_h - 1) * static_cast<size_t>(g.dilation_h) + 1;
    if (capacity > static_cast<size_t>(g.in_h)) capacity = static_cast<size_t>(g.in_h);
  }
  size_t elements() const {
    return (capacity + 1) * row_elements;
  }  // one more row: the padding above and below
};

// Output pixel i needs input pixel i only: rows don't matter.
inline bool is_pointwise(const ConvGeometry& g) {
  return g.kernel_h == 1 && g.kernel_w == 1 && g.stride_h == 1 && g.stride_w == 1 && g.pad_top == 0 &&
         g.pad_left == 0 && g.out_h == g.in_h && g.out_w == g.in_w;
}

// Output rows (pointwise: pixels, in whole tiles of `tile_pixels`) whose input fits in `strip_bytes`: it is
// converted once and meets every block of weights while it is in the cache.
inline size_t strip_length(const ConvGeometry& g, size_t tile_pixels, size_t slack, size_t element_bytes,
                           size_t strip_bytes) {
  if (is_pointwise(g)) {
    const size_t pixels = strip_bytes / (static_cast<size_t>(g.in_c) * element_bytes);
    const size_t longest = 64 * tile_pixels;
    return pixels < tile_pixels ? tile_pixels
           : pixels > longest   ? longest
                                : pixels / tile_pixels * tile_pixels;
  }
  const size_t row_bytes = RingSize(g, 1, slack, element_bytes).row_elements * element_bytes;
  const size_t fixed = static_cast<size_t>(g.kernel_h) * row_bytes;
  const size_t rows =
      1 + (fixed < strip_bytes ? (strip_bytes - fixed) / (row_bytes * static_cast<size_t>(g.stride_h)) : 0);
  return rows < static_cast<size_t>(g.out_h) ? rows : static_cast<size_t>(g.out_h);
}

// Rows of the input in the form that the inner loops want, each made once, and one row of padding.
template <class Element>
class InputRing {
 public:
  // `memory`: elements() of them.
  InputRing(int32_t in_h, size_t capacity, size_t row_elements, Element* memory)
      : in_h_(in_h), capacity_(capacity), row_elements_(row_elements), rows_(memory) {}

  size_t elements() const { return (capacity_ + 1) * row_elements_; }
  Element* padding() const { return rows_ + capacity_ * row_elements_; }

  // Makes rows [first, last] of the input available, by convert(row, its place); those outside it read as
  // padding. `first` never decreases.
  template <class Convert>
  void advance(int64_t first, int64_t last, const Convert& convert) {
    if (next_ < first) next_ = first;
    for (; next_ <= last && next_ < in_h_; ++next_) convert(next_, place_of(next_));
  }

  const Element* row(int64_t y) const { return y < 0 || y >= in_h_ ? padding() : place_of(y); }

 private:
  Element* place_of(int64_t y) const { return rows_ + static_cast<size_t>(y) % capacity_ * row_elements_; }

  const int64_t in_h_;
  const size_t capacity_, row_elements_;
  Element* const rows_;
  int64_t next_ = 0;
};

// Elements provides Element, kZero (what 0 becomes) and convert(input, output, count).
template <class Elements, typename Input = int8_t>
class RowRing {
 public:
  using Element = typename Elements::Element;

  RowRing(const ConvGeometry& geometry, const RingSize& size, const Input* input, Element* memory)
      : g_(geometry),
        size_(size),
        input_(input),
        ring_(geometry.in_h, size.capacity, size.row_elements, memory) {
    fill(ring_.padding(), size.row_elements);
  }

  // As InputRing's.
  void advance(int64_t first, int64_t last) {
    ring_.advance(first, last, [this](int64_t y, Element* row) { convert_row(y, row); });
  }
  const Element* row(int64_t y) const { return ring_.row(y); }

  // The input of `count` runs (packed_conv.h) of the output row whose window begins at input row `top`, at
  // output pixel 0.
  void find_runs(int64_t top, int32_t count, const Element** runs) const {
    const int32_t per_row = count / g_.kernel_h;
    for (int32_t run = 0; run < count; ++run) {
      const size_t tap = static_cast<size_t>(run % per_row) * static_cast<size_t>(g_.dilation_w);
      runs[run] =
          row(top + static_cast<int64_t>(run / per_row) * g_.dilation_h) + tap * static_cast<size_t>(g_.in_c);
    }
  }

 private:
  static void fill(Element* row, size_t count) {
    for (size_t i = 0; i < count; ++i) row[i] = Elements::kZero;
  }

  void convert_row(int64_t y, Element* row) const {
    const size_t channels = static_cast<size_t>(g_.in_c), in_w = static_cast<size_t>(g_.in_w);
    const size_t left =
        static_cast<size_t>(g_.pad_left) < size_.width ? static_cast<size_t>(g_.pad_left) : size_.width;
    const size_t pixels = size_.width - left < in_w ? size_.width - left : in_w;
    fill(row, left * channels);
    Elements::convert(input_ + static_cast<size_t>(y) * in_w * channels, row + left * channels,
                      pixels * channels);
    const size_t used = (left + pixels) * channels;
    fill(row + used, size_.row_elements - used);
  }

  const ConvGeometry& g_;
  const RingSize size_;
  const Input* input_;
  InputRing<Element> ring_;
};

}  // namespace
}  // namespace shrike
