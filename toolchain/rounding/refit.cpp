#include "toolchain/rounding/refit.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include "toolchain/engine/engine.h"
#include "toolchain/engine/linalg.h"
#include "toolchain/espdl/fusion.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/integer/trial.h"
#include "toolchain/measure/grid.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/ordered.h"

namespace shrike::quantize {
namespace {

struct Layer {
  const graph::Node* node = nullptr;
  std::string quantized_input;  // name in the materialized graph
  std::string written;          // its output in the file
  bool depthwise = false;
  std::unique_ptr<engine::GramAccumulator> gram;
};

// What all layers read on one image, kept beyond the run that made it.
class Inputs {
 public:
  Inputs() = default;
  Inputs(const IntegerNetwork& network, const std::vector<Layer>& layers) {
    std::set<std::string> names;
    for (const Layer& layer : layers) names.insert(layer.quantized_input);
    bytes_ = network.save(names);
    for (const auto& [name, bytes] : bytes_) {
      elements_[name] = network.elements(name);
      elements_[name].data = bytes.data();
    }
  }

  const StridedValues& of(const Layer& layer) const { return elements_.at(layer.quantized_input); }

 private:
  IntegerNetwork::State bytes_;  // a map: its values stay where they are when it is moved
  std::map<std::string, StridedValues> elements_;
};

engine::ConvSpec conv_spec(const graph::Graph& graph, const graph::Node& node) {
  const graph::Shape& weight = graph.tensor(node.inputs[1]).shape;
  const std::vector<int64_t> strides = node.integers("strides", {1, 1}),
                             dilations = node.integers("dilations", {1, 1});
  const std::vector<int64_t> pads = node.integers("pads", {0, 0, 0, 0});
  engine::ConvSpec spec{};
  spec.kernel_h = weight[2];
  spec.kernel_w = weight[3];
  spec.stride_h = strides[0];
  spec.stride_w = strides[1];
  spec.dilation_h = dilations[0];
  spec.dilation_w = dilations[1];
  for (int i = 0; i < 4; ++i) spec.pads[i] = pads[i];
  spec.groups = node.integer("group", 1);
  return spec;
}

bool can_refit(const graph::Graph& graph, const graph::Node& node) {
  if (node.op != "Conv" || graph.tensor(node.inputs[1]).shape.size() != 4) return false;
  const int64_t groups = node.integer("group", 1);
  return groups == 1 || groups == graph.tensor(node.inputs[0]).shape[1];
}

// Of the quantised inputs of one filter group: their covariance, as it is asked for, and their mean.
struct Moments {
  int64_t size = 0;
  double rows = 0;
  const double* triangle = nullptr;  // sums of products
  std::vector<double> mean;

  double at(int64_t i, int64_t j) const {
    const double sum = triangle[engine::triangle_index(std::max(i, j), std::min(i, j))];
    return sum / rows - mean[static_cast<size_t>(i)] * mean[static_cast<size_t>(j)];
  }
};

Moments moments_of(const engine::GramAccumulator& gram, int64_t group) {
  Moments m;
  m.size = gram.size();
  m.rows = static_cast<double>(gram.rows());
  m.triangle = gram.triangles().data() + group * engine::triangle_index(m.size, 0);
  const std::vector<double> means = gram.mean();
  m.mean.assign(means.begin() + group * m.size, means.begin() + (group + 1) * m.size);
  return m;
}

class Rounder {
 public:
  Rounder(const graph::Graph& graph, Target target, const Plan& plan, const Layer& layer)
      : graph_(graph),
        plan_(plan),
        layer_(layer),
        node_(*layer.node),
        view_(weight_view(graph, node_)),
        around_{target, seen_exponent(plan, node_, node_.inputs[0]), plan.formats.at(layer.written),
                largest_of(plan, node_.outputs[0])} {}

  WeightCode run() {
    code_ = plan_.weights.at(node_.name);
    weights_ = graph_.tensor(node_.inputs[1]).values;
    bias_ = bias_values(graph_, node_);
    if (layer_.depthwise) {
      for (int64_t n = 0; n < view_.outputs; ++n) add_filters(moments_of(*layer_.gram, n), n, n + 1);
    } else {
      add_filters(moments_of(*layer_.gram, 0), 0, view_.outputs);
    }
    if (!code_.format.per_channel()) code_.format.exponent = best_exponent();
    round_all();
    return std::move(code_);
  }

 private:
  // Filters that read the same taps.
  struct Filters {
    int64_t first, last;
    Moments moments;
    std::vector<int64_t> order;  // of the taps, as they are rounded
    std::vector<float> power;    // of the taps
    std::vector<double> u;       // upper factor of the inverse covariance, in that order
    double damping;              // what is added to a tap's power
  };

  void add_filters(Moments moments, int64_t first, int64_t last) {
    const int64_t size = moments.size;
    // Taps in the order of falling input power: what comes late has fewer taps left to make up for its error.
    std::vector<int64_t> order(static_cast<size_t>(size));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return moments.at(a, a) > moments.at(b, b); });
    std::vector<double> h(static_cast<size_t>(size * size));
    std::vector<float> power(static_cast<size_t>(size));
    double trace = 0;
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t j = 0; j < size; ++j)
        h[static_cast<size_t>(i * size + j)] = moments.at(order[i], order[j]);
      power[static_cast<size_t>(i)] = static_cast<float>(moments.at(i, i));
      trace += moments.at(i, i);
    }
    if (!(trace > 0)) return;  // an input that never changes: rounding to nearest is as good
    std::vector<double> u = engine::cholesky_inverse_upper(std::move(h), size, recipe::kRefitDamping);
    const double damping = recipe::kRefitDamping * trace / static_cast<double>(size);
    filters_.push_back(
        {first, last, std::move(moments), std::move(order), std::move(power), std::move(u), damping});
  }

  // Of all filters: the one that rounding to nearest took, or a neighbour with a smaller error. Half the step
  // may be worth the largest weights, which are clipped then, and the other way round.
  int best_exponent() {
    const ExponentRange range = shared_exponent_range(around_, bias_);
    const int nearest = code_.format.exponent;
    int best = nearest;
    double least = round_all();
    for (const int exponent : {nearest - 1, nearest + 1}) {
      if (exponent < range.lowest || exponent > range.highest) continue;
      code_.format.exponent = exponent;
      const double error = round_all();
      if (error < least) {
        least = error;
        best = exponent;
      }
    }
    return best;
  }

  // The squared error that is left at the outputs, summed over filters.
  double round_all() {
    if (!code_.format.per_channel()) {
      for (size_t i = 0; i < weights_.size(); ++i) {
        code_.integers[i] =
            integer_of(weights_[i], code_.format.exponent, code_.format.bits, Rounding::kHalfEven);
      }
    }
    code_.bias = bias_;
    double error = 0;
    for (const Filters& filters : filters_) {
      for (int64_t n = filters.first; n < filters.last; ++n) {
        error += round_filter(filters, n);
        keep_mean(filters.moments, n);
      }
    }
    return error;
  }

  // Returns the squared error, by the damped covariance.
  double round_filter(const Filters& filters, int64_t n) {
    const std::vector<int64_t>& order = filters.order;
    const int64_t size = filters.moments.size;
    std::vector<double> w(static_cast<size_t>(size));  // in the order in which they are rounded
    for (int64_t i = 0; i < size; ++i) w[i] = weights_[view_.index(n, order[i])];
    const int bits = code_.format.bits;
    int exponent = code_.format.exponent;
    if (code_.format.per_channel()) {
      std::vector<float> real(w.size());
      for (int64_t k = 0; k < size; ++k) real[k] = weights_[view_.index(n, k)];
      const ExponentRange range = exponent_range(around_, bias_[static_cast<size_t>(n)]);
      exponent = best_weight_exponent(real.data(), filters.power.data(), size, bits, range);
      code_.format.channel_exponents[static_cast<size_t>(n)] = exponent;
      code_.format.exponent =
          *std::max_element(code_.format.channel_exponents.begin(), code_.format.channel_exponents.end());
    }
    const double scale = std::ldexp(1.0, exponent);
    double sum = 0;
    for (int64_t i = 0; i < size; ++i) {
      const int64_t integer = integer_of(w[i], exponent, bits, Rounding::kHalfEven);
      code_.integers[view_.index(n, order[i])] = integer;
      const double* row = &filters.u[static_cast<size_t>(i * size)];
      const double difference = w[i] - static_cast<double>(integer) * scale, error = difference / row[i];
      const bool changes = filters.power[static_cast<size_t>(order[i])] > 0;  // else its row is no measure
      sum += changes ? error * error : difference * difference * filters.damping;
      for (int64_t j = i + 1; j < size; ++j) w[j] -= error * row[j];
    }
    return sum;
  }

  // The bias takes up what rounding does to the channel's mean.
  void keep_mean(const Moments& m, int64_t n) {
    if (code_.bias.empty()) return;
    int exponent = code_.format.exponent;
    if (code_.format.per_channel()) exponent = code_.format.channel_exponents[static_cast<size_t>(n)];
    const double scale = std::ldexp(1.0, exponent);
    double difference = 0;
    for (int64_t k = 0; k < m.size; ++k) {
      const size_t i = view_.index(n, k);
      difference += (weights_[i] - static_cast<double>(code_.integers[i]) * scale) * m.mean[k];
    }
    code_.bias[static_cast<size_t>(n)] += static_cast<float>(difference);
  }

  const graph::Graph& graph_;
  const Plan& plan_;
  const Layer& layer_;
  const graph::Node& node_;
  operators::FilterLayout view_;
  Surroundings around_;
  WeightCode code_;
  std::vector<float> weights_, bias_;
  std::vector<Filters> filters_;
};

}  // namespace

void refit_weights(const graph::Graph& graph, const Feed& feed, Target target, Plan& plan,
                   const ProgressCallback& progress) {
  const int threads = feed.threads();
  auto networks = trial_networks(materialize(graph, plan, target), target, KeepTensors::kAll, threads);
  std::map<std::string, std::string> seen_input;
  for (const graph::Node& node : networks[0]->graph().nodes) seen_input[node.name] = node.inputs[0];
  std::vector<Layer> layers;
  const auto relus = espdl::fused_relus(graph);
  for (size_t index = 0; index < graph.nodes.size(); ++index) {
    const graph::Node& node = graph.nodes[index];
    if (!can_refit(graph, node)) continue;
    Layer layer;
    layer.node = &node;
    layer.quantized_input = seen_input.at(node.name);
    layer.written = espdl::written_output(graph, relus, index);
    layer.depthwise = node.integer("group", 1) > 1;
    layer.gram = std::make_unique<engine::GramAccumulator>(
        conv_spec(graph, node), graph.tensor(node.inputs[0]).shape[1], recipe::kRefitRows);
    layers.push_back(std::move(layer));
  }

  // The largest first: the last one decides when a round is over.
  std::stable_sort(layers.begin(), layers.end(),
                   [](const Layer& a, const Layer& b) { return a.gram->size() > b.gram->size(); });

  size_t done = 0;
  for (size_t begin = 0; begin < feed.size(); begin += recipe::kRefitBatch) {
    const size_t count = std::min(recipe::kRefitBatch, feed.size() - begin);
    std::vector<Inputs> batch(count);
    ordered_parallel<Inputs>(
        count, threads,
        [&](int worker, size_t index) {
          networks[worker]->run(feed.values(begin + index));
          return Inputs(networks[worker]->network(), layers);
        },
        [&](size_t index, Inputs&& inputs) { batch[index] = std::move(inputs); });
    parallel(layers.size(), threads, [&](size_t i) {
      engine::set_threads(1);
      for (const Inputs& inputs : batch) layers[i].gram->add(inputs.of(layers[i]));
    });
    done += count;
    progress(done, feed.size());
  }

  networks.clear();

  std::vector<WeightCode> codes(layers.size());
  parallel(layers.size(), threads, [&](size_t i) {
    codes[i] = Rounder(graph, target, plan, layers[i]).run();
    layers[i].gram.reset();
  });
  for (size_t i = 0; i < layers.size(); ++i) plan.weights[layers[i].node->name] = std::move(codes[i]);
}

}  // namespace shrike::quantize
