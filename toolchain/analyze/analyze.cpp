#include "toolchain/analyze/analyze.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <span>

#include "toolchain/analyze/layers.h"
#include "toolchain/host/tensors.h"
#include "toolchain/measure/noise.h"
#include "toolchain/support/error.h"
#include "toolchain/support/ordered.h"

namespace shrike::analyze {
namespace {

using engine::Array;
using quantize::compare;
using quantize::IntegerNetwork;
using quantize::StoredVariable;
using Arrays = std::map<std::string, Array>;

// Noise of a layer's tensor as Judge sees it.
struct LocalNoise {
  double total = 0, from_input = 0, from_output = 0, from_output_one_more_bit = 0;
};

struct LayerPiece {
  std::vector<quantize::Power> noise;  // one per graph output
  LocalNoise local;
};

// The pieces of all samples.
struct LayerSum {
  std::vector<std::vector<quantize::Power>> noise;  // by graph output, of every sample
  LocalNoise local;

  void add(const LayerPiece& piece) {
    noise.resize(piece.noise.size());
    for (size_t i = 0; i < noise.size(); ++i) noise[i].push_back(piece.noise[i]);
    local.total += piece.local.total;
    local.from_input += piece.local.from_input;
    local.from_output += piece.local.from_output;
    local.from_output_one_more_bit += piece.local.from_output_one_more_bit;
  }
};

struct SamplePiece {
  std::map<std::string, Distribution> tensors;     // by variable of the file
  std::map<std::string, quantize::Power> outputs;  // those of the graph's outputs
  std::vector<LayerPiece> layers;
};

// Everything that does not depend on the sample.
struct Plan {
  std::map<std::string, std::vector<std::string>> compared;  // float tensor -> variables that hold it
  std::map<std::string, quantize::Behind> behind;  // float tensor -> the activation that alone reads it
  std::vector<Layer> layers;
  std::set<std::string> kept;  // float tensors that the layers need
};

// Noise to signal of a tensor behind the activation function that alone reads it, on a sample of the
// elements: every one of them tells the same.
class Judge {
 public:
  Judge(const graph::Tensor& tensor, const std::optional<quantize::Behind>& behind,
        std::span<const float> reference)
      : stride_(std::max<size_t>(1, (reference.size() / kSamples) | 1)),  // odd: not in step with the rows
        reference_(sample(reference)) {
    if (behind) {
      function_ = [behind = *behind](float x) { return behind.function(x) - behind.offset; };
    } else if (!tensor.scales.empty()) {
      const int64_t inner = tensor.elements() / tensor.shape[0] / tensor.shape[1];
      for (size_t i = 0; i < reference.size(); i += stride_)
        channels_.push_back(static_cast<size_t>(static_cast<int64_t>(i) / inner % tensor.shape[1]));
      scales_ = tensor.scales;
      offsets_ = tensor.offsets;
    }
    judged_ = seen(reference_);
  }

  const std::vector<float>& reference() const { return reference_; }  // sampled
  std::vector<float> sample(std::span<const float> values) const {
    std::vector<float> sampled;
    for (size_t i = 0; i < values.size(); i += stride_) sampled.push_back(values[i]);
    return sampled;
  }
  double noise(const std::vector<float>& sampled) const {
    return compare(judged_.data(), seen(sampled).data(), static_cast<int64_t>(judged_.size())).ratio();
  }

 private:
  static constexpr size_t kSamples = 10'000;  // of one image's tensor

  std::vector<float> seen(std::vector<float> values) const {
    if (function_) std::transform(values.begin(), values.end(), values.begin(), function_);
    for (size_t i = 0; i < channels_.size(); ++i)
      values[i] = (values[i] - offsets_[channels_[i]]) / scales_[channels_[i]];
    return values;
  }

  size_t stride_;
  std::vector<float> reference_, judged_;
  std::function<float(float)> function_;
  // Of rescaled tensors that no activation reads.
  std::vector<size_t> channels_;  // of each sample
  std::vector<float> scales_, offsets_;
};

// One thread's two networks.
class Worker {
 public:
  Worker(const graph::Graph& graph, const std::vector<uint8_t>& file, const std::string& name,
         const Options& options)
      : graph_(graph),
        file_(quantize::network_of(host::IntegerModel::from_bytes(file, name, runtime_options(options)),
                                   graph)),
        engine_(graph) {}

  const IntegerNetwork& file() const { return file_; }

  SamplePiece analyze(const Plan& plan, const Arrays& inputs, const std::function<void()>& tick) {
    SamplePiece piece;
    for (const auto& [name, array] : inputs) file_.set(name, array.values);
    file_.run();
    cache_.clear();
    engine_.observe(inputs, [&](const engine::TensorData& tensor) { see(plan, tensor, piece); });
    tick();
    for (const Layer& layer : plan.layers) {
      piece.layers.push_back(isolate(layer));
      tick();
    }
    return piece;
  }

 private:
  static host::IntegerOptions runtime_options(const Options& options) {
    host::IntegerOptions integer = options.integer;
    integer.keep = KeepTensors::kAll;
    integer.threads = 1;
    return integer;
  }

  void see(const Plan& plan, const engine::TensorData& tensor, SamplePiece& piece) {
    const std::string& name = tensor.tensor->name;
    const auto found = plan.compared.find(name);
    const bool kept = plan.kept.contains(name);
    if (found == plan.compared.end() && !kept) return;
    std::vector<float> reference = tensor.values.every(1);
    if (found != plan.compared.end()) {
      for (const std::string& variable : found->second) {
        const Array quantized = file_.values(variable);
        const auto count = static_cast<int64_t>(reference.size());
        Distribution& distribution = piece.tensors[variable];
        distribution = measure(reference.data(), quantized.values.data(), count, file_.bits(variable),
                               file_.view(variable).exponent);
        if (graph_.is_output(name)) {
          const Array wanted = {tensor.values.shape, reference};
          piece.outputs[variable] = quantize::output_noise(graph_, name, wanted, quantized);
          continue;
        }
        if (!tensor.tensor->scales.empty()) {
          const std::vector<float> wanted = quantize::meaning(*tensor.tensor, reference.data(), count);
          const std::vector<float> got = quantize::meaning(*tensor.tensor, quantized.values.data(), count);
          distribution.ratio_sum = distribution.behind_sum =
              compare(wanted.data(), got.data(), count).ratio();
        }
        if (const auto behind = plan.behind.find(name); behind != plan.behind.end()) {
          const Judge judge(*tensor.tensor, behind->second, reference);
          distribution.behind_sum = judge.noise(judge.sample(quantized.values));
        }
      }
    }
    if (kept) cache_[name] = {tensor.values.shape, std::move(reference)};
  }

  // The layer alone in integers, fed with rounded floats; then the float network behind it.
  LayerPiece isolate(const Layer& layer) {
    LayerPiece piece;
    for (const std::string& name : layer.feeds) file_.set(name, cache_.at(name).values);
    for (const int32_t node : layer.file_nodes) file_.run_node(node);
    Arrays rounded;
    for (const std::string& name : layer.feeds) rounded[name] = file_.values(name);
    // A change of format on the way is part of the input.
    for (const std::string& name : layer.reads) rounded[file_.find(name)->logical] = file_.values(name);
    Arrays given;
    for (const std::string& name : layer.tensors) given.emplace(name, file_.values(name));
    piece.local = local_noise(layer, given, rounded);
    piece.noise = propagate(layer, std::move(given));
    return piece;
  }

  LocalNoise local_noise(const Layer& layer, const Arrays& quantized, const Arrays& rounded_inputs) {
    const std::string& name = layer.tensors[0];
    const Judge judge(graph_.tensor(name), layer.behind, cache_.at(name).values);
    LocalNoise local;
    local.total = judge.noise(judge.sample(quantized.at(name).values));
    if (const int bits = file_.bits(name); bits > 0) {
      const int exponent = file_.view(name).exponent;
      const auto rounding_noise = [&](int width, int grid) {
        return judge.noise(on_grid(judge.reference(), width, grid, file_.rounding()));
      };
      local.from_output = rounding_noise(bits, exponent);
      // Spent where it helps more: on finer steps or on twice the range. Beyond 16 bits rounding is all that
      // is left.
      local.from_output_one_more_bit =
          bits >= 16 ? local.from_output / 4
                     : std::min(rounding_noise(bits + 1, exponent - 1), rounding_noise(bits + 1, exponent));
    }
    if (layer.has_weights) {
      const Array values = engine_.run_range(0, graph_.producer(name), rounded_inputs, {name}).at(name);
      local.from_input = judge.noise(judge.sample(values.values));
    }
    return local;
  }

  std::vector<quantize::Power> propagate(const Layer& layer, Arrays given) {
    std::vector<std::string> wanted;
    for (const size_t output : layer.reached) wanted.push_back(graph_.outputs[output]);
    std::vector<quantize::Power> noise(graph_.outputs.size());
    if (wanted.empty()) return noise;
    // Moved out of the cache and back: a copy of every layer would cost more than the layer.
    for (const std::string& name : layer.given) given.insert(cache_.extract(name));
    const int last = static_cast<int>(graph_.nodes.size()) - 1;
    const Arrays results = engine_.run_range(std::min(layer.first, last), last, given, wanted);
    for (const std::string& name : layer.given) cache_.insert(given.extract(name));
    for (const size_t output : layer.reached) {
      const std::string& name = graph_.outputs[output];
      noise[output] = quantize::output_noise(graph_, name, cache_.at(name), results.at(name));
    }
    return noise;
  }

  const graph::Graph& graph_;
  IntegerNetwork file_;
  engine::Engine engine_;
  Arrays cache_;  // the float network's tensors on this sample
};

// Changes of order hold values that are compared already.
bool is_compared(const IntegerNetwork& file, const StoredVariable& variable, const std::string& name) {
  if (!variable.comparable()) return false;
  if (variable.logical == name) return true;
  return variable.producer >= 0 &&
         quantize::is_requantization(host::to_string(file.model().node_type(variable.producer)));
}

void require_same_ends(const IntegerNetwork& file, const graph::Graph& graph, const std::string& file_name) {
  if (static_cast<size_t>(file.model().input_count()) != graph.inputs.size()) {
    fail("'{}' has {} inputs, the float model {}; give the model that the file was made from", file_name,
         file.model().input_count(), graph.inputs.size());
  }
  std::vector<std::string> names = graph.outputs;
  names.insert(names.end(), graph.inputs.begin(), graph.inputs.end());
  for (const std::string& name : names) {
    const StoredVariable* variable = file.find(name);
    if (variable == nullptr || variable->logical != name) {
      fail(
          "'{}' has no tensor '{}' as the float model has; give the ONNX file that it was made from, and "
          "--config with the settings used",
          file_name, name);
    }
    if (!variable->comparable()) {
      fail("'{}': tensor '{}' has the stored shape {}, which does not fit the float model's [{}]", file_name,
           name, host::shape_text(file.view(name).shape), fmt::join(graph.tensor(name).shape, ", "));
    }
  }
}

Plan make_plan(const IntegerNetwork& file, const graph::Graph& graph, const Options& options) {
  Plan plan;
  for (const auto& [name, variable] : file.variables()) {
    if (is_compared(file, variable, name)) plan.compared[variable.logical].push_back(name);
  }
  const graph::Links links(graph);
  for (const auto& [name, variables] : plan.compared) {
    if (const auto behind = quantize::behind(graph, links, name)) plan.behind.emplace(name, *behind);
  }
  if (!options.layerwise) return plan;
  plan.layers = find_layers(file, graph, options.every_tensor ? Scope::kEveryNode : Scope::kComputing);
  for (const Layer& layer : plan.layers) {
    for (const auto* names : {&layer.tensors, &layer.feeds, &layer.given})
      plan.kept.insert(names->begin(), names->end());
  }
  plan.kept.insert(graph.outputs.begin(), graph.outputs.end());
  return plan;
}

LayerReport report_of(const graph::Graph& graph, const Layer& layer, const LayerSum& sum, size_t samples) {
  LayerReport report;
  report.layer = layer.name;
  report.op = layer.op;
  report.tensor = layer.tensors[0];
  report.computing = is_computing(layer.op);
  const double share = 1.0 / static_cast<double>(samples);
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    report.noise_to_signal.push_back(quantize::noise_to_signal(graph, graph.outputs[i], sum.noise[i]));
  const LocalNoise& local = sum.local;
  report.local = local.total * share;
  // What rounding input and output does not explain comes from weights and bias, or without those, from what
  // the input went through.
  const double weights =
      layer.has_weights ? std::max(0.0, local.total - local.from_input - local.from_output) : 0.0;
  const double input = layer.has_weights ? local.from_input : std::max(0.0, local.total - local.from_output);
  const double all = input + weights + local.from_output;
  if (all > 0) report.shares = {input / all, weights / all, local.from_output / all};
  if (local.from_output > 0) report.output_bit_keeps = local.from_output_one_more_bit / local.from_output;
  return report;
}

void fill_tensors(const IntegerNetwork& file, const graph::Graph& graph,
                  const std::map<std::string, Distribution>& sums, Analysis& analysis) {
  for (int32_t i = 0; i < file.model().variable_count(); ++i) {
    const TensorView view = file.model().variable(i);
    const std::string name = host::to_string(view.name);
    const auto found = sums.find(name);
    const StoredVariable& variable = *file.find(name);
    if (found == sums.end()) {
      if (variable.logical.empty() || variable.order.empty()) analysis.not_compared.push_back(name);
      continue;
    }
    TensorReport report;
    report.tensor = name;
    report.layer = variable.producer < 0 ? name : host::to_string(file.model().node_name(variable.producer));
    report.op = variable.producer < 0 ? "Input" : host::to_string(file.model().node_type(variable.producer));
    report.computing = is_computing(report.op);
    report.shape = graph.tensor(variable.logical).shape;
    report.bits = file.bits(name);
    report.exponent = report.bits == 0 ? 0 : view.exponent;
    report.distribution = found->second;
    analysis.tensors.push_back(std::move(report));
  }
}

}  // namespace

double LayerReport::mean() const {
  double sum = 0;
  for (const double value : noise_to_signal) sum += value;
  return noise_to_signal.empty() ? 0 : sum / static_cast<double>(noise_to_signal.size());
}

double LayerReport::gain_of_output_bit() const {
  return mean() * shares.output * (1 - output_bit_keeps);
}

// Rounding noise falls to a quarter with every bit.
double LayerReport::gain_of_weight_bit() const {
  return mean() * shares.weights * 0.75;
}
double LayerReport::gain_of_input_bit() const {
  return mean() * shares.input * 0.75;
}
double LayerReport::gain_of_bit() const {
  return gain_of_output_bit() + gain_of_weight_bit() + gain_of_input_bit();
}

double Analysis::mean_output_noise() const {
  double sum = 0;
  for (const double value : output_noise) sum += value;
  return output_noise.empty() ? 0 : sum / static_cast<double>(output_noise.size());
}

Analysis analyze(const graph::Graph& graph, const std::vector<uint8_t>& file, const std::string& file_name,
                 const Samples& samples, const Options& options, const quantize::ProgressCallback& progress) {
  const auto start = std::chrono::steady_clock::now();
  if (samples.count == 0) fail("no samples were given to compare the two networks on");
  const int threads = std::min<int>(resolve_threads(options.threads), static_cast<int>(samples.count));
  std::vector<std::unique_ptr<Worker>> workers;
  workers.push_back(std::make_unique<Worker>(graph, file, file_name, options));
  const IntegerNetwork& network = workers[0]->file();
  require_same_ends(network, graph, file_name);
  while (static_cast<int>(workers.size()) < threads)
    workers.push_back(std::make_unique<Worker>(graph, file, file_name, options));
  const Plan plan = make_plan(network, graph, options);

  std::mutex mutex;
  size_t done = 0;
  const size_t steps = samples.count * (1 + plan.layers.size());
  const auto tick = [&] {
    const std::lock_guard lock(mutex);
    progress(++done, steps);
  };
  std::map<std::string, Distribution> tensor_sums;
  std::map<std::string, std::vector<quantize::Power>> outputs;  // by variable, of every sample
  std::vector<LayerSum> layer_sums(plan.layers.size());
  ordered_parallel<SamplePiece>(
      samples.count, threads,
      [&](int worker, size_t index) {
        engine::set_threads(1);  // one sample a thread: the same sums whatever the number of threads
        return workers[static_cast<size_t>(worker)]->analyze(plan, samples.load(index), tick);
      },
      [&](size_t, SamplePiece&& piece) {
        for (const auto& [name, distribution] : piece.tensors) tensor_sums[name].merge(distribution);
        for (const auto& [variable, noise] : piece.outputs) outputs[variable].push_back(noise);
        for (size_t i = 0; i < layer_sums.size(); ++i) layer_sums[i].add(piece.layers[i]);
      });
  for (const auto& [variable, noise] : outputs) {
    Distribution& sum = tensor_sums.at(variable);
    sum.weight = 1;
    sum.ratio_sum = sum.behind_sum = quantize::noise_to_signal(graph, network.find(variable)->logical, noise);
  }

  Analysis analysis;
  analysis.file = file_name;
  for (const std::string& input : graph.inputs) analysis.inputs.push_back({input, graph.tensor(input).shape});
  analysis.samples = samples.count;
  analysis.threads = threads;
  analysis.outputs = graph.outputs;
  for (const std::string& output : graph.outputs)
    analysis.output_noise.push_back(tensor_sums.at(output).noise_to_signal());
  fill_tensors(network, graph, tensor_sums, analysis);
  for (size_t i = 0; i < plan.layers.size(); ++i)
    analysis.layers.push_back(report_of(graph, plan.layers[i], layer_sums[i], samples.count));
  analysis.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return analysis;
}

}  // namespace shrike::analyze
