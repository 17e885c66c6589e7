// Relu behind Conv, ConvTranspose, Gemm and MatMul becomes their `activation` (spec/espdl-format.md section
// 9).
#pragma once
#include <map>
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::espdl {

// Index of the computing node -> index of the Relu that it takes over: the Relu is the only reader of the
// node's output, which is not a graph output. The node then rounds straight to the Relu's format.
std::map<size_t, size_t> fused_relus(const graph::Graph& graph);

// What the node with this index writes in the file: its output, or that of the Relu that it takes over.
const std::string& written_output(const graph::Graph& graph, const std::map<size_t, size_t>& relus,
                                  size_t node);

// Takes the formats off what such nodes compute in front of their Relus: the chip rounds nothing there, and
// no more must who computes its integers in floats.
void clear_unwritten_formats(graph::Graph& graph);

}  // namespace shrike::espdl
