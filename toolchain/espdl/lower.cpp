// The quantised graph, node by node, becomes the program that the file holds.
#include <map>
#include <set>

#include "runtime/chips/chip.h"
#include "toolchain/espdl/builder.h"
#include "toolchain/espdl/fusion.h"
#include "toolchain/espdl/simplify.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using graph::Node;

using operators::Layout;

// Images and sequences that reach a convolution are declared channel-last, all other inputs as in the graph
// (section 4.3); so are those that are sliced or scaled first: pictures are fed to the chip channel-last.
bool reaches_spatial_operator(const graph::Graph& graph, const graph::Links& links, const std::string& tensor,
                              std::set<std::string>& seen) {
  if (!seen.insert(tensor).second) return false;
  const auto readers = links.consumers.find(tensor);
  if (readers == links.consumers.end()) return false;
  for (const int reader : readers->second) {
    const Node& node = graph.nodes[static_cast<size_t>(reader)];
    const operators::Operator* row = operators::find(node.op);
    if (row == nullptr) continue;
    if (row->layout == Layout::kChannelsLast) return true;
    if (row->layout == Layout::kLogical) continue;  // wants the order of the graph
    for (const std::string& output : node.outputs) {
      if (reaches_spatial_operator(graph, links, output, seen)) return true;
    }
  }
  return false;
}

}  // namespace

Program lower(const graph::Graph& graph, Target target) {
  check_constraints(graph, target);
  Builder builder(graph, target);
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
    const operators::Operator* row = operators::find(node.op);
    if (row == nullptr || !row->on_chip()) {
      fail(
          "node '{}': operator {} does not exist in the chip's library; cut the graph in front of it with "
          "--outputs",
          node.name, node.op);
    }
    if (row->lower != nullptr) {
      row->lower(builder, node);
      continue;
    }
    const auto relu = relus.find(i);
    if (relu != relus.end()) taken_over[relu->second] = true;
    row->lower_with_relu(builder, node, relu == relus.end() ? nullptr : &graph.nodes[relu->second]);
  }
  Program program = builder.finish();
  merge_transposes(program);
  for (const std::string& output : program.outputs)
    value_named(program, output);  // throws when nothing makes it
  program.metadata["target"] = chip_of(target).name;
  return program;
}

}  // namespace shrike::espdl
