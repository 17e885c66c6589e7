#include <algorithm>

#include "toolchain/engine/cholesky.h"
#include "toolchain/engine/guarded.h"
#include "toolchain/engine/module.h"
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

// sums [G, k, k] += a a^T per group; a [G, k, positions].
void add_products(const at::Tensor& a, std::vector<double>& sums) {
  const int64_t groups = a.size(0), k = a.size(1), positions = a.size(2);
  if (k > kSmallMatrix) {
    for (int64_t group = 0; group < groups; ++group) {
      at::Tensor total = at::from_blob(sums.data() + group * k * k, {k, k}, at::kDouble);
      for (int64_t begin = 0; begin < positions; begin += kRowsInFloat) {
        const int64_t end = std::min(positions, begin + kRowsInFloat);
        const at::Tensor part = a[group].slice(1, begin, end);
        total += multiply_transposed(part, part);
      }
    }
    return;
  }
  const float* values = a.data_ptr<float>();
  at::parallel_for(0, groups * k, 1, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const float* x = values + row * positions;
      for (int64_t column = 0; column < k; ++column) {
        const float* y = values + (row / k * k + column) * positions;
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

struct TorchGramSums final : GramSums {
  TorchGramSums(const ConvSpec& convolution, int64_t channels, int64_t row_limit)
      : spec(convolution), in_channels(channels), rows_per_image(row_limit) {
    if (spec.groups < 1 || in_channels % spec.groups != 0)
      fail("{} channels do not divide into {} groups", in_channels, spec.groups);
    k = in_channels / spec.groups * spec.kernel_h * spec.kernel_w;
    products.assign(static_cast<size_t>(spec.groups * k * k), 0.0);
    sums.assign(static_cast<size_t>(spec.groups * k), 0.0);
  }

  void add(const float* nchw, const graph::Shape& shape) override {
    if (shape.size() != 4 || shape[1] != in_channels) {
      fail("convolution inputs must be [N, {}, H, W], found [{}]", in_channels, fmt::join(shape, ", "));
    }
    guarded([&] { add_images(at::from_blob(const_cast<float*>(nchw), shape, at::kFloat)); });
  }

  int64_t size() const override { return k; }
  const std::vector<double>& matrix() const override { return products; }
  std::vector<double> mean() const override {
    std::vector<double> means = sums;
    for (double& value : means) value /= static_cast<double>(std::max<int64_t>(1, row_count));
    return means;
  }
  int64_t rows() const override { return row_count; }

  void add_images(const at::Tensor& images) {
    const c10::InferenceMode inference;
    at::init_num_threads();
    for (int64_t i = 0; i < images.size(0); ++i) {
      const at::Tensor columns = columns_of(images[i], spec, rows_per_image).view({spec.groups, k, -1});
      add_products(columns, products);
      add_row_sums(columns, sums);
      row_count += columns.size(2);
    }
  }

  ConvSpec spec;
  int64_t in_channels, rows_per_image;
  int64_t k = 0;
  int64_t row_count = 0;
  std::vector<double> products, sums;
};

std::unique_ptr<GramSums> gram_sums(const ConvSpec& spec, int64_t in_channels, int64_t rows_per_image) {
  return std::make_unique<TorchGramSums>(spec, in_channels, rows_per_image);
}

}  // namespace

const LinalgTable kLinalgTable{gram_sums, inverse_factor};

}  // namespace shrike::engine
