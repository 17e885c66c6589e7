// Reductions over axes, Softmax, normalisations, recurrent layers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "toolchain/graph/inference.h"
#include "toolchain/operators/evaluate.h"
#include "toolchain/operators/lower.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/rewrites.h"
#include "toolchain/operators/rules.h"

namespace shrike::operators {
namespace {

using graph::ElementType;
using graph::RuleContext;
using graph::Shape;
using graph::Tensor;

Shape reduced(const RuleContext& c, const std::vector<int64_t>& axes, bool keep) {
  Shape result;
  for (int64_t i = 0; i < c.rank(0); ++i) {
    const bool is_reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!is_reduced) result.push_back(c.shape(0)[static_cast<size_t>(i)]);
    if (is_reduced && keep) result.push_back(1);
  }
  return result;
}

// The axes that go, counted from the front.
std::vector<int64_t> reduced_axes(const RuleContext& c) {
  std::vector<int64_t> axes;
  if (c.has(1)) axes = c.axes(c.integers(1, "axes"), c.rank(0));
  if (axes.empty() && c.node.integer("noop_with_empty_axes", 0) == 0) {
    axes.resize(c.shape(0).size());
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  return axes;
}

void reduction(const RuleContext& c) {
  c.set(reduced(c, reduced_axes(c), c.node.integer("keepdims", 1) != 0));
}

// How the elements of a constant become one: step by step from `start`, then `finish` with their number.
struct Accumulation {
  double start;
  double (*step)(double total, double value);
  double (*finish)(double total, double count) = nullptr;
};

bool accumulate(const RuleContext& c, const Inputs& inputs, Tensor& output, const Accumulation& way) {
  const std::vector<int64_t> axes = reduced_axes(c);
  const Tensor& input = *inputs[0];
  const auto count =
      static_cast<double>(input.elements()) / std::max<double>(1, static_cast<double>(output.elements()));
  std::vector<int64_t> strides(input.shape.size(), 0);
  int64_t stride = 1;
  for (size_t i = input.shape.size(); i-- > 0;) {
    if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end()) continue;
    strides[i] = stride;
    stride *= input.shape[i];
  }
  if (input.type == ElementType::kInt64) {
    for (const int64_t value : input.integers) {
      if (std::abs(static_cast<double>(value)) > 1e15) return false;  // not exact in double
    }
  }
  std::vector<double> totals(static_cast<size_t>(output.elements()), way.start);
  for_each_index(input.shape, [&](int64_t flat, const std::vector<int64_t>& index) {
    const auto to =
        static_cast<size_t>(std::inner_product(index.begin(), index.end(), strides.begin(), int64_t{0}));
    const auto from = static_cast<size_t>(flat);
    totals[to] =
        way.step(totals[to], input.type == ElementType::kInt64 ? static_cast<double>(input.integers[from])
                                                               : static_cast<double>(input.values[from]));
  });
  for (double& total : totals) {
    if (way.finish != nullptr) total = way.finish(total, count);
    if (input.type == ElementType::kInt64 && !(std::abs(total) < 9e15)) return false;
  }
  if (output.type == ElementType::kFloat) output.values.assign(totals.begin(), totals.end());
  if (output.type == ElementType::kInt64) output.integers.assign(totals.begin(), totals.end());
  return true;
}

double add(double total, double value) {
  return total + value;
}
double add_square(double total, double value) {
  return total + value * value;
}
double root(double total, double) {
  return std::sqrt(total);
}
double logarithm(double total, double) {
  return std::log(total);
}
constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr Accumulation kSum{0, add}, kMean{0, add, [](double total, double count) { return total / count; }},
    kL1{0, [](double total, double value) { return total + std::abs(value); }}, kL2{0, add_square, root},
    kSumSquare{0, add_square}, kProd{1, [](double total, double value) { return total * value; }},
    kLogSum{0, add, logarithm},
    kLogSumExp{0, [](double total, double value) { return total + std::exp(value); }, logarithm},
    kMax{-kInfinity, [](double total, double value) { return std::max(total, value); }},
    kMin{kInfinity, [](double total, double value) { return std::min(total, value); }};

template <const Accumulation& way>
bool evaluate(const RuleContext& c, const Inputs& inputs, std::vector<Tensor>& outputs) {
  return accumulate(c, inputs, outputs[0], way);
}

void index_of_extreme(const RuleContext& c) {
  const int64_t axis = c.axis(c.node.integer("axis", 0), c.rank(0));
  c.set(0, reduced(c, {axis}, c.node.integer("keepdims", 1) != 0), ElementType::kInt64);
}

void top_k(const RuleContext& c) {
  const auto axis = static_cast<size_t>(c.axis(c.node.integer("axis", -1), c.rank(0)));
  const auto k = c.integers(1, "k");
  if (k.size() != 1 || k[0] < 0 || k[0] > c.shape(0)[axis])
    c.fail("k does not fit an axis of {}", c.shape(0)[axis]);
  Shape result = c.shape(0);
  result[axis] = k[0];
  c.set(0, result, c.type(0));
  c.set(1, result, ElementType::kInt64);
}

// GRU, LSTM and RNN: Y [steps, directions, batch, hidden], then the last state(s).
void recurrent(const RuleContext& c) {
  if (c.rank(0) != 3 || c.rank(1) != 3 || c.rank(2) != 3)
    c.fail("an input and weights of rank 3 were expected");
  const bool batch_first = c.node.integer("layout", 0) != 0;
  const int64_t hidden = c.node.integer("hidden_size", c.rank(2) == 3 ? c.shape(2)[2] : 0);
  const int64_t directions = c.node.text("direction", "forward") == "bidirectional" ? 2 : 1;
  const int64_t steps = c.shape(0)[batch_first ? 1 : 0];
  const int64_t batch = c.shape(0)[batch_first ? 0 : 1];
  if (hidden < 1 || hidden > (1 << 20)) c.fail("a hidden_size of {} is not sensible", hidden);
  const Shape all =
      batch_first ? Shape{batch, steps, directions, hidden} : Shape{steps, directions, batch, hidden};
  const Shape last = batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
  c.set(0, all, c.type(0));
  c.set(1, last, c.type(0));
  c.set(2, last, c.type(0));
}

void softmax(const RuleContext& c) {
  c.axis(c.node.integer("axis", -1), c.rank(0));
  c.set(c.shape(0));
}

void normalization(const RuleContext& c) {
  if (c.rank(0) < 1) c.fail("a tensor with axes was expected, found a scalar");
  c.set(c.shape(0));
}

void batch_normalization_shape(const RuleContext& c) {
  if (c.node.inputs.size() != 5) c.fail("five inputs were expected, found {}", c.node.inputs.size());
  if (c.rank(0) < 2) c.fail("an input of rank 2 or more was expected");
  for (size_t slot = 1; slot < 5; ++slot) {
    if (c.shape(slot) != Shape{c.shape(0)[1]}) {
      c.fail("'{}' was expected to hold {} values, found the shape [{}]", c.node.inputs[slot], c.shape(0)[1],
             fmt::join(c.shape(slot), ","));
    }
  }
  c.set(c.shape(0));
}

std::string refuse_reduction(const Situation& s) {
  if (reduces_no_axes(s.graph, s.node))
    return "it reduces no axes; write what it does to each number instead";
  const Shape& shape = s.graph.tensor(s.node.inputs[0]).shape;
  return shape.size() <= 4
             ? ""
             : fmt::format("an input [{}]; the chip reduces up to 4 axes", fmt::join(shape, ","));
}

// Scale and shift are constants; the chip gives no mean and deviation.
std::string refuse_normalization(const Situation& s) {
  for (size_t i = 1; i < s.node.inputs.size(); ++i) {
    if (!s.node.inputs[i].empty() && !s.graph.tensor(s.node.inputs[i]).constant)
      return fmt::format("'{}' is not constant", s.node.inputs[i]);
  }
  if (s.node.outputs.size() > 1) return "only the first output exists on the chip";
  return "";
}

template <const Accumulation& way>
Operator reduce(const char* name, Role role, bool keeps_a_single_number = false) {
  Operator row{.name = name, .role = role, .shape = reduction};
  row.operands = {Operand::kData, Operand::kPlain};
  row.stays_on_grid = role == Role::kCopy;
  row.keeps_a_single_number = keeps_a_single_number;
  row.evaluate = evaluate<way>;
  row.lower = espdl::lower_reduce;
  row.support = kAllTypes;
  row.refuse = refuse_reduction;
  row.note = "up to 4 axes";
  return row;
}

Operator softmax_row(const char* name) {
  Operator row{.name = name, .role = Role::kFloatResult, .shape = softmax};
  row.lower = espdl::lower_softmax;
  row.rewrite = rewrite_softmax;
  row.support = kAllTypes;
  row.note = "the result is float";
  return row;
}

Operator normalization_row(const char* name, std::vector<Operand> operands) {
  Operator row{.name = name, .role = Role::kComputed, .shape = normalization, .layout = Layout::kLogical};
  row.operands = std::move(operands);
  row.lower = espdl::lower_normalization;
  row.support = kAllTypes;
  row.refuse = refuse_normalization;
  row.note = "over the last axes";
  return row;
}

Operator recurrent_row(const char* name) {
  Operator row{.name = name, .shape = recurrent};
  row.rewrite = rewrite_recurrent;
  row.refuse = [](const Situation& s) { return recurrent_obstacle(s.graph, s.node); };
  row.note = "as Gemm, Sigmoid, Tanh, Mul and Add of every step; constant weights, sequences of one length";
  return row;
}

Operator lp_normalization() {
  Operator row{.name = "LpNormalization", .role = Role::kComputed, .shape = normalization};
  row.lower = espdl::lower_softmax;
  row.support = kAllTypes;
  row.note = "over one axis; p 1 or 2";
  return row;
}

Operator unsupported(const char* name, graph::Rule shape, const char* note) {
  Operator row{.name = name, .shape = shape};
  row.note = note;
  return row;
}

Operator rewritten(const char* name, graph::Rule shape, Nodes (*rewrite)(graph::Graph&, const graph::Node&),
                   const char* note) {
  Operator row = unsupported(name, shape, note);
  row.rewrite = rewrite;
  return row;
}

}  // namespace

std::vector<Operator> reduction_rows() {
  return {
      reduce<kMax>("ReduceMax", Role::kCopy, true),
      reduce<kMin>("ReduceMin", Role::kCopy, true),
      reduce<kSum>("ReduceSum", Role::kComputed, true),
      reduce<kMean>("ReduceMean", Role::kComputed, true),
      reduce<kL1>("ReduceL1", Role::kComputed),
      reduce<kL2>("ReduceL2", Role::kComputed),
      reduce<kLogSum>("ReduceLogSum", Role::kComputed),
      reduce<kLogSumExp>("ReduceLogSumExp", Role::kComputed),
      reduce<kProd>("ReduceProd", Role::kComputed, true),
      reduce<kSumSquare>("ReduceSumSquare", Role::kComputed),
      softmax_row("Softmax"),
      softmax_row("LogSoftmax"),
      normalization_row("LayerNormalization", {Operand::kData}),
      normalization_row("RMSNormalization", {Operand::kData, Operand::kPlain}),
      lp_normalization(),
      rewritten("BatchNormalization", batch_normalization_shape, rewrite_batch_normalization,
                "goes into the convolution in front, or becomes one"),
      rewritten("InstanceNormalization", normalization, rewrite_instance_normalization,
                "as LayerNormalization of each channel and Conv"),
      rewritten("GroupNormalization", normalization, rewrite_group_normalization,
                "as LayerNormalization of each group and Conv"),
      unsupported("ArgMax", index_of_extreme, "end the graph before it with --outputs"),
      unsupported("ArgMin", index_of_extreme, "end the graph before it with --outputs"),
      unsupported("TopK", top_k, "end the graph before it with --outputs"),
      recurrent_row("GRU"),
      recurrent_row("LSTM"),
      recurrent_row("RNN"),
  };
}

bool reduces_no_axes(const graph::Graph& graph, const graph::Node& node) {
  const Operator* row = find(node.op);
  if (row == nullptr || row->shape != reduction || node.integer("noop_with_empty_axes", 0) == 0) return false;
  if (node.inputs.size() < 2 || node.inputs[1].empty()) return true;
  const Tensor& axes = graph.tensor(node.inputs[1]);
  return axes.constant && axes.elements() == 0;
}

}  // namespace shrike::operators
