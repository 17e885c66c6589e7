// What Conv, Gemm and MatMul share: checking exponents and weights, choosing the kernel, and running it over
// rows or pixels on the workers. Gemm and MatMul are 1x1 convolutions over their rows.
#pragma once
#include "kernels/kernels.h"
#include "kernels/portable/lanes_s8.h"
#include "kernels/portable/portable.h"
#include "ops/op.h"

namespace shrike {

struct ConvRequest {
  ConvGeometry geometry;
  int32_t images;        // of `geometry` each, one after the other; for MatMul the number of products
  const Tensor* input;   // for type and exponent
  const Tensor* filter;  // constant, or variable for MatMul
  const Tensor* bias;    // null: none
  const Tensor* output;
  bool weights_vary;  // `filter` is variable or holds more than one matrix: weights come with each call
};

struct ConvPlan {
  bool is_16_bit;
  bool weights_vary;
  int32_t images;
  Conv8 conv8;
  Conv16 conv16;
  const Conv8Kernel* kernel;     // 8 bit
  const Conv16Kernel* kernel16;  // 16 bit
  ExactSums exact;               // 8 bit
  bool corrected;                // some 8-bit sums need correct_rows
  // Work is cut into pieces: ranges of output rows, or of pixels for a 1x1 convolution of stride 1.
  bool by_pixel;
  int32_t items, pieces, piece_items;
  int32_t slots;  // pieces that are worked on at a time
  uint64_t slot_scratch, packed_scratch, limits_scratch;
};

// Checks `request` against `node` and fills `plan`; adds to node.scratch_bytes and node.macs.
Status plan_convolution(Prepare& node, const ConvRequest& request, ConvPlan* plan);
// Runs one image (or product); `weights` only when they vary.
void run_convolution(const ConvPlan& plan, const Run& run, const void* input, const void* weights,
                     void* output);

}  // namespace shrike
