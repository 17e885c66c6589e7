// Axis orders. A variable's permutation P says: stored axis i is logical axis P[i] (spec/espdl-format.md
// section 5).
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace shrike::espdl {

using Permutation = std::vector<int>;
using Dims = std::vector<int64_t>;

Permutation identity_order(size_t rank);
// [0, 2, 3, 1] for rank 4, [0, 2, 1] for rank 3.
Permutation channels_last(size_t rank);
bool is_identity(const Permutation& permutation);
// Stored position of a logical axis.
int position_of(const Permutation& permutation, int64_t logical_axis);
// The perm of the Transpose that turns data stored in order `from` into order `to`.
Permutation conversion(const Permutation& from, const Permutation& to);
// result[i] = dims[permutation[i]].
Dims permuted(const Dims& dims, const Permutation& permutation);
// True when a Transpose by `perm` leaves the bytes of a tensor of these (input) dims where they are.
bool keeps_bytes(const Dims& dims, const Permutation& perm);

int64_t product(const Dims& dims);

// Row-major transposition: output axis i is input axis perm[i].
template <typename T>
std::vector<T> transposed(const std::vector<T>& data, const Dims& dims, const Permutation& perm) {
  const size_t rank = dims.size();
  std::vector<int64_t> strides(rank, 1);  // of the input
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  std::vector<T> result;
  result.reserve(data.size());
  Dims index(rank, 0);  // in output order
  for (size_t n = 0; n < data.size(); ++n) {
    int64_t offset = 0;
    for (size_t i = 0; i < rank; ++i) offset += index[i] * strides[static_cast<size_t>(perm[i])];
    result.push_back(data[static_cast<size_t>(offset)]);
    for (size_t i = rank; i-- > 0;) {
      if (++index[i] < dims[static_cast<size_t>(perm[i])]) break;
      index[i] = 0;
    }
  }
  return result;
}

}  // namespace shrike::espdl
