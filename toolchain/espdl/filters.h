// Storage order of filters (spec/espdl-format.md sections 6.1 to 6.3).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "shrike/tensor.h"

namespace shrike::espdl {

// Output channels in one 16-byte vector: 16 at 8 bit, 8 at 16 bit; 0 where filters are stored plainly.
int block_of(Target target, int bits);

enum class FilterKind { kConv2d, kConv1d, kMatrix };  // kMatrix: Gemm, and one matrix of a MatMul

struct FilterShape {
  int64_t outputs = 1;   // N
  int64_t channels = 1;  // C, of one group
  int64_t height = 1, width = 1;
  bool depthwise = false;  // then channels == 1 and every output has an input channel of its own
  FilterKind kind = FilterKind::kConv2d;
};

struct StoredFilter {
  std::vector<int64_t> dims;
  std::vector<int64_t> integers;  // in storage order
  std::string doc;
};

// `weights` in ONNX order [N, C, height, width].
StoredFilter store_filter(const std::vector<int64_t>& weights, const FilterShape& shape, int block);

// Constant right operand of a MatMul: `dims` = [..., C, N], each trailing matrix is stored on its own.
StoredFilter store_matmul_operand(const std::vector<int64_t>& values, const std::vector<int64_t>& dims,
                                  int block);

}  // namespace shrike::espdl
