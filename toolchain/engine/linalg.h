// Statistics of convolution inputs and the factorisation that second-order weight rounding needs. Behind the
// same door as engine.h.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "toolchain/support/strided.h"

namespace shrike::engine {

struct ConvSpec {
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pads[4] = {0, 0, 0, 0};  // top, left, bottom, right
  int64_t groups = 1;
};

// Where a lower triangle, stored row by row, has element (row, column); column <= row. With column 0 also the
// number of elements in the rows above.
constexpr int64_t triangle_index(int64_t row, int64_t column) {
  return row * (row + 1) / 2 + column;
}

class GramSums;

// Sums over calibration data of X^T X, where a row of X is what one output position of a convolution sees:
// the inputs in the order of a filter's weights ([I/g, kH, kW]). A Gemm is a 1x1 convolution of [N, C, 1, 1].
// With groups there is one k x k matrix per group, k = in_channels / groups * kernel_h * kernel_w.
class GramAccumulator {
 public:
  // rows_per_image limits the output positions taken from each image (evenly spread); 0 takes all.
  GramAccumulator(const ConvSpec& spec, int64_t in_channels, int64_t rows_per_image = 0);
  ~GramAccumulator();
  GramAccumulator(GramAccumulator&&) noexcept;

  // Adds images [N, C, H, W]. An image's products are summed in float32, exactly where they are integers of 8
  // bits and no more than a thousand rows, images in float64. What integers of 16 bits have in common is
  // taken off first: their covariance is as exact as float32 is, whatever their mean.
  void add(const StridedValues& images);

  int64_t size() const;                          // k
  const std::vector<double>& triangles() const;  // of the symmetric matrices, group after group
  std::vector<double> mean() const;              // groups x k: mean row of X
  int64_t rows() const;

 private:
  std::unique_ptr<GramSums> sums_;
};

// U, upper triangular, with U^T U = (H + damping * mean(diag H) * I)^-1; H symmetric n x n, row-major. Zero
// diagonal entries (inputs that never fire) become 1. Throws Error when the matrix is not positive definite.
std::vector<double> cholesky_inverse_upper(std::vector<double> h, int64_t n, double damping);

}  // namespace shrike::engine
