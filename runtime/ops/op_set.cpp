// Every operator of the runtime, for programs that load any file. A firmware with one model defines an OpSet
// of the operators that its model needs, with the same declarations as below, and names it in
// ModelOptions::ops.
#include "ops/op_set.h"

namespace shrike {
namespace {

constexpr const Operator* kOperators[] = {
    &op_average_pool, &op_concat,       &op_depth_to_space, &op_flatten, &op_gather,  &op_global_average_pool,
    &op_identity,     &op_insert_zeros, &op_max_pool,       &op_pad,     &op_reshape, &op_reverse_sequence,
    &op_scatter_nd,   &op_slice,        &op_space_to_depth, &op_split,   &op_squeeze, &op_streaming_cache,
    &op_transpose,    &op_unsqueeze,
};

}  // namespace

const OpSet kAllOperators = {kOperators, static_cast<int32_t>(sizeof kOperators / sizeof kOperators[0])};

}  // namespace shrike
