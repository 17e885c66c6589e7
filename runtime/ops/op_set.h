// The operators by name. Referring to one links it; see op_set.cpp for all of them.
#pragma once
#include "ops/op.h"

namespace shrike {

extern const Operator op_average_pool;
extern const Operator op_concat;
extern const Operator op_depth_to_space;
extern const Operator op_flatten;
extern const Operator op_gather;
extern const Operator op_global_average_pool;
extern const Operator op_identity;
extern const Operator op_insert_zeros;
extern const Operator op_max_pool;
extern const Operator op_pad;
extern const Operator op_reshape;
extern const Operator op_reverse_sequence;
extern const Operator op_scatter_nd;
extern const Operator op_slice;
extern const Operator op_space_to_depth;
extern const Operator op_split;
extern const Operator op_squeeze;
extern const Operator op_streaming_cache;
extern const Operator op_transpose;
extern const Operator op_unsqueeze;

}  // namespace shrike
