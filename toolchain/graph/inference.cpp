#include "toolchain/graph/inference.h"

#include <algorithm>

#include "toolchain/graph/passes.h"
#include "toolchain/operators/evaluate.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph {
namespace {

constexpr int64_t kMostElements = model_limits::kElements;

// Not a node that cannot be understood, which a lenient walk passes over: nothing may go on from here.
struct TooMuch : Error {
  using Error::Error;
};

void check_shape(const Node& node, const std::string& name, const Shape& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) {
    if (dim < 0 || dim > kMostElements || count * dim > kMostElements) {
      fail("node '{}' ({}): the shape of '{}' would be [{}]; the model or the input size is not sensible",
           node.name, node.op, name, fmt::join(shape, ","));
    }
    count *= dim;
  }
}

}  // namespace

Inference::Inference(Graph& graph, Strictness strictness, const std::function<void(const Node&)>& before_node)
    : graph_(graph) {
  for (const std::string& input : graph.inputs) {
    const Shape& shape = graph.tensor(input).shape;
    if (std::find(shape.begin(), shape.end(), kUnknownDim) != shape.end()) {
      fail("input '{}' has the shape [{}] with sizes left open; give the input size with --imgsz", input,
           fmt::join(shape, ","));
    }
    known_.insert(input);
  }
  for (const auto& [name, tensor] : graph.tensors) {
    if (tensor.constant) known_.insert(name);
  }
  for (const Node& node : graph.nodes) {
    if (before_node) before_node(node);
    if (strictness == Strictness::kStrict) {
      visit(node);
      continue;
    }
    try {
      visit(node);
    } catch (const TooMuch&) {
      throw;
    } catch (const Error&) {
      // Lenient: this node and those that read it stay without shape.
      for (const std::string& output : node.outputs) known_.erase(output);
    }
  }
}

const Tensor* Inference::value(const std::string& tensor) const {
  if (const auto found = computed_.find(tensor); found != computed_.end()) return &found->second;
  const auto found = graph_.tensors.find(tensor);
  return found != graph_.tensors.end() && found->second.constant ? &found->second : nullptr;
}

void Inference::visit(const Node& node) {
  const operators::Operator* row = operators::find(node.op);
  const RuleContext context(*this, node);
  if (row == nullptr) {
    context.fail(
        "the operator is not supported; end the graph before it with --outputs NAME,... if it is part of "
        "the postprocessing");
  }
  for (const std::string& input : node.inputs) {
    if (!input.empty() && !knows(input)) context.fail("the shape of its input '{}' is not known", input);
  }
  if (node.inputs.empty()) context.fail("it has no inputs");
  for (const std::string& output : node.outputs) {
    if (!output.empty()) graph_.tensors[output].name = output;
  }
  row->shape(context);
  for (const std::string& output : node.outputs) {
    if (!output.empty() && !knows(output)) context.fail("its output '{}' is not supported", output);
  }
  compute(node);
  for (const std::string& output : node.outputs) {
    if (output.empty() || computed_.count(output) > 0 || graph_.tensor(output).elements() > 0) continue;
    context.fail(
        "the shape of '{}' would be [{}], which holds nothing; the model or the input size is not sensible",
        output, fmt::join(graph_.tensor(output).shape, ","));
  }
}

void Inference::compute(const Node& node) {
  std::vector<const Tensor*> inputs;
  const size_t values_read = operators::find(node.op)->values_read;
  for (const std::string& input : node.inputs) {
    inputs.push_back(input.empty() ? nullptr : &graph_.tensor(input));
    if (input.empty() || inputs.size() > values_read) continue;
    inputs.back() = value(input);
    if (inputs.back() == nullptr) return;
  }
  std::vector<Tensor> outputs;
  for (const std::string& output : node.outputs) {
    if (output.empty()) return;
    const Tensor& inferred = graph_.tensor(output);
    if (inferred.elements() > model_limits::kComputedElements) return;
    computed_elements_ += inferred.elements();
    if (computed_elements_ > model_limits::kAllComputedElements) {
      throw TooMuch(fmt::format(
          "node '{}' ({}): the constants that the graph computes have more than {} elements; is this a "
          "detector?",
          node.name, node.op, model_limits::kAllComputedElements));
    }
    outputs.push_back(inferred);
    outputs.back().constant = true;
  }
  if (!operators::evaluate_node(RuleContext(*this, node), inputs, outputs)) return;
  for (Tensor& output : outputs) {
    const std::string name = output.name;
    computed_[name] = std::move(output);
  }
}

const Shape& RuleContext::shape(size_t slot) const {
  if (!has(slot)) fail("input {} is missing", slot);
  return inference_.graph_.tensor(node.inputs[slot]).shape;
}

ElementType RuleContext::type(size_t slot) const {
  if (!has(slot)) fail("input {} is missing", slot);
  return inference_.graph_.tensor(node.inputs[slot]).type;
}

const Tensor* RuleContext::value(size_t slot) const {
  return has(slot) ? inference_.value(node.inputs[slot]) : nullptr;
}

std::vector<int64_t> RuleContext::integers(size_t slot, const char* what) const {
  const Tensor* known = value(slot);
  if (known == nullptr) fail("{} (input {}) must follow from constants and shapes", what, slot);
  if (known->type != ElementType::kInt64) fail("{} (input {}) must be integers", what, slot);
  return known->integers;
}

std::vector<float> RuleContext::reals(size_t slot, const char* what) const {
  const Tensor* known = value(slot);
  if (known == nullptr) fail("{} (input {}) must follow from constants and shapes", what, slot);
  if (known->type != ElementType::kFloat) fail("{} (input {}) must be floats", what, slot);
  return known->values;
}

int64_t RuleContext::axis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank) fail("axis {} is out of range for rank {}", axis, rank);
  return axis < 0 ? axis + rank : axis;
}

std::vector<int64_t> RuleContext::axes(const std::vector<int64_t>& list, int64_t rank) const {
  std::vector<int64_t> result;
  for (const int64_t entry : list) result.push_back(axis(entry, rank));
  std::vector<int64_t> sorted = result;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) fail("an axis is named twice");
  return result;
}

void RuleContext::set(size_t slot, Shape shape, ElementType type) const {
  if (slot >= node.outputs.size() || node.outputs[slot].empty()) return;
  check_shape(node, node.outputs[slot], shape);
  Tensor& tensor = inference_.graph_.tensor(node.outputs[slot]);
  tensor.shape = std::move(shape);
  tensor.type = type;
  inference_.known_.insert(node.outputs[slot]);
}

bool broadcast(const Shape& a, const Shape& b, Shape* result) {
  const size_t rank = std::max(a.size(), b.size());
  Shape joined(rank, 1);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) return false;
    joined[rank - 1 - i] = x == 1 ? y : x;
  }
  *result = std::move(joined);
  return true;
}

bool is_float_type(int64_t number) {
  return number == 1 || number == 10 || number == 11 || number == 16;
}

void infer_shapes(Graph& graph) {
  Inference(graph, Strictness::kStrict);
}

}  // namespace shrike::graph
