#include "toolchain/espdl/filters.h"

#include <fmt/format.h>

#include "runtime/chips/chip.h"

namespace shrike::espdl {
namespace {

// Element offset of weight (n, h, w, c) in storage.
int64_t stored_offset(const FilterShape& shape, int64_t block, int64_t n, int64_t h, int64_t w, int64_t c) {
  const int64_t N = shape.outputs, C = shape.channels, KH = shape.height, KW = shape.width;
  if (block == 0) {
    return shape.depthwise ? (h * KW + w) * N + n : ((n * KH + h) * KW + w) * C + c;
  }
  const int64_t aligned = N / block * block;
  if (n < aligned) return (((n / block * KH + h) * KW + w) * C + c) * block + n % block;
  if (shape.depthwise) return aligned * KH * KW + (h * KW + w) * (N - aligned) + (n - aligned);
  return aligned * KH * KW * C + (((n - aligned) * KH + h) * KW + w) * C + c;
}

std::string doc_of(const FilterShape& shape, int block) {
  const bool one_dimensional = shape.kind == FilterKind::kConv1d;
  if (block == 0) {
    if (shape.depthwise) return one_dimensional ? "layout ==> WCN" : "layout ==> HWCN";
    return one_dimensional ? "layout ==> NWC" : "layout ==> NHWC";
  }
  return fmt::format("layout ==> (N/{}){}{}{}", block, one_dimensional ? "WC" : "HWC", block,
                     shape.outputs % block == 0 ? "" : "_UNALIGNED");
}

}  // namespace

int block_of(Target target, int bits) {
  if (!chip_of(target).blocked_filters) return 0;
  return bits == 16 ? 8 : 16;
}

StoredFilter store_filter(const std::vector<int64_t>& weights, const FilterShape& shape, int block) {
  StoredFilter result;
  const int64_t channel_dim = shape.depthwise ? shape.outputs : shape.channels;
  const int64_t output_dim = shape.depthwise ? 1 : shape.outputs;
  if (shape.kind == FilterKind::kConv1d) {
    result.dims = {shape.width, channel_dim, output_dim};
  } else {
    result.dims = {shape.height, shape.width, channel_dim, output_dim};
  }
  result.doc = doc_of(shape, block);
  result.integers.resize(weights.size());
  size_t source = 0;
  for (int64_t n = 0; n < shape.outputs; ++n) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      for (int64_t h = 0; h < shape.height; ++h) {
        for (int64_t w = 0; w < shape.width; ++w) {
          result.integers[static_cast<size_t>(stored_offset(shape, block, n, h, w, c))] = weights[source++];
        }
      }
    }
  }
  return result;
}

StoredFilter store_matmul_operand(const std::vector<int64_t>& values, const std::vector<int64_t>& dims,
                                  int block) {
  StoredFilter result;
  result.dims = dims;
  if (dims.size() < 2) {  // a vector has one output: nothing to interleave
    result.integers = values;
    result.doc = "layout ==> UNK";
    return result;
  }
  FilterShape shape;
  shape.kind = FilterKind::kMatrix;
  shape.channels = dims[dims.size() - 2];
  shape.outputs = dims[dims.size() - 1];
  result.doc = doc_of(shape, block);
  result.integers.resize(values.size());
  const size_t matrix = static_cast<size_t>(shape.channels * shape.outputs);
  for (size_t base = 0; base < values.size(); base += matrix) {
    size_t source = base;
    for (int64_t c = 0; c < shape.channels; ++c) {
      for (int64_t n = 0; n < shape.outputs; ++n) {
        result.integers[base + static_cast<size_t>(stored_offset(shape, block, n, 0, 0, c))] =
            values[source++];
      }
    }
  }
  return result;
}

}  // namespace shrike::espdl
