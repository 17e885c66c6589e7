#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>

#include "toolchain/engine/cholesky.h"
#include "toolchain/engine/guarded.h"
#include "toolchain/engine/module.h"
#include "toolchain/engine/operators.h"
#include "toolchain/support/error.h"

namespace shrike::engine {
namespace {

constexpr int64_t kRowsInFloat = 4096;  // rows summed in float32 before they go to float64
constexpr int64_t kSmallMatrix = 32;    // below this a plain loop beats the convolution library
constexpr int64_t kPanel = 256;         // rows of a product that are computed at once

// Output positions along one axis.
int64_t positions_of(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads) {
  return (size + pads - dilation * (kernel - 1) - 1) / stride + 1;
}

// Reads what single output positions of a convolution see.
class Columns {
 public:
  Columns(const ConvSpec& spec, const StridedValues& images, int64_t rows_per_image)
      : spec_(spec), images_(images) {
    height_ = positions_of(images.shape[2], spec.kernel_h, spec.stride_h, spec.dilation_h,
                           spec.pads[0] + spec.pads[2]);
    width_ = positions_of(images.shape[3], spec.kernel_w, spec.stride_w, spec.dilation_w,
                          spec.pads[1] + spec.pads[3]);
    const int64_t all = std::max<int64_t>(0, height_) * std::max<int64_t>(0, width_);
    const int64_t rows = rows_per_image <= 0 ? all : std::min(all, rows_per_image);
    for (int64_t i = 0; i < rows; ++i) chosen_.push_back((2 * i + 1) * all / (2 * rows));
  }

  int64_t rows() const { return static_cast<int64_t>(chosen_.size()); }

  // [C * kH * kW, rows] of one image.
  std::unique_ptr<float[]> read(int64_t image) const {
    const int64_t channels = images_.shape[1], taps = spec_.kernel_h * spec_.kernel_w;
    const auto count = static_cast<size_t>(channels * taps * rows());
    auto columns = std::make_unique_for_overwrite<float[]>(count);
    images_.typed([&](const auto* elements, float unit) {
      for (int64_t tap = 0; tap < taps; ++tap)
        read_tap(elements + image * images_.strides[0], unit, tap, taps, columns.get());
    });
    return columns;
  }

 private:
  static constexpr int64_t kTile = 16;  // positions that are read together: a cache line of the columns

  template <typename Element>
  void read_tap(const Element* image, float unit, int64_t tap, int64_t taps, float* columns) const {
    const int64_t channels = images_.shape[1], step = images_.strides[1];
    for (int64_t begin = 0; begin < rows(); begin += kTile) {
      const int64_t count = std::min(kTile, rows() - begin);
      const Element* sources[kTile];
      for (int64_t i = 0; i < count; ++i) sources[i] = source(image, chosen_[begin + i], tap);
      for (int64_t channel = 0; channel < channels; ++channel) {
        float* const column = columns + (channel * taps + tap) * rows() + begin;
        for (int64_t i = 0; i < count; ++i) {
          column[i] = sources[i] == nullptr ? 0.0f : static_cast<float>(sources[i][channel * step]) * unit;
        }
      }
    }
  }

  // The pixel that a tap meets at an output position; null in the padding, which is zero.
  template <typename Element>
  const Element* source(const Element* image, int64_t position, int64_t tap) const {
    const int64_t y = position / width_ * spec_.stride_h - spec_.pads[0] +
                      tap / spec_.kernel_w * spec_.dilation_h,
                  x = position % width_ * spec_.stride_w - spec_.pads[1] +
                      tap % spec_.kernel_w * spec_.dilation_w;
    if (y < 0 || y >= images_.shape[2] || x < 0 || x >= images_.shape[3]) return nullptr;
    return image + y * images_.strides[2] + x * images_.strides[3];
  }

  const ConvSpec& spec_;
  const StridedValues& images_;
  int64_t height_ = 0, width_ = 0;
  std::vector<int64_t> chosen_;  // output positions, evenly spread
};

// Rows less their means, and what that takes off their products.
struct Centred {
  at::Tensor rows;  // [k, positions]
  std::vector<double> origins, totals;

  explicit Centred(const at::Tensor& part) : rows(part.clone()) {
    const int64_t positions = rows.size(1);
    for (int64_t i = 0; i < rows.size(0); ++i) {
      float* const row = rows.data_ptr<float>() + i * positions;
      const auto origin =
          static_cast<float>(std::accumulate(row, row + positions, 0.0) / static_cast<double>(positions));
      for (int64_t j = 0; j < positions; ++j) row[j] -= origin;
      origins.push_back(origin);
      totals.push_back(std::accumulate(row, row + positions, 0.0));
    }
  }

  double taken_off(int64_t a, int64_t b) const {
    const auto i = static_cast<size_t>(a), j = static_cast<size_t>(b);
    return origins[i] * totals[j] + origins[j] * totals[i] +
           static_cast<double>(rows.size(1)) * origins[i] * origins[j];
  }
};

// The lower triangle `sums` of k rows += a a^T; a [k, positions]. `centred`: for numbers that may be far
// larger than what they differ by, of which float32 products would leave nothing.
void add_large_product(const at::Tensor& a, bool centred, double* sums) {
  const int64_t k = a.size(0), positions = a.size(1);
  for (int64_t begin = 0; begin < positions; begin += kRowsInFloat) {
    at::Tensor part = a.slice(1, begin, std::min(positions, begin + kRowsInFloat)).contiguous();
    std::optional<Centred> centre;
    if (centred) part = centre.emplace(part).rows;
    for (int64_t first = 0; first < k; first += kPanel) {
      const int64_t last = std::min(k, first + kPanel);
      const at::Tensor product =
          multiply_transposed(part.slice(0, first, last), part.slice(0, 0, last)).contiguous();
      const float* values = product.data_ptr<float>();
      for (int64_t row = first; row < last; ++row) {
        double* const target = sums + triangle_index(row, 0);
        const float* const source = values + (row - first) * last;
        for (int64_t column = 0; column <= row; ++column) target[column] += source[column];
        for (int64_t column = 0; centred && column <= row; ++column)
          target[column] += centre->taken_off(row, column);
      }
    }
  }
}

void add_small_product(const float* a, int64_t k, int64_t positions, double* sums) {
  for (int64_t row = 0; row < k; ++row) {
    const float* x = a + row * positions;
    for (int64_t column = 0; column <= row; ++column) {
      const float* y = a + column * positions;
      double partial[4] = {0, 0, 0, 0};
      int64_t i = 0;
      for (; i + 4 <= positions; i += 4) {
        for (int lane = 0; lane < 4; ++lane)
          partial[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(y[i + lane]);
      }
      for (; i < positions; ++i) partial[0] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
      sums[triangle_index(row, column)] += (partial[0] + partial[1]) + (partial[2] + partial[3]);
    }
  }
}

struct TorchGramSums final : GramSums {
  TorchGramSums(const ConvSpec& convolution, int64_t channels, int64_t row_limit)
      : spec(convolution), in_channels(channels), rows_per_image(row_limit) {
    if (spec.groups < 1 || in_channels % spec.groups != 0)
      fail("{} channels do not divide into {} groups", in_channels, spec.groups);
    k = in_channels / spec.groups * spec.kernel_h * spec.kernel_w;
    products.assign(static_cast<size_t>(spec.groups * triangle_index(k, 0)), 0.0);
    sums.assign(static_cast<size_t>(spec.groups * k), 0.0);
  }

  void add(const StridedValues& images) override {
    if (images.shape.size() != 4 || images.shape[1] != in_channels) {
      fail("convolution inputs must be [N, {}, H, W], found [{}]", in_channels,
           fmt::join(images.shape, ", "));
    }
    guarded([&] { add_images(images); });
  }

  int64_t size() const override { return k; }
  const std::vector<double>& triangles() const override { return products; }
  std::vector<double> mean() const override {
    std::vector<double> means = sums;
    for (double& value : means) value /= static_cast<double>(std::max<int64_t>(1, row_count));
    return means;
  }
  int64_t rows() const override { return row_count; }

  void add_images(const StridedValues& images) {
    const c10::InferenceMode inference;
    at::init_num_threads();
    const Columns reader(spec, images, rows_per_image);
    if (reader.rows() == 0) return;
    for (int64_t i = 0; i < images.shape[0]; ++i) {
      const std::unique_ptr<float[]> columns = reader.read(i);
      for (int64_t group = 0; group < spec.groups; ++group)
        add_group(columns.get() + group * k * reader.rows(), reader.rows(), group,
                  images.kind == ElementKind::kInt16);
      row_count += reader.rows();
    }
  }

  void add_group(const float* a, int64_t positions, int64_t group, bool centred) {
    double* const triangle = products.data() + group * triangle_index(k, 0);
    if (k > kSmallMatrix) {
      add_large_product(at::from_blob(const_cast<float*>(a), {k, positions}, at::kFloat), centred, triangle);
    } else {
      add_small_product(a, k, positions, triangle);
    }
    double* const totals = sums.data() + group * k;
    int64_t row = 0;
    for (; row + kRows <= k; row += kRows) add_rows<kRows>(a + row * positions, positions, totals + row);
    for (; row < k; ++row) add_rows<1>(a + row * positions, positions, totals + row);
  }

  static constexpr int kRows = 8;  // whose sums don't wait for each other

  template <int kCount>
  static void add_rows(const float* a, int64_t positions, double* totals) {
    double partial[kCount] = {};
    for (int64_t i = 0; i < positions; ++i) {
      for (int row = 0; row < kCount; ++row) partial[row] += static_cast<double>(a[row * positions + i]);
    }
    for (int row = 0; row < kCount; ++row) totals[row] += partial[row];
  }

  ConvSpec spec;
  int64_t in_channels, rows_per_image;
  int64_t k = 0;
  int64_t row_count = 0;
  std::vector<double> products;  // a lower triangle a group
  std::vector<double> sums;
};

std::unique_ptr<GramSums> gram_sums(const ConvSpec& spec, int64_t in_channels, int64_t rows_per_image) {
  return std::make_unique<TorchGramSums>(spec, in_channels, rows_per_image);
}

}  // namespace

const LinalgTable kLinalgTable{gram_sums, inverse_factor};

}  // namespace shrike::engine
