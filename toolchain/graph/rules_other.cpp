// Shape rules of reductions, index operators, generators and recurrent layers.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "toolchain/graph/inference.h"

namespace shrike::graph {
namespace {

Shape reduced(const RuleContext& c, const std::vector<int64_t>& axes, bool keep) {
  Shape result;
  for (int64_t i = 0; i < c.rank(0); ++i) {
    const bool is_reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!is_reduced) result.push_back(c.shape(0)[static_cast<size_t>(i)]);
    if (is_reduced && keep) result.push_back(1);
  }
  return result;
}

void reduction(const RuleContext& c) {
  std::vector<int64_t> axes;
  if (c.has(1)) axes = c.axes(c.integers(1, "axes"), c.rank(0));
  if (axes.empty() && c.node.integer("noop_with_empty_axes", 0) != 0) return c.set(c.shape(0));
  if (axes.empty()) {
    axes.resize(c.shape(0).size());
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  c.set(reduced(c, axes, c.node.integer("keepdims", 1) != 0));
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

void range(const RuleContext& c) {
  double bounds[3] = {};
  for (size_t slot = 0; slot < 3; ++slot) {
    const Tensor* known = c.value(slot);
    if (known == nullptr || known->elements() != 1)
      c.fail("start, limit and step must be single known numbers");
    bounds[slot] = known->type == ElementType::kFloat ? static_cast<double>(known->values[0])
                                                      : static_cast<double>(known->integers[0]);
  }
  const double count = std::ceil((bounds[1] - bounds[0]) / bounds[2]);
  if (!std::isfinite(count) || count > 1e9) c.fail("a range of {} numbers is not sensible", count);
  c.set({std::max<int64_t>(0, static_cast<int64_t>(count))});
}

void constant_of_shape(const RuleContext& c) {
  c.set(0, c.integers(0, "the shape"), c.has(1) ? c.type(1) : ElementType::kFloat);
}

// GRU and LSTM: Y [steps, directions, batch, hidden], then the last state(s).
void recurrent(const RuleContext& c) {
  if (c.rank(0) != 3 || c.rank(1) != 3) c.fail("an input and weights of rank 3 were expected");
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

}  // namespace

const std::map<std::string, Rule>& other_rules() {
  static const std::map<std::string, Rule> rules = [] {
    std::map<std::string, Rule> table = {
        {"ArgMax", index_of_extreme},
        {"ArgMin", index_of_extreme},
        {"TopK", top_k},
        {"Range", range},
        {"ConstantOfShape", constant_of_shape},
        {"GRU", recurrent},
        {"LSTM", recurrent},
    };
    for (const char* op :
         {"L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"}) {
      table[std::string("Reduce") + op] = reduction;
    }
    return table;
  }();
  return rules;
}

}  // namespace shrike::graph
