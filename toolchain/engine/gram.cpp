#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "toolchain/engine/linalg.h"
#include "toolchain/engine/operators.h"
#include "toolchain/support/error.h"

namespace shrike::engine {
namespace {

constexpr int64_t kRowsInFloat = 4096;  // rows summed in float32 before they go to float64
constexpr int64_t kSmallMatrix = 32;    // below this a plain loop beats the convolution library

// [C * kH * kW, positions] of one image [C, H, W].
at::Tensor columns_of(const at::Tensor& image, const ConvSpec& spec, int64_t rows_per_image) {
  const std::vector<int64_t> pads(spec.pads, spec.pads + 4);
  const at::Tensor padded = pad_spatial(image.unsqueeze(0), pads, 0);
  at::Tensor columns;
  if (spec.kernel_h == 1 && spec.kernel_w == 1) {
    columns = padded[0]
                  .slice(1, 0, padded.size(2), spec.stride_h)
                  .slice(2, 0, padded.size(3), spec.stride_w)
                  .reshape({image.size(0), -1});
  } else {
    columns = at::im2col(padded, {spec.kernel_h, spec.kernel_w}, {spec.dilation_h, spec.dilation_w}, {0, 0},
                         {spec.stride_h, spec.stride_w})[0];
  }
  const int64_t positions = columns.size(1);
  if (rows_per_image <= 0 || positions <= rows_per_image) return columns.contiguous();
  std::vector<int64_t> chosen(static_cast<size_t>(rows_per_image));
  for (int64_t i = 0; i < rows_per_image; ++i)
    chosen[static_cast<size_t>(i)] = (2 * i + 1) * positions / (2 * rows_per_image);
  return at::index_select(columns, 1, at::tensor(chosen, at::kLong));
}

// sums [G, k, k] += a b^T per group; a, b [G, k, positions].
void add_products(const at::Tensor& a, const at::Tensor& b, std::vector<double>& sums) {
  const int64_t groups = a.size(0), k = a.size(1), positions = a.size(2);
  if (k > kSmallMatrix) {
    for (int64_t group = 0; group < groups; ++group) {
      at::Tensor total = at::from_blob(sums.data() + group * k * k, {k, k}, at::kDouble);
      for (int64_t begin = 0; begin < positions; begin += kRowsInFloat) {
        const int64_t end = std::min(positions, begin + kRowsInFloat);
        total += multiply_transposed(a[group].slice(1, begin, end), b[group].slice(1, begin, end));
      }
    }
    return;
  }
  const float* left = a.data_ptr<float>();
  const float* right = b.data_ptr<float>();
  at::parallel_for(0, groups * k, 1, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const float* x = left + row * positions;
      for (int64_t column = 0; column < k; ++column) {
        const float* y = right + (row / k * k + column) * positions;
        double partial[4] = {0, 0, 0, 0};
        int64_t i = 0;
        for (; i + 4 <= positions; i += 4) {
          for (int lane = 0; lane < 4; ++lane)
            partial[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(y[i + lane]);
        }
        for (; i < positions; ++i) partial[0] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
        sums[static_cast<size_t>(row * k + column)] += (partial[0] + partial[1]) + (partial[2] + partial[3]);
      }
    }
  });
}

void add_row_sums(const at::Tensor& columns, std::vector<double>& sums) {
  const at::Tensor row_sums = at::sum(columns, {-1}, false, at::kDouble).reshape({-1}).contiguous();
  for (int64_t i = 0; i < row_sums.numel(); ++i)
    sums[static_cast<size_t>(i)] += row_sums.data_ptr<double>()[i];
}

std::vector<double> divided(std::vector<double> sums, int64_t count) {
  for (double& value : sums) value /= static_cast<double>(std::max<int64_t>(1, count));
  return sums;
}

}  // namespace

struct GramAccumulator::Impl {
  ConvSpec spec;
  int64_t in_channels, rows_per_image, size;
  int64_t rows = 0;
  std::vector<double> matrix, cross, sums, reference_sums;

  at::Tensor images(const float* values, const graph::Shape& shape) const {
    if (shape.size() != 4 || shape[1] != in_channels) {
      fail("convolution inputs must be [N, {}, H, W], found [{}]", in_channels, fmt::join(shape, ", "));
    }
    return at::from_blob(const_cast<float*>(values), shape, at::kFloat);
  }
  at::Tensor columns(const at::Tensor& image) const {
    return columns_of(image, spec, rows_per_image).view({spec.groups, size, -1});
  }
};

GramAccumulator::GramAccumulator(ConvSpec spec, int64_t in_channels, int64_t rows_per_image)
    : impl_(std::make_unique<Impl>()) {
  if (spec.groups < 1 || in_channels % spec.groups != 0)
    fail("{} channels do not divide into {} groups", in_channels, spec.groups);
  impl_->spec = spec;
  impl_->in_channels = in_channels;
  impl_->rows_per_image = rows_per_image;
  impl_->size = in_channels / spec.groups * spec.kernel_h * spec.kernel_w;
  const size_t groups = static_cast<size_t>(spec.groups), size = static_cast<size_t>(impl_->size);
  impl_->matrix.assign(groups * size * size, 0.0);
  impl_->cross.assign(groups * size * size, 0.0);
  impl_->sums.assign(groups * size, 0.0);
  impl_->reference_sums.assign(groups * size, 0.0);
}

GramAccumulator::~GramAccumulator() = default;
GramAccumulator::GramAccumulator(GramAccumulator&&) noexcept = default;

void GramAccumulator::add(const float* nchw, const graph::Shape& shape) {
  const c10::InferenceMode inference;
  at::init_num_threads();
  const at::Tensor images = impl_->images(nchw, shape);
  for (int64_t i = 0; i < images.size(0); ++i) {
    const at::Tensor columns = impl_->columns(images[i]);
    add_products(columns, columns, impl_->matrix);
    add_row_sums(columns, impl_->sums);
    impl_->rows += columns.size(2);
  }
}

void GramAccumulator::add_pair(const float* quantized, const float* reference, const graph::Shape& shape) {
  const c10::InferenceMode inference;
  at::init_num_threads();
  const at::Tensor images = impl_->images(quantized, shape), references = impl_->images(reference, shape);
  for (int64_t i = 0; i < images.size(0); ++i) {
    const at::Tensor columns = impl_->columns(images[i]), reference_columns = impl_->columns(references[i]);
    add_products(columns, columns, impl_->matrix);
    add_products(columns, reference_columns, impl_->cross);
    add_row_sums(columns, impl_->sums);
    add_row_sums(reference_columns, impl_->reference_sums);
    impl_->rows += columns.size(2);
  }
}

int64_t GramAccumulator::size() const {
  return impl_->size;
}
const std::vector<double>& GramAccumulator::matrix() const {
  return impl_->matrix;
}
const std::vector<double>& GramAccumulator::cross() const {
  return impl_->cross;
}
std::vector<double> GramAccumulator::mean() const {
  return divided(impl_->sums, impl_->rows);
}
std::vector<double> GramAccumulator::reference_mean() const {
  return divided(impl_->reference_sums, impl_->rows);
}
int64_t GramAccumulator::rows() const {
  return impl_->rows;
}

}  // namespace shrike::engine
