// GRU, LSTM and RNN step by step: what they share are products with the whole sequence, done at once, and a
// state that each step hands on. ONNX defines them (its operator reference); the letters below are its.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "toolchain/operators/replacement.h"
#include "toolchain/operators/rewrites.h"

namespace shrike::operators {
namespace {

using graph::Graph;
using graph::Node;
using graph::Shape;
using graph::Tensor;
using Ints = std::vector<int64_t>;

constexpr int64_t kMostSteps = 1024;
constexpr int64_t kMostWeights = int64_t{1}
                                 << 25;  // of all steps: every node has its own filters in the file

// Inputs by position.
enum Slot : size_t { kX, kW, kR, kB, kLengths, kState, kCell, kPeepholes };

struct Sizes {
  int64_t steps = 0, batch = 0, features = 0, hidden = 0, gates = 0, directions = 1;
  bool batch_first = false;
};

bool has(const Node& node, size_t slot) {
  return slot < node.inputs.size() && !node.inputs[slot].empty();
}

int64_t gates_of(const Node& node) {
  return node.op == "LSTM" ? 4 : node.op == "GRU" ? 3 : 1;
}

Sizes sizes_of(const Graph& graph, const Node& node) {
  const Shape &x = graph.tensor(node.inputs[kX]).shape, &r = graph.tensor(node.inputs[kR]).shape;
  Sizes sizes;
  sizes.batch_first = node.integer("layout", 0) != 0;
  sizes.steps = x.at(sizes.batch_first ? 1 : 0);
  sizes.batch = x.at(sizes.batch_first ? 0 : 1);
  sizes.features = x.at(2);
  sizes.hidden = node.integer("hidden_size", r.at(2));
  sizes.gates = gates_of(node);
  sizes.directions = node.text("direction", "forward") == "bidirectional" ? 2 : 1;
  return sizes;
}

// The functions of one direction after another, "Sigmoid,Tanh,Tanh".
std::vector<std::string> activations_of(const Node& node, int64_t directions) {
  const std::string usual = node.op == "LSTM"  ? "Sigmoid,Tanh,Tanh"
                            : node.op == "GRU" ? "Sigmoid,Tanh"
                                               : "Tanh";
  std::string text = node.text("activations", "");
  if (text.empty()) {
    text = usual;
    if (directions == 2) text += "," + usual;
  }
  std::vector<std::string> names;
  std::istringstream stream(text);
  for (std::string name; std::getline(stream, name, ',');) names.push_back(name);
  return names;
}

bool all_zero(const Tensor& tensor) {
  return tensor.constant &&
         std::all_of(tensor.values.begin(), tensor.values.end(), [](float value) { return value == 0; });
}

std::string weights_obstacle(const Graph& graph, const Node& node, const Sizes& s) {
  const Shape wanted[] = {{s.directions, s.gates * s.hidden, s.features},
                          {s.directions, s.gates * s.hidden, s.hidden},
                          {s.directions, 2 * s.gates * s.hidden}};
  for (const size_t slot : {kW, kR, kB}) {
    if (!has(node, slot)) continue;
    const Tensor& weights = graph.tensor(node.inputs[slot]);
    if (!weights.constant)
      return fmt::format("'{}' is not constant; only constant weights can be written out step by step",
                         weights.name);
    const Shape& shape = wanted[slot - kW];
    if (weights.shape != shape ||
        static_cast<int64_t>(weights.values.size()) != graph::element_count(shape)) {
      return fmt::format("weights '{}' of [{}] were expected, found [{}]; export the model again",
                         weights.name, fmt::join(shape, ","), fmt::join(weights.shape, ","));
    }
  }
  return "";
}

std::string length_obstacle(const Graph& graph, const Node& node, const Sizes& s) {
  if (s.steps < 1 || s.steps > kMostSteps) {
    return fmt::format(
        "{} steps; 1 to {} can be written out: feed fewer a run, with the state as an input and an output of "
        "the "
        "graph",
        s.steps, kMostSteps);
  }
  if (s.steps * graph.tensor(node.inputs[kR]).elements() > kMostWeights) {
    return fmt::format(
        "its weights would stand in the file once for each of {} steps, {} of them in all; feed fewer steps "
        "a run, "
        "with the state as an input and an output of the graph",
        s.steps, s.steps * graph.tensor(node.inputs[kR]).elements());
  }
  if (!has(node, kLengths)) return "";
  const Tensor& lengths = graph.tensor(node.inputs[kLengths]);
  const bool whole = lengths.constant && std::all_of(lengths.integers.begin(), lengths.integers.end(),
                                                     [&](int64_t length) { return length == s.steps; });
  if (whole) return "";
  return fmt::format(
      "sequence_lens '{}' are not all {} steps; leave them out and feed sequences of one length",
      lengths.name, s.steps);
}

std::string function_obstacle(const Node& node, const Sizes& s) {
  const size_t wanted = static_cast<size_t>(s.directions) * (node.op == "LSTM"  ? 3
                                                             : node.op == "GRU" ? 2
                                                                                : 1);
  const std::vector<std::string> functions = activations_of(node, s.directions);
  if (functions.size() != wanted)
    return fmt::format("{} activations were expected, found {}; export the model again", wanted,
                       functions.size());
  for (const std::string& name : functions) {
    if (name != "Sigmoid" && name != "Tanh" && name != "Relu" && name != "HardSigmoid" &&
        name != "Softsign" && name != "Softplus")
      return fmt::format(
          "the activation {} is not known; use Sigmoid, Tanh, Relu, HardSigmoid, Softsign or Softplus", name);
  }
  for (const char* key : {"activation_alpha", "activation_beta", "clip"}) {
    if (node.attributes.contains(key))
      return fmt::format("the attribute {} is not supported; export without it", key);
  }
  if (node.integer("input_forget", 0) != 0) return "input_forget is not supported; export with it off";
  return "";
}

class Unrolling {
 public:
  Unrolling(Graph& graph, const Node& node)
      : graph_(graph), node_(node), sizes_(sizes_of(graph, node)), nodes_(graph, node) {}

  Nodes run() {
    flatten_input();
    std::vector<Steps> directions;
    const std::string text = node_.text("direction", "forward");
    for (int64_t d = 0; d < sizes_.directions; ++d)
      directions.push_back(run_direction(d, text == "reverse" || d == 1));
    std::vector<std::string> results = {sequence(directions)};
    std::vector<std::string> states, cells;
    for (const Steps& steps : directions) {
      states.push_back(steps.last_state);
      cells.push_back(steps.last_cell);
    }
    results.push_back(final_states(states));
    if (node_.op == "LSTM") results.push_back(final_states(cells));
    results.resize(node_.outputs.size());
    return nodes_.finish(results);
  }

 private:
  // The state after each step, in the order of time.
  struct Steps {
    std::vector<std::string> states;
    std::string last_state, last_cell;
  };
  // A direction's weights and functions.
  struct Direction {
    int64_t index = 0;
    std::vector<std::string> functions;
  };

  // [steps * batch, features]
  void flatten_input() {
    std::string x = node_.inputs[kX];
    if (sizes_.batch_first && sizes_.batch > 1) x = nodes_.add("Transpose", {x}, {{"perm", Ints{1, 0, 2}}});
    flat_ = reshape(x, {sizes_.steps * sizes_.batch, sizes_.features});
  }

  std::string reshape(const std::string& x, const Shape& shape) {
    return nodes_.add("Reshape", {x, nodes_.constant("shape", shape)});
  }

  // The rows of some gates of W or R as a filter. A gate ~g is gate g with the other sign.
  std::string filter(const char* stem, Slot slot, const Direction& direction, const Ints& gates) {
    const Tensor& all = graph_.tensor(node_.inputs[slot]);
    const int64_t columns = all.shape[2], size = sizes_.hidden * columns;
    std::vector<float> values;
    for (const int64_t gate : gates) {
      const int64_t first = (direction.index * sizes_.gates + std::max(gate, ~gate)) * size;
      for (int64_t i = first; i < first + size; ++i)
        values.push_back(gate < 0 ? -all.values[static_cast<size_t>(i)] : all.values[static_cast<size_t>(i)]);
    }
    return nodes_.constant(stem, {static_cast<int64_t>(gates.size()) * sizes_.hidden, columns},
                           std::move(values));
  }

  // The same of B: what is added to W's product (half 0) or to R's (half 1).
  std::vector<float> bias(const Direction& direction, const Ints& gates, int64_t half) const {
    if (!has(node_, kB)) return std::vector<float>(gates.size() * static_cast<size_t>(sizes_.hidden), 0.0f);
    const std::vector<float>& all = graph_.tensor(node_.inputs[kB]).values;
    std::vector<float> values;
    for (const int64_t gate : gates) {
      const int64_t row = (2 * direction.index + half) * sizes_.gates + std::max(gate, ~gate);
      for (int64_t i = row * sizes_.hidden; i < (row + 1) * sizes_.hidden; ++i)
        values.push_back(gate < 0 ? -all[static_cast<size_t>(i)] : all[static_cast<size_t>(i)]);
    }
    return values;
  }

  // W's product with the whole sequence and both biases (`recurrent_bias`: or W's alone), a piece a step.
  std::vector<std::string> project(const Direction& direction, const Ints& gates,
                                   bool recurrent_bias = true) {
    std::vector<float> sums = bias(direction, gates, 0);
    const std::vector<float> others = bias(direction, gates, 1);
    for (size_t i = 0; recurrent_bias && i < sums.size(); ++i) sums[i] += others[i];
    const auto width = static_cast<int64_t>(sums.size());
    const std::string all = nodes_.add(
        "Gemm", {flat_, filter("W", kW, direction, gates), nodes_.constant("bias", {width}, std::move(sums))},
        {{"transB", int64_t{1}}});
    if (sizes_.steps == 1) return {all};
    const Ints rows(static_cast<size_t>(sizes_.steps), sizes_.batch);
    return nodes_.add_parts("Split", {all, nodes_.constant("rows", rows)}, rows.size(),
                            {{"axis", int64_t{0}}});
  }

  std::string multiply(const std::string& state, const std::string& filter, const std::string& bias = "") {
    std::vector<std::string> inputs = {state, filter};
    if (!bias.empty()) inputs.push_back(bias);
    return nodes_.add("Gemm", inputs, {{"transB", int64_t{1}}});
  }

  // x, or x plus the state's product where there is a state.
  std::string with_state(const std::string& x, const std::string& state, const std::string& filter) {
    return state.empty() ? x : nodes_.add("Add", {x, multiply(state, filter)});
  }

  std::vector<std::string> gates_apart(const std::string& x, int64_t count) {
    if (count == 1) return {x};
    const Ints widths(static_cast<size_t>(count), sizes_.hidden);
    return nodes_.add_parts("Split", {x, nodes_.constant("widths", widths)}, widths.size(),
                            {{"axis", int64_t{1}}});
  }

  std::string first_columns(const std::string& x, int64_t gates) {
    return nodes_.add(
        "Slice", {x, nodes_.constant("starts", Ints{0}), nodes_.constant("ends", Ints{gates * sizes_.hidden}),
                  nodes_.constant("axes", Ints{1})});
  }

  // [batch, hidden] of a direction; empty where the state begins with zeros.
  std::string initial(size_t slot, int64_t direction) {
    if (!has(node_, slot) || all_zero(graph_.tensor(node_.inputs[slot]))) return "";
    std::string state = node_.inputs[slot];
    if (sizes_.directions > 1) {
      state = nodes_.add("Slice", {state, nodes_.constant("starts", Ints{direction}),
                                   nodes_.constant("ends", Ints{direction + 1}),
                                   nodes_.constant("axes", Ints{sizes_.batch_first ? 1 : 0})});
    }
    return reshape(state, {sizes_.batch, sizes_.hidden});
  }

  Steps run_direction(int64_t index, bool backwards) {
    const std::vector<std::string> functions = activations_of(node_, sizes_.directions);
    const size_t each = functions.size() / static_cast<size_t>(sizes_.directions);
    const auto first = functions.begin() + static_cast<std::ptrdiff_t>(each) * index;
    const Direction direction{index, {first, first + static_cast<std::ptrdiff_t>(each)}};
    Steps steps;
    steps.last_state = initial(kState, index);
    if (node_.op == "LSTM") steps.last_cell = initial(kCell, index);
    if (node_.op == "LSTM") run_lstm(direction, backwards, steps);
    if (node_.op == "GRU") run_gru(direction, backwards, steps);
    if (node_.op == "RNN") run_rnn(direction, backwards, steps);
    if (backwards) std::reverse(steps.states.begin(), steps.states.end());
    return steps;
  }

  size_t time(int64_t step, bool backwards) const {
    return static_cast<size_t>(backwards ? sizes_.steps - 1 - step : step);
  }

  // H = f(x + R h)
  void run_rnn(const Direction& direction, bool backwards, Steps& steps) {
    const std::vector<std::string> x = project(direction, {0});
    const std::string r = filter("R", kR, direction, {0});
    for (int64_t step = 0; step < sizes_.steps; ++step) {
      steps.last_state =
          nodes_.add(direction.functions[0], {with_state(x[time(step, backwards)], steps.last_state, r)});
      steps.states.push_back(steps.last_state);
    }
  }

  // z, r = f(x + R h); n = g(x + R (r h)), or g(x + r (R h + b)) with linear_before_reset;
  // H = (1 - z) n + z h. Of a function with 1 - f(x) = f(-x) the first factor comes from the same product;
  // else it would be a difference of numbers that are rounded already.
  void run_gru(const Direction& direction, bool backwards, Steps& steps) {
    const bool before_reset = node_.integer("linear_before_reset", 0) != 0;
    const bool symmetric = direction.functions[0] == "Sigmoid" || direction.functions[0] == "HardSigmoid";
    const Ints gates = symmetric ? Ints{~int64_t{0}, 1, 0} : Ints{0, 1};  // 1 - z, r, z, or z, r
    const std::vector<std::string> sums = project(direction, gates),
                                   candidates = project(direction, {2}, !before_reset);
    const std::string gates_r = filter("R_gates", kR, direction, gates), r = filter("R", kR, direction, {2});
    const std::vector<float> own_bias = bias(direction, {2}, 1);
    const std::string b = nodes_.constant("R_bias", {sizes_.hidden}, own_bias);
    const bool has_bias =
        std::any_of(own_bias.begin(), own_bias.end(), [](float value) { return value != 0; });
    for (int64_t step = 0; step < sizes_.steps; ++step) {
      const std::string h = steps.last_state, x = sums[time(step, backwards)];
      // Without a state r meets zeros, and z, too.
      const int64_t needed = !h.empty()                 ? static_cast<int64_t>(gates.size())
                             : before_reset && has_bias ? 2
                                                        : 1;
      std::string all = with_state(x, h, gates_r);
      if (needed < static_cast<int64_t>(gates.size())) all = first_columns(all, needed);
      const std::vector<std::string> parts = gates_apart(nodes_.add(direction.functions[0], {all}), needed);
      std::string candidate = candidates[time(step, backwards)];
      if (needed > 1) {
        const std::string memory = before_reset
                                       ? nodes_.add("Mul", {parts[1], h.empty() ? b : multiply(h, r, b)})
                                       : multiply(nodes_.add("Mul", {parts[1], h}), r);
        candidate = nodes_.add("Add", {candidate, memory});
      }
      const std::string n = nodes_.add(direction.functions[1], {candidate});
      std::string entered = nodes_.add("Mul", {parts[0], n});
      if (!symmetric) entered = nodes_.add("Sub", {n, entered});
      steps.last_state =
          h.empty() ? entered
                    : nodes_.add("Add", {entered, nodes_.add("Mul", {symmetric ? parts[2] : parts[0], h})});
      steps.states.push_back(steps.last_state);
    }
  }

  // i, o, f = f(x + R h); C = f c + i g(x + R h); H = o h(C)
  void run_lstm(const Direction& direction, bool backwards, Steps& steps) {
    const std::vector<std::string> gates = project(direction, {0, 1, 2}), cells = project(direction, {3});
    const std::string gates_r = filter("R_gates", kR, direction, {0, 1, 2}),
                      r = filter("R", kR, direction, {3});
    for (int64_t step = 0; step < sizes_.steps; ++step) {
      const std::string h = steps.last_state, c = steps.last_cell;
      std::string sums = with_state(gates[time(step, backwards)], h, gates_r);
      if (c.empty()) sums = first_columns(sums, 2);  // nothing to forget
      const std::vector<std::string> parts =
          gates_apart(nodes_.add(direction.functions[0], {sums}), c.empty() ? 2 : 3);
      const std::string candidate =
          nodes_.add(direction.functions[1], {with_state(cells[time(step, backwards)], h, r)});
      const std::string entered = nodes_.add("Mul", {parts[0], candidate});
      steps.last_cell = c.empty() ? entered : nodes_.add("Add", {nodes_.add("Mul", {parts[2], c}), entered});
      steps.last_state = nodes_.add("Mul", {parts[1], nodes_.add(direction.functions[2], {steps.last_cell})});
      steps.states.push_back(steps.last_state);
    }
  }

  // [steps, directions, batch, hidden], or [batch, steps, directions, hidden]
  std::string sequence(const std::vector<Steps>& directions) {
    const Sizes& s = sizes_;
    std::vector<std::string> each;
    for (const Steps& steps : directions) {
      const std::string all =
          s.steps == 1 ? steps.states[0] : nodes_.add("Concat", steps.states, {{"axis", int64_t{0}}});
      each.push_back(reshape(all, {s.steps, 1, s.batch, s.hidden}));
    }
    std::string y = each[0];
    if (each.size() > 1) y = nodes_.add("Concat", each, {{"axis", int64_t{1}}});
    if (!s.batch_first) return y;
    if (s.batch > 1) return nodes_.add("Transpose", {y}, {{"perm", Ints{2, 0, 1, 3}}});
    return reshape(y, {s.batch, s.steps, s.directions, s.hidden});
  }

  // [directions, batch, hidden], or [batch, directions, hidden]
  std::string final_states(const std::vector<std::string>& each) {
    const Sizes& s = sizes_;
    std::string y = each[0];
    if (each.size() > 1) y = nodes_.add("Concat", each, {{"axis", int64_t{0}}});
    if (s.batch_first && s.batch > 1 && s.directions > 1) {
      y = reshape(y, {s.directions, s.batch, s.hidden});
      return nodes_.add("Transpose", {y}, {{"perm", Ints{1, 0, 2}}});
    }
    return reshape(
        y, s.batch_first ? Shape{s.batch, s.directions, s.hidden} : Shape{s.directions, s.batch, s.hidden});
  }

  Graph& graph_;
  const Node& node_;
  const Sizes sizes_;
  Replacement nodes_;
  std::string flat_;
};

}  // namespace

std::string recurrent_obstacle(const Graph& graph, const Node& node) {
  const Sizes sizes = sizes_of(graph, node);
  if (const std::string reason = weights_obstacle(graph, node, sizes); !reason.empty()) return reason;
  if (const std::string reason = length_obstacle(graph, node, sizes); !reason.empty()) return reason;
  for (const size_t slot : {kState, kCell}) {
    if (!has(node, slot)) continue;
    const Tensor& state = graph.tensor(node.inputs[slot]);
    if (state.constant && !all_zero(state))
      return fmt::format(
          "the initial state '{}' is a constant other than zero; make it an input of the graph", state.name);
    if (state.elements() != sizes.directions * sizes.batch * sizes.hidden)
      return fmt::format("the initial state '{}' has the shape [{}]; export the model again", state.name,
                         fmt::join(state.shape, ","));
  }
  if (has(node, kPeepholes) && !all_zero(graph.tensor(node.inputs[kPeepholes])))
    return "peepholes are not supported; train without them";
  return function_obstacle(node, sizes);
}

Nodes rewrite_recurrent(Graph& graph, const Node& node) {
  if (!recurrent_obstacle(graph, node).empty()) return {};
  return Unrolling(graph, node).run();
}

}  // namespace shrike::operators
