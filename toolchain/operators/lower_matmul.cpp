// MatMul: the kernel reads its right operand in filter order, so a variable one is brought there by nodes in
// front (spec/espdl-format.md section 6.4).
#include "toolchain/espdl/filters.h"
#include "toolchain/operators/lower.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using graph::Node;

Permutation last_two_swapped(size_t rank) {
  Permutation order = identity_order(rank);
  std::swap(order[rank - 1], order[rank - 2]);
  return order;
}

// True when a Transpose of the last two axes makes `tensor`: its source then already has the order [..., N,
// C].
bool comes_transposed(const Builder& builder, const std::string& tensor) {
  const int producer = builder.graph().producer(tensor);
  if (producer < 0) return false;
  const Node& node = builder.graph().nodes[static_cast<size_t>(producer)];
  if (node.op != "Transpose") return false;
  const std::vector<int64_t> perm = node.integers("perm");
  const Permutation swapped = last_two_swapped(builder.tensor(tensor).shape.size());
  return std::vector<int64_t>(swapped.begin(), swapped.end()) == perm;
}

Dims with_tail(const Dims& dims, const Dims& tail) {
  Dims result(dims.begin(), dims.end() - 2);
  result.insert(result.end(), tail.begin(), tail.end());
  return result;
}

// Rows [first, last) of the axis before the last one.
std::string slice_rows(Builder& builder, const std::string& stem, const std::string& input, const Dims& dims,
                       int64_t first, int64_t last, int bits) {
  const size_t rank = dims.size();
  Dims starts(rank, 0), ends = dims, axes, steps(rank, 1);
  for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  starts[rank - 2] = first;
  ends[rank - 2] = last;
  const std::string output =
      builder.define_intermediate(stem, with_tail(dims, {last - first, dims[rank - 1]}), input);
  const std::vector<std::string> inputs = {
      input, builder.add_int64s(output + "/starts", starts), builder.add_int64s(output + "/ends", ends),
      builder.add_int64s(output + "/axes", axes), builder.add_int64s(output + "/steps", steps)};
  builder.add_node("Slice", output, inputs, {output}, {}, bits);
  return output;
}

// Name of a variable of shape [..., C, N] that holds `tensor` in filter order.
std::string in_filter_order(Builder& builder, const Node& node, const std::string& tensor) {
  const graph::Tensor& operand = builder.tensor(tensor);
  const Dims& dims = operand.shape;
  const size_t rank = dims.size();
  const int64_t C = dims[rank - 2], N = dims[rank - 1];
  const int bits = operand.format.bits;
  const int64_t A = block_of(builder.target(), bits);
  const std::string stem = node.name + "/right";
  const Dims rows = with_tail(dims, {N, C});  // the operand transposed

  if (A == 0 || N < A) {  // one output channel after the other
    return builder.add_reshape(stem, builder.in_layout(tensor, last_two_swapped(rank)), dims, tensor);
  }
  const int64_t blocks = N / A;
  if (N % A == 0 && !comes_transposed(builder, tensor)) {
    const Dims split = with_tail(dims, {C, blocks, A});
    const std::string parts =
        builder.add_reshape(stem + "/split", builder.in_logical_order(tensor), split, tensor);
    Permutation perm = identity_order(rank + 1);
    std::swap(perm[rank - 2], perm[rank - 1]);
    return builder.add_reshape(stem, builder.add_transpose(stem + "/blocks", parts, split, perm, tensor),
                               dims, tensor);
  }

  const std::string transposed = builder.in_layout(tensor, last_two_swapped(rank));
  const Dims split = with_tail(dims, {blocks, A, C});
  const std::string whole =
      N % A == 0 ? transposed : slice_rows(builder, stem + "/whole", transposed, rows, 0, blocks * A, bits);
  const std::string parts = builder.add_reshape(stem + "/split", whole, split, tensor);
  const std::string interleaved =
      builder.add_transpose(stem + "/blocks", parts, split, last_two_swapped(rank + 1), tensor);
  if (N % A == 0) return builder.add_reshape(stem, interleaved, dims, tensor);

  const std::string block_rows =
      builder.add_reshape(stem + "/rows", interleaved, with_tail(dims, {blocks * A, C}), tensor);
  const std::string remainder =
      slice_rows(builder, stem + "/remainder", transposed, rows, blocks * A, N, bits);
  const std::string joined = builder.define_intermediate(stem + "/joined", rows, tensor);
  builder.add_node("Concat", joined, {block_rows, remainder}, {joined},
                   {{"axis", static_cast<int64_t>(rank - 2)}}, bits);
  return builder.add_reshape(stem, joined, dims, tensor);
}

}  // namespace

void lower_matmul(Builder& builder, const Node& node, const Node* relu) {
  const std::string& output = relu == nullptr ? node.outputs[0] : relu->outputs[0];
  const int bits = builder.tensor(output).format.bits;
  const graph::Tensor& right = builder.tensor(node.inputs[1]);
  std::vector<std::string> inputs;
  inputs.push_back(builder.is_constant(node.inputs[0]) ? builder.add_constant(node.inputs[0])
                                                       : builder.in_logical_order(node.inputs[0]));
  if (right.constant) {
    const StoredFilter stored = store_matmul_operand(integers_of(right, node), right.shape,
                                                     block_of(builder.target(), right.format.bits));
    inputs.push_back(builder.add_parameter(right.name, stored.dims, type_of(right.format, right.name),
                                           exponents_of(right.format), stored.integers, stored.doc));
  } else if (right.shape.size() < 2) {  // a vector is a single column: its order is the filter's
    inputs.push_back(builder.in_logical_order(right.name));
  } else {
    inputs.push_back(in_filter_order(builder, node, right.name));
  }
  builder.define(output, identity_order(builder.tensor(output).shape.size()));
  builder.add_node("MatMul", node.name, inputs, {output},
                   {{"activation", std::string(relu == nullptr ? "Linear" : "Relu")}}, bits);
}

}  // namespace shrike::espdl
