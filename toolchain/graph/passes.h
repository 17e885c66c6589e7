// Graph passes: plain functions over the float graph, each with one job. The list in prepare() reads like the
// recipe.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Fills in every tensor's shape from the inputs' shapes; throws Error naming the node that does not fit.
void infer_shapes(Graph& graph);
// Replaces nodes whose inputs are all constant (and Shape of known shapes) by constants.
void fold_constants(Graph& graph);
// Resize and Pad that name the axes they change (opset 18) say what becomes of all of them, as they did
// before; whole numbers in the exponent of a Pow of floats become floats.
void write_out_operands(Graph& graph);
// Identity, Dropout, Cast-to-float of float and reductions over no axes disappear.
void remove_identities(Graph& graph);
void remove_dead_nodes(Graph& graph);
// BatchNormalization after Conv, ConvTranspose or Gemm goes into weights and bias, and so does a constant
// Add, Sub, Mul or Div with one number per channel; a BatchNormalization on its own becomes a depthwise Conv.
// Needs shapes.
void fold_batch_norm(Graph& graph);
// x * Sigmoid(x) -> Swish(x), named "<producer of x>/Swish".
void fuse_swish(Graph& graph);
// The attention's constant multiplier 1/sqrt(d) behind q.k goes into the query rows of the convolution that
// makes them. A power-of-two times smaller error than a quantised Mul, and one node less.
void fold_attention_scale(Graph& graph);

struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;
};
// Gives the (single, rank 4) graph input the spatial size, re-derives the constants of Reshape/Resize nodes
// that carried the old one, and infers all shapes anew. Throws Error for a size that the graph does not
// accept.
void resize_input(Graph& graph, ImageSize size);

// Makes the named tensors (or the first outputs of the named nodes) the graph outputs. "NAME=TENSOR" gives
// the output the name NAME, as a head's row asks for (heads/head.h); the others keep theirs.
void cut_at(Graph& graph, const std::vector<std::string>& names);
// A picture that comes in as [N,H,W,C] and is turned to [N,C,H,W] by a Transpose at once (or behind
// arithmetic with one number): the input itself becomes [N,C,H,W].
void fold_entry(Graph& graph);
// Where outputs depend on a choice (NonMaxSuppression, TopK, ArgMax, ...): makes what is chosen from the
// outputs. Says so in a note; nothing where no output does.
std::vector<std::string> cut_selection(Graph& graph);

// Writes down what ONNX leaves to defaults: strides, dilations, pads (auto_pad resolved), kernel_shape,
// group; Split sizes; axes counted from the front (Concat, Split, Softmax). Depends on the shapes: comes
// last.
void make_attributes_explicit(Graph& graph);

struct PrepareOptions {
  ImageSize size;                    // 0x0: as in the file
  std::vector<std::string> outputs;  // empty: those of the head in which the graph ends, or its own
  bool attention_scale_folded = true;
};
// The whole recipe: import result in, clean float graph with the wanted outputs out. Returns sentences about
// the outputs for the user.
std::vector<std::string> prepare(Graph& graph, const PrepareOptions& options);

}  // namespace shrike::graph
