// The operators and inner loops that a program may choose from. Naming one links it: a set with a model's
// operators leaves the code of all others out of the program ("shrike info --ops FILE" writes such a set).
//
//   const shrike::Operator* const kUsed[] = {&shrike::op_conv, &shrike::op_concat, &shrike::op_lut};
//   const shrike::OperatorSet kOperators = {kUsed, 3};
//   options.operators = &kOperators;
#pragma once
#include <stdint.h>

namespace shrike {

struct Operator;   // runtime/ops/op.h
struct KernelSet;  // runtime/kernels/kernels.h

struct OperatorSet {
  const Operator* const* operators;
  int32_t count;
};

// Every operator. Links all of them.
extern const OperatorSet kAllOperators;

// Inner loops for any machine.
extern const KernelSet kPortableKernels;
// For 32-bit cores without vectors: convolutions with two products in one multiplication take a quarter fewer
// instructions and a copy of the weights' groups in the arena (docs/deploy.md).
extern const KernelSet kPairKernels;

extern const Operator op_add;
extern const Operator op_average_pool;
extern const Operator op_clip;
extern const Operator op_concat;
extern const Operator op_conv;
extern const Operator op_depth_to_space;
extern const Operator op_dequantize_linear;
extern const Operator op_div;
extern const Operator op_elu;
extern const Operator op_equal;
extern const Operator op_exp;
extern const Operator op_flatten;
extern const Operator op_gather;
extern const Operator op_gelu;
extern const Operator op_gemm;
extern const Operator op_global_average_pool;
extern const Operator op_greater;
extern const Operator op_greater_or_equal;
extern const Operator op_hard_sigmoid;
extern const Operator op_hard_swish;
extern const Operator op_identity;
extern const Operator op_insert_zeros;
extern const Operator op_layer_normalization;
extern const Operator op_leaky_relu;
extern const Operator op_less;
extern const Operator op_less_or_equal;
extern const Operator op_log;
extern const Operator op_log_softmax;
extern const Operator op_lp_normalization;
extern const Operator op_lut;
extern const Operator op_matmul;
extern const Operator op_max_pool;
extern const Operator op_mod;
extern const Operator op_mul;
extern const Operator op_neg;
extern const Operator op_pad;
extern const Operator op_pow;
extern const Operator op_prelu;
extern const Operator op_quantize_linear;
extern const Operator op_reduce_l1;
extern const Operator op_reduce_l2;
extern const Operator op_reduce_log_sum;
extern const Operator op_reduce_log_sum_exp;
extern const Operator op_reduce_max;
extern const Operator op_reduce_mean;
extern const Operator op_reduce_min;
extern const Operator op_reduce_prod;
extern const Operator op_reduce_sum;
extern const Operator op_reduce_sum_square;
extern const Operator op_relu;
extern const Operator op_requantize_linear;
extern const Operator op_reshape;
extern const Operator op_resize;
extern const Operator op_reverse_sequence;
extern const Operator op_rms_normalization;
extern const Operator op_scatter_nd;
extern const Operator op_sigmoid;
extern const Operator op_slice;
extern const Operator op_softmax;
extern const Operator op_space_to_depth;
extern const Operator op_split;
extern const Operator op_sqrt;
extern const Operator op_squeeze;
extern const Operator op_streaming_cache;
extern const Operator op_sub;
extern const Operator op_swish;
extern const Operator op_tanh;
extern const Operator op_transpose;
extern const Operator op_unsqueeze;

}  // namespace shrike
