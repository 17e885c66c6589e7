// GRU, LSTM and RNN, written out step by step, against the formulas of ONNX computed here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/import/onnx_builder.h"
#include "toolchain/engine/engine.h"
#include "toolchain/graph/passes.h"
#include "toolchain/operators/operator.h"
#include "toolchain/operators/support.h"

namespace shrike {
namespace {

using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

constexpr int64_t kSteps = 5, kFeatures = 3, kHidden = 4;

struct Layer {
  std::string op;
  std::string direction = "forward";
  int64_t batch = 1, layout = 0, linear_before_reset = 0;
  std::vector<std::string> activations = {};  // of GRU, where they are not the usual ones
  bool initial_state = false;                 // inputs of the graph

  int64_t gates() const { return op == "LSTM" ? 4 : op == "GRU" ? 3 : 1; }
  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
};

Floats drawn(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  Floats values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random() & 0xffff) / 32768.0f - 1.0f;
  return values;
}

struct Weights {
  Floats w, r, b, x, h, c;
  explicit Weights(const Layer& layer)
      : w(drawn(layer.directions() * layer.gates() * kHidden * kFeatures, 1)),
        r(drawn(layer.directions() * layer.gates() * kHidden * kHidden, 2)),
        b(drawn(layer.directions() * 2 * layer.gates() * kHidden, 3)),
        x(drawn(kSteps * layer.batch * kFeatures, 4)),
        h(drawn(layer.directions() * layer.batch * kHidden, 5)),
        c(drawn(layer.directions() * layer.batch * kHidden, 6)) {}
};

OnnxBuilder model_of(const Layer& layer, const Weights& weights) {
  const int64_t d = layer.directions(), rows = layer.gates() * kHidden;
  const bool batch_first = layer.layout == 1;
  OnnxBuilder b(22);
  b.input("x", batch_first ? Ints{layer.batch, kSteps, kFeatures} : Ints{kSteps, layer.batch, kFeatures});
  b.floats("W", {d, rows, kFeatures}, weights.w).floats("R", {d, rows, kHidden}, weights.r);
  b.floats("B", {d, 2 * rows}, weights.b);
  std::vector<std::string> inputs = {"x", "W", "R", "B"}, outputs = {"Y", "Y_h"};
  if (layer.initial_state) {
    const Ints shape = batch_first ? Ints{layer.batch, d, kHidden} : Ints{d, layer.batch, kHidden};
    b.input("h", shape);
    inputs.insert(inputs.end(), {"", "h"});
    if (layer.op == "LSTM") b.input("c", shape);
    if (layer.op == "LSTM") inputs.push_back("c");
  }
  if (layer.op == "LSTM") outputs.push_back("Y_c");
  std::vector<tests::Attribute> attributes = {{"hidden_size", kHidden}, {"direction", layer.direction}};
  if (layer.op == "GRU") attributes.push_back({"linear_before_reset", layer.linear_before_reset});
  if (layer.layout != 0) attributes.push_back({"layout", layer.layout});
  b.node(layer.op, inputs, outputs, attributes);
  if (!layer.activations.empty()) {
    auto* functions = b.model.mutable_graph()->mutable_node(0)->add_attribute();
    functions->set_name("activations");
    functions->set_type(onnx::AttributeProto::STRINGS);
    for (const std::string& name : layer.activations) functions->add_strings(name);
  }
  for (const std::string& output : outputs) b.output(output);
  return b;
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// One direction of one sequence; all indices as ONNX documents W, R and B.
class Naive {
 public:
  Naive(const Layer& layer, const Weights& weights, int64_t direction, int64_t sequence)
      : layer_(layer), weights_(weights), direction_(direction), sequence_(sequence), h(kHidden), c(kHidden) {
    if (!layer.initial_state) return;
    for (int64_t i = 0; i < kHidden; ++i) {
      const size_t at = state_index(i);
      h[static_cast<size_t>(i)] = static_cast<double>(weights.h[at]);
      c[static_cast<size_t>(i)] = static_cast<double>(weights.c[at]);
    }
  }

  size_t state_index(int64_t i) const {
    const int64_t place = layer_.layout == 1 ? sequence_ * layer_.directions() + direction_
                                             : direction_ * layer_.batch + sequence_;
    return static_cast<size_t>(place * kHidden + i);
  }

  void step(int64_t time) {
    const std::vector<double> old = h;
    if (layer_.op == "RNN") {
      for (int64_t i = 0; i < kHidden; ++i)
        at(h, i) = std::tanh(input(0, i, time) + state(0, i, old) + both_biases(0, i));
    } else if (layer_.op == "LSTM") {
      std::vector<double> gate[4];
      for (int64_t g = 0; g < 4; ++g) {
        for (int64_t i = 0; i < kHidden; ++i)
          gate[g].push_back(input(g, i, time) + state(g, i, old) + both_biases(g, i));
      }
      for (int64_t i = 0; i < kHidden; ++i) {  // i, o, f, c
        at(c, i) = sigmoid(at(gate[2], i)) * at(c, i) + sigmoid(at(gate[0], i)) * std::tanh(at(gate[3], i));
        at(h, i) = sigmoid(at(gate[1], i)) * std::tanh(at(c, i));
      }
    } else {
      std::vector<double> z(kHidden), r(kHidden), gated(kHidden);
      for (int64_t i = 0; i < kHidden; ++i) {
        at(z, i) = gate(input(0, i, time) + state(0, i, old) + both_biases(0, i));
        at(r, i) = gate(input(1, i, time) + state(1, i, old) + both_biases(1, i));
        at(gated, i) = at(r, i) * at(old, i);
      }
      for (int64_t i = 0; i < kHidden; ++i) {
        const double memory = layer_.linear_before_reset != 0 ? at(r, i) * (state(2, i, old) + bias(2, i, 1))
                                                              : state(2, i, gated) + bias(2, i, 1);
        const double n = std::tanh(input(2, i, time) + bias(2, i, 0) + memory);
        at(h, i) = (1 - at(z, i)) * n + at(z, i) * at(old, i);
      }
    }
  }

 private:
  double gate(double x) const {
    if (layer_.activations.empty()) return sigmoid(x);
    return layer_.activations[0] == "Tanh" ? std::tanh(x) : std::clamp(0.2 * x + 0.5, 0.0, 1.0);
  }

  static double& at(std::vector<double>& values, int64_t i) { return values[static_cast<size_t>(i)]; }
  static double at(const std::vector<double>& values, int64_t i) { return values[static_cast<size_t>(i)]; }

  int64_t row(int64_t gate, int64_t i) const { return (direction_ * layer_.gates() + gate) * kHidden + i; }
  double bias(int64_t gate, int64_t i, int64_t half) const {
    return static_cast<double>(
        weights_.b[static_cast<size_t>(((2 * direction_ + half) * layer_.gates() + gate) * kHidden + i)]);
  }
  double both_biases(int64_t gate, int64_t i) const { return bias(gate, i, 0) + bias(gate, i, 1); }
  double input(int64_t gate, int64_t i, int64_t time) const {
    const int64_t place = layer_.layout == 1 ? sequence_ * kSteps + time : time * layer_.batch + sequence_;
    double sum = 0;
    for (int64_t k = 0; k < kFeatures; ++k)
      sum += static_cast<double>(weights_.w[static_cast<size_t>(row(gate, i) * kFeatures + k)]) *
             static_cast<double>(weights_.x[static_cast<size_t>(place * kFeatures + k)]);
    return sum;
  }
  double state(int64_t gate, int64_t i, const std::vector<double>& from) const {
    double sum = 0;
    for (int64_t k = 0; k < kHidden; ++k)
      sum += static_cast<double>(weights_.r[static_cast<size_t>(row(gate, i) * kHidden + k)]) * at(from, k);
    return sum;
  }

  const Layer& layer_;
  const Weights& weights_;
  int64_t direction_, sequence_;

 public:
  std::vector<double> h, c;
};

struct Expected {
  std::vector<double> y, h, c;
};

Expected expect(const Layer& layer, const Weights& weights) {
  const int64_t d = layer.directions();
  Expected all;
  all.y.resize(static_cast<size_t>(kSteps * d * layer.batch * kHidden));
  all.h.resize(static_cast<size_t>(d * layer.batch * kHidden));
  all.c = all.h;
  for (int64_t direction = 0; direction < d; ++direction) {
    const bool backwards = layer.direction == "reverse" || direction == 1;
    for (int64_t n = 0; n < layer.batch; ++n) {
      Naive naive(layer, weights, direction, n);
      for (int64_t step = 0; step < kSteps; ++step) {
        const int64_t time = backwards ? kSteps - 1 - step : step;
        naive.step(time);
        const int64_t place = layer.layout == 1 ? (n * kSteps + time) * d + direction
                                                : (time * d + direction) * layer.batch + n;
        for (int64_t i = 0; i < kHidden; ++i)
          all.y[static_cast<size_t>(place * kHidden + i)] = naive.h[static_cast<size_t>(i)];
      }
      for (int64_t i = 0; i < kHidden; ++i) {
        all.h[naive.state_index(i)] = naive.h[static_cast<size_t>(i)];
        all.c[naive.state_index(i)] = naive.c[static_cast<size_t>(i)];
      }
    }
  }
  return all;
}

void expect_near(const std::vector<float>& found, const std::vector<double>& wanted, const char* what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  for (size_t i = 0; i < wanted.size(); ++i)
    EXPECT_NEAR(static_cast<double>(found[i]), wanted[i], 1e-5) << what << " " << i;
}

void check(const Layer& layer) {
  SCOPED_TRACE(layer.op + " " + layer.direction + " batch " + std::to_string(layer.batch) + " layout " +
               std::to_string(layer.layout) + " reset " + std::to_string(layer.linear_before_reset) +
               " state " + std::to_string(layer.initial_state));
  const Weights weights(layer);
  graph::Graph graph = model_of(layer, weights).graph();
  const std::vector<std::string> outputs = graph.outputs;
  graph::prepare(graph, {.size = {}, .outputs = outputs});
  for (const graph::Node& node : graph.nodes) EXPECT_TRUE(operators::find(node.op)->on_chip()) << node.op;
  std::map<std::string, engine::Array> inputs;
  const Floats* values[] = {&weights.x, &weights.h, &weights.c};
  for (size_t i = 0; i < graph.inputs.size(); ++i)
    inputs[graph.inputs[i]] = {graph.tensor(graph.inputs[i]).shape, *values[i]};
  engine::Engine engine(graph);
  const auto found = engine.run(inputs);
  const Expected wanted = expect(layer, weights);
  expect_near(found.at("Y").values, wanted.y, "Y");
  expect_near(found.at("Y_h").values, wanted.h, "Y_h");
  if (layer.op == "LSTM") expect_near(found.at("Y_c").values, wanted.c, "Y_c");
}

TEST(Recurrent, GivesTheStatesOfItsFormulas) {
  for (const char* op : {"RNN", "GRU", "LSTM"}) {
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      for (const bool initial_state : {false, true})
        check({.op = op, .direction = direction, .initial_state = initial_state});
    }
    check({.op = op, .direction = "bidirectional", .batch = 2, .layout = 1, .initial_state = true});
    check({.op = op, .batch = 3});
  }
  check({.op = "GRU", .linear_before_reset = 1});
  check({.op = "GRU", .activations = {"Tanh", "Tanh"}, .initial_state = true});
  check({.op = "GRU", .activations = {"HardSigmoid", "Tanh"}});
  check({.op = "GRU", .direction = "bidirectional", .linear_before_reset = 1, .initial_state = true});
}

std::string refusal_of(OnnxBuilder builder) {
  graph::Graph graph = builder.graph();
  const std::vector<std::string> outputs = graph.outputs;
  graph::prepare(graph, {.size = {}, .outputs = outputs});
  try {
    operators::check_supported(graph, [](const graph::Node&) { return 8; });
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Recurrent, IsRefusedWithTheReasonWhereItCannotBeWrittenOut) {
  const Layer gru{.op = "GRU"};
  OnnxBuilder clipped = model_of(gru, Weights(gru));
  auto* clip = clipped.model.mutable_graph()->mutable_node(0)->add_attribute();
  clip->set_name("clip");
  clip->set_type(onnx::AttributeProto::FLOAT);
  clip->set_f(3);
  EXPECT_EQ(refusal_of(clipped), "node 'n_Y' (GRU): the attribute clip is not supported; export without it");

  OnnxBuilder lengths = model_of(gru, Weights(gru));
  lengths.integers("lengths", {3});
  lengths.model.mutable_graph()->mutable_node(0)->add_input("lengths");
  EXPECT_EQ(refusal_of(lengths),
            "node 'n_Y' (GRU): sequence_lens 'lengths' are not all 5 steps; leave them out and feed "
            "sequences of one "
            "length");

  OnnxBuilder affine = model_of(gru, Weights(gru));
  auto* functions = affine.model.mutable_graph()->mutable_node(0)->add_attribute();
  functions->set_name("activations");
  functions->set_type(onnx::AttributeProto::STRINGS);
  functions->add_strings("Sigmoid");
  functions->add_strings("Affine");
  EXPECT_EQ(refusal_of(affine),
            "node 'n_Y' (GRU): the activation Affine is not known; use Sigmoid, Tanh, Relu, HardSigmoid, "
            "Softsign or "
            "Softplus");
}

}  // namespace
}  // namespace shrike
