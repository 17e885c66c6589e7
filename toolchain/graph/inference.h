// Internal: one walk over the graph that derives every shape, and the value of everything that follows from
// constants and shapes alone. infer_shapes, fold_constants and the passes behind them share it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/support/error.h"

namespace shrike::graph {

enum class Strictness {
  kStrict,   // throws Error for the first node whose shape cannot be derived
  kLenient,  // such nodes, and those behind them, get no shape (decoders that will be cut off may hold
             // anything)
};

class Inference {
 public:
  // Runs the walk and writes the shapes into the graph. `before_node` may change the constants of a node when
  // the shapes of its inputs are known.
  Inference(Graph& graph, Strictness strictness, const std::function<void(const Node&)>& before_node = {});

  // The shape of this tensor was derived.
  bool knows(const std::string& tensor) const { return known_.count(tensor) > 0; }
  // The constant value of a tensor, from the graph or computed by the walk; nullptr if it depends on the
  // inputs.
  const Tensor* value(const std::string& tensor) const;
  const std::map<std::string, Tensor>& computed() const { return computed_; }

 private:
  friend class RuleContext;
  void visit(const Node& node);
  void compute(const Node& node);

  Graph& graph_;
  std::set<std::string> known_;
  std::map<std::string, Tensor> computed_;
  int64_t computed_elements_ = 0;
};

// What a shape rule sees of its node.
class RuleContext {
 public:
  RuleContext(Inference& inference, const Node& node) : inference_(inference), node(node) {}

  bool has(size_t slot) const { return slot < node.inputs.size() && !node.inputs[slot].empty(); }
  const Shape& shape(size_t slot) const;
  ElementType type(size_t slot) const;
  int64_t rank(size_t slot) const { return static_cast<int64_t>(shape(slot).size()); }
  // Known value of an input; `integers` and `reals` throw Error when it depends on the graph inputs.
  const Tensor* value(size_t slot) const;
  std::vector<int64_t> integers(size_t slot, const char* what) const;
  std::vector<float> reals(size_t slot, const char* what) const;
  // 0 <= axis < rank, negative axes counted from the end.
  int64_t axis(int64_t axis, int64_t rank) const;
  std::vector<int64_t> axes(const std::vector<int64_t>& list, int64_t rank) const;
  void set(size_t slot, Shape shape, ElementType type) const;
  void set(Shape shape) const { set(0, std::move(shape), type(0)); }
  const Graph& graph() const { return inference_.graph_; }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) const {
    shrike::fail("node '{}' ({}): {}", node.name, node.op, fmt::format(text, std::forward<Args>(args)...));
  }

 private:
  Inference& inference_;

 public:
  const Node& node;
};

// Shape of two operands broadcast together, numpy style; false when they do not fit.
bool broadcast(const Shape& a, const Shape& b, Shape* result);

// ONNX numbers of element types that the import reads as float: float, float16, double, bfloat16.
bool is_float_type(int64_t number);

// A Slice resolved against its input: per axis first index, step, count.
struct ResolvedSlice {
  std::vector<int64_t> start, step, count;
};
ResolvedSlice resolve_slice(const RuleContext& context);

// Leading pads and trailing pads per spatial axis, from pads or auto_pad.
struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;  // pads: all begins, then all ends
};
Window resolve_window(const RuleContext& context, const std::vector<int64_t>& kernel);
// As the node's attributes, in place of what they left open.
void write_out(const Window& window, Node& node);
// Of a ConvTranspose, from pads, auto_pad or output_shape: what these leave to choose, and how many zeros are
// put behind each axis of the output.
struct TransposedWindow {
  Window window;
  std::vector<int64_t> output_padding;
};
TransposedWindow resolve_transposed_window(const RuleContext& context, const std::vector<int64_t>& kernel);

}  // namespace shrike::graph
