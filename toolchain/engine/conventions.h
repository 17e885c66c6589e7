// Functions whose derivatives are a matter of convention: rounding, and functions that are known by their
// values alone. Internal to the module.
#pragma once
#include "toolchain/engine/operators.h"

namespace shrike::engine {

// The grid of a tensor: one exponent, or one for every index of `axis`.
struct Grid {
  graph::Format format;
  int64_t axis = 0;
  Rounding rounding;

  // 2^exponent, shaped to broadcast against `like`.
  at::Tensor scale(const at::Tensor& like) const;
  double lowest() const;
  double highest() const;
};

// `value` on the grid. Backwards: the identity within the range (straight through), zero outside; an
// `exponent` that requires gradients, one number or one a channel, receives s ln 2 (round(x/s) - x/s) within
// and s ln 2 times the limit outside (spec/training.md 6.2).
at::Tensor on_grid_with_gradient(const at::Tensor& value, const at::Tensor& exponent, const Grid& grid);

// The activation function of a node. Backwards it has its central difference: of a table over the code's own
// cell, else over a small step.
at::Tensor activation_with_gradient(const Call& call);

}  // namespace shrike::engine
