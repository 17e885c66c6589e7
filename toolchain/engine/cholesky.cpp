// The inverse's Cholesky factor without forming the inverse. With J the reversal of rows and columns and
// J H J = L L^T: H = (J L J)(J L J)^T, where J L J is upper triangular, so H^-1 = U^T U with U = (J L J)^-1 =
// J L^-1 J. One factorisation and one triangular inversion, both in blocks of rows that fit the cache; every
// entry is computed by the same operations in the same order for any number of threads.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "toolchain/engine/cholesky.h"
#include "toolchain/support/error.h"

namespace shrike::engine {
namespace {

constexpr int64_t kBlock = 48;

// c[0..width) -= sum over t of a[t] * b[t * stride + 0..width)
void subtract_combination(double* c, const double* a, int64_t terms, const double* b, int64_t stride,
                          int64_t width) {
  int64_t t = 0;
  for (; t + 4 <= terms; t += 4) {
    const double a0 = a[t], a1 = a[t + 1], a2 = a[t + 2], a3 = a[t + 3];
    const double *b0 = b + t * stride, *b1 = b0 + stride, *b2 = b1 + stride, *b3 = b2 + stride;
    for (int64_t j = 0; j < width; ++j) c[j] -= (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
  }
  for (; t < terms; ++t) {
    const double a0 = a[t];
    const double* b0 = b + t * stride;
    for (int64_t j = 0; j < width; ++j) c[j] -= a0 * b0[j];
  }
}

// Lower factor of the symmetric matrix `m` (lower triangle read), in place; right-looking by blocks of
// columns.
void factorize(std::vector<double>& m, int64_t n) {
  std::vector<double> panel;  // the block of columns below the diagonal block, transposed
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock), width = end - begin;
    for (int64_t j = begin; j < end; ++j) {
      double* row = m.data() + j * n;
      for (int64_t k = begin; k < j; ++k) {
        const double* other = m.data() + k * n;
        for (int64_t t = begin; t < k; ++t) row[k] -= row[t] * other[t];
        row[k] /= other[k];
      }
      for (int64_t t = begin; t < j; ++t) row[j] -= row[t] * row[t];
      if (!(row[j] > 0)) {
        fail("the matrix of input products is not positive definite at row {} of {}, raise the damping",
             n - 1 - j, n);
      }
      row[j] = std::sqrt(row[j]);
    }
    const int64_t below = n - end;
    if (below == 0) break;
    panel.resize(static_cast<size_t>(width * below));
    at::parallel_for(end, n, 8, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        double* row = m.data() + i * n;
        for (int64_t k = begin; k < end; ++k) {
          const double* other = m.data() + k * n;
          for (int64_t t = begin; t < k; ++t) row[k] -= row[t] * other[t];
          row[k] /= other[k];
          panel[static_cast<size_t>((k - begin) * below + i - end)] = row[k];
        }
      }
    });
    at::parallel_for(end, n, 8, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        double* row = m.data() + i * n;
        subtract_combination(row + end, row + begin, width, panel.data(), below, i - end + 1);
      }
    });
  }
}

// Inverse of the lower triangular `l`: for every block of rows, X[block] = D^-1 (I - L[block, before]
// X[before]).
std::vector<double> invert_lower(const std::vector<double>& l, int64_t n) {
  std::vector<double> x(static_cast<size_t>(n * n), 0.0);
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    // Columns are independent: each task owns a range of them.
    at::parallel_for(0, (begin + kBlock - 1) / kBlock + 1, 1, [&](int64_t first, int64_t last) {
      for (int64_t part = first; part < last; ++part) {
        const int64_t left = part * kBlock, right = std::min(end, left + kBlock);
        for (int64_t i = begin; i < end; ++i) {
          double* row = x.data() + i * n;
          if (i >= left && i < right) row[i] = 1.0;
          // Rows of X above its diagonal are zero, so the sum starts at the first column of this part.
          subtract_combination(row + left, l.data() + i * n + left, i - left > 0 ? i - left : 0,
                               x.data() + left * n + left, n, right - left);
          const double inverse = 1.0 / l[static_cast<size_t>(i * n + i)];
          for (int64_t j = left; j < right; ++j) row[j] *= inverse;
        }
      }
    });
  }
  return x;
}

}  // namespace

std::vector<double> inverse_factor(std::vector<double> h, int64_t n, double damping) {
  if (n < 1 || static_cast<int64_t>(h.size()) != n * n)
    fail("expected a square matrix of {} rows, found {} numbers", n, h.size());
  double trace = 0;
  for (int64_t i = 0; i < n; ++i) trace += h[static_cast<size_t>(i * n + i)];
  const double added = damping * trace / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    double& diagonal = h[static_cast<size_t>(i * n + i)];
    if (diagonal == 0) diagonal = 1;
    diagonal += added;
  }
  std::reverse(h.begin(), h.end());  // rows and columns at once
  at::init_num_threads();
  factorize(h, n);
  std::vector<double> upper = invert_lower(h, n);
  std::reverse(upper.begin(), upper.end());
  return upper;
}

}  // namespace shrike::engine
