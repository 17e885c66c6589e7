// From a node of the quantised graph to nodes of the file: one function per group of operators, named in
// their rows.
#pragma once
#include "toolchain/espdl/builder.h"

namespace shrike::espdl {

// lower_compute.cpp. `relu` is the node whose work the operator takes over, or null.
void lower_conv(Builder& builder, const graph::Node& node, const graph::Node* relu);
void lower_conv_transpose(Builder& builder, const graph::Node& node, const graph::Node* relu);
void lower_gemm(Builder& builder, const graph::Node& node, const graph::Node* relu);
// lower_matmul.cpp
void lower_matmul(Builder& builder, const graph::Node& node, const graph::Node* relu);

// lower_elementwise.cpp
void lower_activation(Builder& builder, const graph::Node& node);
void lower_prelu(Builder& builder, const graph::Node& node);
void lower_unary(Builder& builder, const graph::Node& node);
void lower_requantize(Builder& builder, const graph::Node& node);
void lower_binary(Builder& builder, const graph::Node& node);
void lower_softmax(Builder& builder, const graph::Node& node);
void lower_normalization(Builder& builder, const graph::Node& node);

// lower_spatial.cpp
void lower_pool(Builder& builder, const graph::Node& node);
void lower_global_pool(Builder& builder, const graph::Node& node);
void lower_resize(Builder& builder, const graph::Node& node);
void lower_depth_space(Builder& builder, const graph::Node& node);
void lower_insert_zeros(Builder& builder, const graph::Node& node);

// lower_shape.cpp
void lower_concat(Builder& builder, const graph::Node& node);
void lower_split(Builder& builder, const graph::Node& node);
void lower_slice(Builder& builder, const graph::Node& node);
void lower_pad(Builder& builder, const graph::Node& node);
void lower_reduce(Builder& builder, const graph::Node& node);
void lower_reshape(Builder& builder, const graph::Node& node);
void lower_transpose(Builder& builder, const graph::Node& node);
void lower_gather(Builder& builder, const graph::Node& node);
void lower_reverse_sequence(Builder& builder, const graph::Node& node);

// Shared by them. The operand in [N, H, W, C] or [N, W, C]; other ranks are an error.
std::string in_channels_last(Builder& builder, const graph::Node& node, const std::string& tensor);
// An axis attribute, negative ones resolved.
int64_t axis_of(const graph::Node& node, int64_t axis, size_t rank);
// A float constant rounded to the grid of the data it is compared with or put beside (Clip's bounds, Pad's
// fill).
std::string add_on_grid(Builder& builder, const graph::Node& node, const std::string& constant,
                        const graph::Format& format);
// int64 constant input `index`, else attribute `key` (old opsets), else empty.
std::vector<int64_t> integer_argument(const Builder& builder, const graph::Node& node, size_t index,
                                      const std::string& key);

}  // namespace shrike::espdl
