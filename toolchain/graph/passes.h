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
// Identity, Dropout and Cast-to-float of float disappear.
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
// that carried the old one, and infers all shapes anew. Both sizes must be multiples of 32. Throws Error.
void resize_input(Graph& graph, ImageSize size);

// Recognises the Ultralytics detection heads, decoded or not, by their structure, and makes the raw
// convolutions the outputs box0, score0, box1, score1, box2, score2 (renaming the tensors). A graph that
// already ends there is left alone. Otherwise throws Error that lists the last nodes and mentions --outputs.
void cut_detect_head(Graph& graph);
// Makes the named tensors (or the first outputs of the named nodes) the graph outputs; keeps their names.
void cut_at(Graph& graph, const std::vector<std::string>& names);

// Writes down what ONNX leaves to defaults: strides, dilations, pads (auto_pad resolved), kernel_shape,
// group; Split sizes; axes counted from the front (Concat, Split, Softmax). Depends on the shapes: comes
// last.
void make_attributes_explicit(Graph& graph);

struct PrepareOptions {
  ImageSize size;                    // 0x0: as in the file
  std::vector<std::string> outputs;  // empty: detection head
  bool attention_scale_folded = true;
};
// The whole recipe: import result in, clean float graph with the wanted outputs out.
void prepare(Graph& graph, const PrepareOptions& options);

}  // namespace shrike::graph
