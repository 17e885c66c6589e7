#include <algorithm>
#include <map>
#include <optional>

#include "toolchain/graph/inference.h"
#include "toolchain/graph/passes.h"
#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

constexpr int64_t kGrid = 32;  // the coarsest stride of most detectors
constexpr int64_t kLargestSize = 8192;

// The entries of `shape` where `reference` (of the same rank) is not 1.
Shape without_axes_of_one(const Shape& shape, const Shape& reference) {
  Shape kept;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (reference[i] != 1) kept.push_back(shape[i]);
  }
  return kept;
}

// A run of input axes that becomes a run of output axes with the same number of elements.
struct Block {
  Shape old_in, new_in, old_out;
};

// Cuts a Reshape into the smallest such runs: [1,256,20,20] -> [1,2,128,400] is 1|1, 256|2x128, 20x20|400.
std::optional<std::vector<Block>> align(const Shape& old_in, const Shape& new_in, const Shape& old_out) {
  std::vector<Block> blocks;
  size_t i = 0, j = 0;
  while (i < old_in.size() && j < old_out.size()) {
    Block block;
    const auto take_in = [&] {
      block.old_in.push_back(old_in[i]);
      block.new_in.push_back(new_in[i++]);
    };
    const auto take_out = [&] { block.old_out.push_back(old_out[j++]); };
    take_in();
    take_out();
    for (int64_t in = block.old_in[0], out = block.old_out[0]; in != out;) {
      if (in < out && i < old_in.size()) {
        take_in();
        in *= block.old_in.back();
      } else if (out < in && j < old_out.size()) {
        take_out();
        out *= block.old_out.back();
      } else {
        return std::nullopt;
      }
    }
    blocks.push_back(block);
  }
  if (i < old_in.size() || j < old_out.size()) {  // only axes of one entry can be left
    blocks.push_back({Shape(old_in.begin() + static_cast<int64_t>(i), old_in.end()),
                      Shape(new_in.begin() + static_cast<int64_t>(i), new_in.end()),
                      Shape(old_out.begin() + static_cast<int64_t>(j), old_out.end())});
  }
  return blocks;
}

// Derives the constants of a graph for another input size, node by node, from the old shapes and the new ones
// so far.
class Rederivation {
 public:
  Rederivation(Graph& graph, ImageSize from, ImageSize to) : graph_(graph), from_(from), to_(to) {
    for (const auto& [name, tensor] : graph.tensors) old_[name] = tensor.shape;
  }

  void visit(const Node& node) {
    // Operators whose constants name sizes of pictures, and the input that they stand in.
    struct Sized {
      size_t input;
      void (Rederivation::*rederive)(const Node&);
    };
    static const std::map<std::string, Sized> kSized = {{"Reshape", {1, &Rederivation::reshape}},
                                                        {"Resize", {3, &Rederivation::resize}}};
    const auto sized = kSized.find(node.op);
    if (sized != kSized.end() && node.inputs.size() > sized->second.input)
      (this->*sized->second.rederive)(node);
  }

 private:
  void reshape(const Node& node) {
    Tensor& target = graph_.tensor(node.inputs[1]);
    if (!target.constant) return;  // follows from Shape nodes by itself
    const Shape& old_in = old_.at(node.inputs[0]);
    const Shape& new_in = graph_.tensor(node.inputs[0]).shape;
    const Shape& old_out = old_.at(node.outputs[0]);
    if (old_in == new_in) return;
    const auto blocks = old_in.size() == new_in.size() ? align(old_in, new_in, old_out) : std::nullopt;
    Shape new_out;
    bool found = blocks.has_value();
    for (size_t i = 0; found && i < blocks->size(); ++i) {
      const auto part = derive((*blocks)[i]);
      found = part.has_value();
      if (found) new_out.insert(new_out.end(), part->begin(), part->end());
    }
    if (!found) {
      fail("node '{}' (Reshape): it turns [{}] into [{}], and what it should make of [{}] is not clear",
           node.name, fmt::join(old_in, ","), fmt::join(old_out, ","), fmt::join(new_in, ","));
    }
    for (size_t i = 0; i < target.integers.size(); ++i) {
      if (target.integers[i] > 0) target.integers[i] = new_out[i];  // 0 and -1 adapt by themselves
    }
  }

  // The output axes of a block; remembers how image axes were joined, to part them again in the same order.
  std::optional<Shape> derive(const Block& block) {
    if (block.old_in == block.new_in) return block.old_out;
    const Shape old_in = without_axes_of_one(block.old_in, block.old_in);
    const Shape old_out = without_axes_of_one(block.old_out, block.old_out);
    const int64_t total = element_count(block.new_in);
    if (old_out.size() == 1) {
      if (old_in.size() > 1) joined_[old_in] = without_axes_of_one(block.new_in, block.old_in);
      return substitute(block.old_out, {total});
    }
    if (old_in.size() != 1) return std::nullopt;
    if (const auto joined = joined_.find(old_out); joined != joined_.end()) {
      if (element_count(joined->second) == total && joined->second.size() == old_out.size()) {
        return substitute(block.old_out, joined->second);
      }
    }
    if (old_out.size() != 2) return std::nullopt;
    const Shape scaled = {old_out[0] * to_.height / from_.height, old_out[1] * to_.width / from_.width};
    if (element_count(scaled) != total) return std::nullopt;
    return substitute(block.old_out, scaled);
  }

  // Puts `values` in the places of the axes that are not 1.
  static Shape substitute(Shape shape, const Shape& values) {
    size_t next = 0;
    for (int64_t& dim : shape) {
      if (dim != 1) dim = values.at(next++);
    }
    return shape;
  }

  // Absolute sizes keep their ratio to the input.
  void resize(const Node& node) {
    Tensor& sizes = graph_.tensor(node.inputs[3]);
    const Shape& old_in = old_.at(node.inputs[0]);
    const Shape& new_in = graph_.tensor(node.inputs[0]).shape;
    if (!sizes.constant || sizes.integers.size() != old_in.size() || new_in.size() != old_in.size()) return;
    for (size_t i = 0; i < old_in.size(); ++i) {
      if (old_in[i] == new_in[i]) continue;
      const int64_t scaled = sizes.integers[i] * new_in[i];
      if (scaled % old_in[i] != 0) {
        fail("node '{}' (Resize): the size {} for an axis of {} has no equivalent for an axis of {}",
             node.name, sizes.integers[i], old_in[i], new_in[i]);
      }
      sizes.integers[i] = scaled / old_in[i];
    }
  }

  Graph& graph_;
  ImageSize from_, to_;
  std::map<std::string, Shape> old_;
  std::map<Shape, Shape> joined_;
};

void check_size(const ImageSize& size) {
  for (const int64_t side : {size.height, size.width}) {
    if (side >= 1 && side <= kLargestSize) continue;
    fail("input size {}x{}: sides from 1 to {} were expected", size.height, size.width, kLargestSize);
  }
}

// Networks with levels join maps that fit only if every halving comes out even.
std::string advice(const ImageSize& size) {
  if (size.height % kGrid == 0 && size.width % kGrid == 0) return "export it at that size";
  const auto nearest = [](int64_t side) {
    return std::clamp((side + kGrid / 2) / kGrid * kGrid, kGrid, kLargestSize);
  };
  return fmt::format("most networks take multiples of {} only: try {}x{}", kGrid, nearest(size.height),
                     nearest(size.width));
}

}  // namespace

void resize_input(Graph& graph, ImageSize size) {
  check_size(size);
  if (graph.inputs.size() != 1 || graph.tensor(graph.inputs[0]).shape.size() != 4) {
    fail(
        "a model with one image input [N,C,H,W] was expected, found {} inputs, the first of rank {}; the "
        "input size "
        "of such a model cannot be changed",
        graph.inputs.size(), graph.inputs.empty() ? 0 : graph.tensor(graph.inputs[0]).shape.size());
  }
  const Shape old = graph.tensor(graph.inputs[0]).shape;
  if (old[2] == size.height && old[3] == size.width) return infer_shapes(graph);
  Graph resized = graph;  // a failure leaves the graph as it was
  Shape& shape = resized.tensor(resized.inputs[0]).shape;
  const bool was_open = old[2] == kUnknownDim || old[3] == kUnknownDim;
  if (!was_open) infer_shapes(resized);
  Rederivation rederivation(resized, {old[2], old[3]}, size);
  shape[2] = size.height;
  shape[3] = size.width;
  try {
    Inference(resized, Strictness::kStrict, [&](const Node& node) {
      if (!was_open) rederivation.visit(node);
    });
  } catch (const Error& error) {
    fail("the model cannot be given the input size {}x{}: {}; {}", size.height, size.width, error.what(),
         advice(size));
  }
  graph = std::move(resized);
}

}  // namespace shrike::graph
