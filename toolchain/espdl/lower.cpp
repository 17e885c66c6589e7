// The quantised graph, node by node, becomes the program that the file holds.
#include <map>
#include <set>

#include "runtime/chips/chip.h"
#include "toolchain/espdl/fusion.h"
#include "toolchain/espdl/lower_ops.h"
#include "toolchain/espdl/simplify.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using graph::Node;

using LowerComputing = void (*)(Builder&, const Node&, const Node*);
using LowerOther = void (*)(Builder&, const Node&);

const std::map<std::string, LowerComputing> kComputing = {
    {"Conv", lower_conv},
    {"ConvTranspose", lower_conv_transpose},
    {"Gemm", lower_gemm},
    {"MatMul", lower_matmul},
};

const std::map<std::string, LowerOther> kOthers = {
    {"Add", lower_binary},
    {"AveragePool", lower_pool},
    {"Clip", lower_activation},
    {"Concat", lower_concat},
    {"DepthToSpace", lower_depth_space},
    {"DequantizeLinear", lower_requantize},
    {"Div", lower_binary},
    {"Elu", lower_activation},
    {"Exp", lower_activation},
    {"Flatten", lower_reshape},
    {"Gather", lower_gather},
    {"Gelu", lower_activation},
    {"GlobalAveragePool", lower_global_pool},
    {"HardSigmoid", lower_activation},
    {"HardSwish", lower_activation},
    {"Identity", lower_unary},
    {"LayerNormalization", lower_normalization},
    {"LeakyRelu", lower_activation},
    {"Log", lower_activation},
    {"LogSoftmax", lower_softmax},
    {"LpNormalization", lower_softmax},
    {"MaxPool", lower_pool},
    {"Mod", lower_binary},
    {"Mul", lower_binary},
    {"Neg", lower_unary},
    {"PRelu", lower_prelu},
    {"Pad", lower_pad},
    {"Pow", lower_binary},
    {"QuantizeLinear", lower_requantize},
    {"RMSNormalization", lower_normalization},
    {"ReduceL1", lower_reduce},
    {"ReduceL2", lower_reduce},
    {"ReduceLogSum", lower_reduce},
    {"ReduceLogSumExp", lower_reduce},
    {"ReduceMax", lower_reduce},
    {"ReduceMean", lower_reduce},
    {"ReduceMin", lower_reduce},
    {"ReduceProd", lower_reduce},
    {"ReduceSum", lower_reduce},
    {"ReduceSumSquare", lower_reduce},
    {"Relu", lower_activation},
    {"RequantizeLinear", lower_requantize},
    {"Reshape", lower_reshape},
    {"Resize", lower_resize},
    {"Sigmoid", lower_activation},
    {"Slice", lower_slice},
    {"Softmax", lower_softmax},
    {"SpaceToDepth", lower_depth_space},
    {"Split", lower_split},
    {"Sqrt", lower_activation},
    {"Squeeze", lower_reshape},
    {"Sub", lower_binary},
    {"Swish", lower_activation},
    {"Tanh", lower_activation},
    {"Transpose", lower_transpose},
    {"Unsqueeze", lower_reshape},
};

// Operators that take their input in any order and hand it on: a graph input in front of them may as well
// arrive as the convolution behind them wants it.
bool hands_layout_on(const std::string& op) {
  const auto found = kOthers.find(op);
  return found != kOthers.end() && (found->second == lower_activation || found->second == lower_unary ||
                                    found->second == lower_requantize || found->second == lower_binary ||
                                    found->second == lower_concat || found->second == lower_split);
}

bool wants_channels_last(const Node& node) {
  const auto found = kOthers.find(node.op);
  return node.op == "Conv" || node.op == "ConvTranspose" ||
         (found != kOthers.end() && (found->second == lower_pool || found->second == lower_global_pool ||
                                     found->second == lower_resize || found->second == lower_depth_space));
}

// Images and sequences that reach a convolution are declared channel-last, all other inputs as in the graph
// (section 4.3).
bool reaches_spatial_operator(const graph::Graph& graph, const graph::Links& links, const std::string& tensor,
                              std::set<std::string>& seen) {
  if (!seen.insert(tensor).second) return false;
  const auto readers = links.consumers.find(tensor);
  if (readers == links.consumers.end()) return false;
  for (const int reader : readers->second) {
    const Node& node = graph.nodes[static_cast<size_t>(reader)];
    if (wants_channels_last(node)) return true;
    if (!hands_layout_on(node.op)) continue;
    for (const std::string& output : node.outputs) {
      if (reaches_spatial_operator(graph, links, output, seen)) return true;
    }
  }
  return false;
}

}  // namespace

Program lower(const graph::Graph& graph, Target target, const LowerOptions& options) {
  const int step = options.int16_table_step;
  if (step < 1 || step > 32768 || (step & (step - 1)) != 0) {
    fail("the step of 16-bit tables is {}; it must be a power of two from 1 to 32768", step);
  }
  check_constraints(graph, target);
  Builder builder(graph, target, options);
  const graph::Links links(graph);
  for (const std::string& input : graph.inputs) {
    const size_t rank = graph.tensor(input).shape.size();
    std::set<std::string> seen;
    const bool spatial = (rank == 3 || rank == 4) && reaches_spatial_operator(graph, links, input, seen);
    builder.define(input, spatial ? channels_last(rank) : identity_order(rank));
  }
  const std::map<size_t, size_t> relus = fused_relus(graph);
  std::vector<bool> taken_over(graph.nodes.size(), false);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (taken_over[i]) continue;
    if (const auto computing = kComputing.find(node.op); computing != kComputing.end()) {
      const auto relu = relus.find(i);
      if (relu != relus.end()) taken_over[relu->second] = true;
      computing->second(builder, node, relu == relus.end() ? nullptr : &graph.nodes[relu->second]);
    } else if (const auto other = kOthers.find(node.op); other != kOthers.end()) {
      other->second(builder, node);
    } else {
      fail(
          "node '{}': operator {} does not exist in the chip's library; cut the graph in front of it with "
          "--outputs",
          node.name, node.op);
    }
  }
  Program program = builder.finish();
  merge_transposes(program);
  for (const std::string& output : program.outputs)
    value_named(program, output);  // throws when nothing makes it
  program.metadata["target"] = chip_of(target).name;
  return program;
}

}  // namespace shrike::espdl
