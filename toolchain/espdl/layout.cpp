#include "toolchain/espdl/layout.h"

#include <algorithm>
#include <numeric>

#include "toolchain/espdl/writer.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {

Permutation identity_order(size_t rank) {
  Permutation order(rank);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

Permutation channels_last(size_t rank) {
  Permutation order = identity_order(rank);
  std::rotate(order.begin() + 1, order.begin() + 2, order.end());
  return order;
}

bool is_identity(const Permutation& permutation) {
  return permutation == identity_order(permutation.size());
}

int position_of(const Permutation& permutation, int64_t logical_axis) {
  const auto found = std::find(permutation.begin(), permutation.end(), static_cast<int>(logical_axis));
  return static_cast<int>(found - permutation.begin());
}

Permutation conversion(const Permutation& from, const Permutation& to) {
  Permutation perm;
  for (const int axis : to) perm.push_back(position_of(from, axis));
  return perm;
}

Dims permuted(const Dims& dims, const Permutation& permutation) {
  Dims result;
  for (const int axis : permutation) result.push_back(dims[static_cast<size_t>(axis)]);
  return result;
}

bool keeps_bytes(const Dims& dims, const Permutation& perm) {
  int last = -1;
  for (const int axis : perm) {
    if (dims[static_cast<size_t>(axis)] == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return true;
}

int64_t product(const Dims& dims) {
  return std::accumulate(dims.begin(), dims.end(), int64_t{1}, std::multiplies<>());
}

namespace {

void check_count(const StoredValue& value, size_t count) {
  if (static_cast<int64_t>(count) != product(value.dims)) {
    fail("tensor '{}' holds {} elements but {} were given", value.name, product(value.dims), count);
  }
}

}  // namespace

std::vector<int64_t> to_stored(const StoredValue& value, const std::vector<int64_t>& logical) {
  check_count(value, logical.size());
  Dims dims(value.dims.size());
  for (size_t i = 0; i < dims.size(); ++i) dims[static_cast<size_t>(value.permutation[i])] = value.dims[i];
  return transposed(logical, dims, value.permutation);
}

std::vector<int64_t> to_logical(const StoredValue& value, const std::vector<int64_t>& stored) {
  check_count(value, stored.size());
  const Permutation inverse = conversion(value.permutation, identity_order(value.permutation.size()));
  return transposed(stored, value.dims, inverse);
}

}  // namespace shrike::espdl
