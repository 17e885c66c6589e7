#include <algorithm>
#include <cmath>
#include <set>

#include "toolchain/graph/batch.h"
#include "toolchain/graph/edit.h"
#include "toolchain/graph/fuse_functions.h"
#include "toolchain/graph/inference.h"
#include "toolchain/graph/passes.h"
#include "toolchain/graph/rewrite.h"
#include "toolchain/heads/head.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/support.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

bool is_given(const ImageSize& size) {
  return size.height != 0 || size.width != 0;
}

// A file exported with dynamic axes gets its size before anything else is derived.
void fill_open_size(Graph& graph, const ImageSize& size) {
  if (!is_given(size) || graph.inputs.size() != 1) return;
  Shape& shape = graph.tensor(graph.inputs[0]).shape;
  if (shape.size() != 4) return;
  const bool channels_last = shape[1] == kUnknownDim && (shape[3] == 1 || shape[3] == 3);
  const size_t height = channels_last ? 1 : 2, width = channels_last ? 2 : 3;
  if (shape[height] == kUnknownDim) shape[height] = size.height;
  if (shape[width] == kUnknownDim) shape[width] = size.width;
}

// Files carry the model's metadata on: what they say of their size is theirs, not the exported model's.
void state_input_size(Graph& graph) {
  const auto stated = graph.metadata.find("imgsz");
  if (stated == graph.metadata.end()) return;
  const Shape& shape = graph.tensor(graph.inputs[0]).shape;
  stated->second = fmt::format("[{}, {}]", shape[2], shape[3]);
}

// The devices and their files know one image at a time.
void check_batch(const Graph& graph) {
  for (const std::string& input : graph.inputs) {
    const Shape& shape = graph.tensor(input).shape;
    if (shape.empty())
      fail("input '{}' is a number without an axis; export the model with one of the shape [1]", input);
    if (shape.size() == 4 && shape[0] != 1) {
      fail("input '{}': a batch of 1 was expected, found {}; export the model with batch 1", input, shape[0]);
    }
  }
}

// No integers stand for numbers like these, and a float network that holds them computes nothing else. Bounds
// (Clip, Max, Min) and choices (Where) may be as large as they like.
void check_finite(const Graph& graph) {
  constexpr float kLargest = 1e30f;
  static const std::set<std::string> bounds = {"Clip", "Max", "Min", "Where"};
  for (const Node& node : graph.nodes) {
    if (bounds.count(node.op) > 0) continue;
    for (const std::string& input : node.inputs) {
      if (input.empty() || !graph.tensor(input).constant) continue;
      for (const float value : graph.tensor(input).values) {
        if (std::abs(value) <= kLargest) continue;
        fail("node '{}' ({}): constants of at most {} were expected, '{}' holds {}; export the model again",
             node.name, node.op, kLargest, input, value);
      }
    }
  }
}

// Outputs that are the same for every input (anchors, sizes) are nobody's to compute on the chip.
std::vector<std::string> drop_constant_outputs(Graph& graph) {
  const Inference inference(graph, Strictness::kLenient);
  std::vector<std::string> kept, dropped;
  for (const std::string& output : graph.outputs) {
    const bool constant = graph.tensor(output).constant || inference.computed().contains(output);
    (constant ? dropped : kept).push_back(output);
  }
  if (dropped.empty()) return {};
  if (kept.empty()) fail("no output depends on an input: '{}' is a constant", dropped[0]);
  graph.outputs = std::move(kept);
  return {fmt::format("outputs that depend on no input are left out: {}", fmt::join(dropped, ", "))};
}

// Inputs of whole numbers (sizes that follow from shapes) that no node reads.
std::vector<std::string> drop_unread_inputs(Graph& graph) {
  std::set<std::string> read(graph.outputs.begin(), graph.outputs.end());
  for (const Node& node : graph.nodes) read.insert(node.inputs.begin(), node.inputs.end());
  std::vector<std::string> kept, dropped;
  for (const std::string& input : graph.inputs) {
    const bool unread = graph.tensor(input).type == ElementType::kInt64 && !read.contains(input);
    (unread ? dropped : kept).push_back(input);
  }
  if (dropped.empty() || kept.empty()) return {};
  graph.inputs = std::move(kept);
  return {fmt::format("inputs that no node reads are left out: {}", fmt::join(dropped, ", "))};
}

// The raw tensors of the head in which the graph ends, or its own outputs.
std::vector<std::string> choose_outputs(Graph& graph) {
  if (const auto report = heads::cut(graph)) return report->notes;
  std::vector<std::string> notes = cut_selection(graph);
  if (notes.empty()) {
    notes.push_back(fmt::format(
        "no head that Shrike knows: the graph's own outputs are kept, {} (--outputs names others)",
        fmt::join(graph.outputs, ", ")));
  }
  return notes;
}

}  // namespace

void make_attributes_explicit(Graph& graph) {
  Inference inference(graph, Strictness::kStrict);
  for (Node& node : graph.nodes) {
    const RuleContext context(inference, node);
    const operators::Operator& row = *operators::find(node.op);
    if (row.write_out_window != nullptr) row.write_out_window(context, node);
    const bool split = node.op == "Split";
    if (split || row.role == operators::Role::kConcat) {
      node.attributes["axis"] = context.axis(node.integer("axis", 0), context.rank(0));
    } else if (row.role == operators::Role::kFloatResult) {
      const int64_t axis = context.axis(node.integer("axis", -1), context.rank(0));
      node.attributes["axis"] = axis;
      const Shape& shape = context.shape(0);
      const bool alone =
          std::all_of(shape.begin() + axis + 1, shape.end(), [](int64_t dim) { return dim == 1; });
      if (alone) node.attributes.erase("flattens");
    }
    if (split && !context.has(1)) {
      std::vector<int64_t> sizes;
      const auto axis = static_cast<size_t>(node.integer("axis", 0));
      for (const std::string& output : node.outputs) sizes.push_back(graph.tensor(output).shape[axis]);
      const auto count = static_cast<int64_t>(sizes.size());
      node.inputs.resize(2);
      node.inputs[1] = add_constant(graph, node.name + "/split", {count}, std::move(sizes));
      node.attributes.erase("num_outputs");
    }
  }
}

std::vector<std::string> prepare(Graph& graph, const PrepareOptions& options) {
  set_batch_to_one(graph);
  check_batch(graph);
  fill_open_size(graph, options.size);
  fold_entry(graph);
  if (!options.outputs.empty()) cut_at(graph, options.outputs);
  std::vector<std::string> notes = drop_constant_outputs(graph);
  fold_constants(graph);
  write_out_operands(graph);
  remove_identities(graph);
  if (options.outputs.empty()) {
    for (std::string& note : choose_outputs(graph)) notes.push_back(std::move(note));
  }
  remove_dead_nodes(graph);
  for (std::string& note : drop_unread_inputs(graph)) notes.push_back(std::move(note));
  operators::check_known(graph);
  infer_shapes(graph);
  if (is_given(options.size)) {
    resize_input(graph, options.size);
    state_input_size(graph);
  }
  fold_batch_norm(graph);
  fuse_normalizations(graph);
  fuse_swish(graph);
  fuse_functions(graph);
  if (options.attention_scale_folded) fold_attention_scale(graph);
  remove_dead_nodes(graph);
  make_attributes_explicit(graph);
  rewrite_for_chip(graph);
  split_shared_constants(graph);
  infer_shapes(graph);
  check_finite(graph);
  check(graph);
  return notes;
}

}  // namespace shrike::graph
