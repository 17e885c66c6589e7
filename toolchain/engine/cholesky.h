// See cholesky_inverse_upper in linalg.h: the module's side of it.
#pragma once
#include <cstdint>
#include <vector>

namespace shrike::engine {

std::vector<double> inverse_factor(std::vector<double> h, int64_t n, double damping);

}  // namespace shrike::engine
