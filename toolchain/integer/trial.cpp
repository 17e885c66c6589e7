#include "toolchain/integer/trial.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/ops/numeric.h"
#include "toolchain/heads/head.h"
#include "toolchain/measure/ordered.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

double noise_to_signal(const engine::Array& reference, const engine::Array& quantized) {
  double noise = 0, signal = 0;
  for (size_t i = 0; i < reference.values.size(); ++i) {
    const double difference = static_cast<double>(quantized.values[i]) - reference.values[i];
    noise += difference * difference;
    signal += static_cast<double>(reference.values[i]) * reference.values[i];
  }
  return noise / (signal + 1e-7);
}

// Runs the plan on every reference image and hands the outputs to `measure`, whose results come back in
// order.
template <typename Result>
std::vector<Result> measure_outputs(const graph::Graph& graph, const Plan& plan, const Settings& settings,
                                    const Reference& reference,
                                    const std::function<Result(const IntegerNetwork&, size_t)>& measure) {
  const int threads =
      std::min<int>(resolve_threads(settings.threads), static_cast<int>(reference.inputs.size()));
  std::vector<std::unique_ptr<IntegerNetwork>> networks;
  for (int i = 0; i < threads; ++i) {
    networks.push_back(std::make_unique<IntegerNetwork>(graph, plan, settings, KeepTensors::kReuseMemory, 1));
  }
  std::vector<Result> results(reference.inputs.size());
  ordered_parallel<Result>(
      reference.inputs.size(), threads,
      [&](int worker, size_t index) {
        networks[worker]->run(reference.inputs[index]);
        return measure(*networks[worker], index);
      },
      [&](size_t index, Result&& result) { results[index] = std::move(result); });
  return results;
}

}  // namespace

IntegerNetwork::IntegerNetwork(const graph::Graph& graph, const Plan& plan, const Settings& settings,
                               KeepTensors keep, int threads)
    : graph_(materialize(graph, plan, settings.target)), target_(settings.target) {
  program_ = espdl::lower(graph_, settings.target);
  for (const espdl::StoredValue& value : program_.values) stored_[value.name] = &value;
  options_.target = host::target_name(settings.target);
  options_.keep = keep;
  options_.threads = threads;
  load();
}

void IntegerNetwork::load() {
  std::vector<uint8_t> bytes = espdl::serialize(program_);
  file_bytes_ = bytes.size();
  model_.reset();
  model_ = std::make_unique<host::IntegerModel>(
      host::IntegerModel::from_bytes(std::move(bytes), "trial", options_));
}

void IntegerNetwork::set_biases(const Plan& plan) {
  std::map<std::string, espdl::StoredTensor*> stored;
  for (espdl::StoredTensor& tensor : program_.initializers) stored[tensor.name] = &tensor;
  for (const graph::Node& node : graph_.nodes) {
    const auto code = plan.weights.find(node.name);
    if (code == plan.weights.end() || code->second.bias.empty()) continue;
    const std::vector<int64_t> integers =
        bias_integers(code->second, graph_.tensor(node.inputs[0]).format.exponent, target_);
    espdl::StoredTensor& tensor = *stored.at(node.inputs[2]);
    const size_t width = size_of(tensor.type);
    for (size_t n = 0; n < integers.size(); ++n)
      std::memcpy(&tensor.bytes[n * width], &integers[n], width);  // little-endian
  }
  load();
}

void IntegerNetwork::set_input(const std::vector<float>& input) {
  const TensorView view = model().input(0);
  const espdl::StoredValue& stored = *stored_.at(program_.inputs[0]);
  const float inverse = std::ldexp(1.0f, -view.exponent);
  std::vector<int64_t> logical(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    logical[i] = view.type == DataType::kInt16
                     ? quantize_float<int16_t>(input[i] * inverse, rounding_of(target_))
                     : quantize_float<int8_t>(input[i] * inverse, rounding_of(target_));
  }
  const std::vector<int64_t> order = espdl::to_stored(stored, logical);
  for (size_t i = 0; i < order.size(); ++i) {
    if (view.type == DataType::kInt16) {
      static_cast<int16_t*>(view.data)[i] = static_cast<int16_t>(order[i]);
    } else {
      static_cast<int8_t*>(view.data)[i] = static_cast<int8_t>(order[i]);
    }
  }
}

void IntegerNetwork::run(const std::vector<float>& input) {
  set_input(input);
  model_->run();
}

void IntegerNetwork::run_nodes(const std::vector<int32_t>& nodes) {
  for (const int32_t node : nodes) {
    if (!model().run_node(node).ok()) fail("the integer runtime stopped at a node it had accepted");
  }
}

IntegerNetwork::State IntegerNetwork::save(const std::set<std::string>& variables) const {
  State state;
  for (const std::string& name : variables) {
    const TensorView view = model_->model().variable(name.c_str());
    const auto* bytes = static_cast<const uint8_t*>(view.data);
    state[name].assign(bytes, bytes + view.bytes);
  }
  return state;
}

void IntegerNetwork::restore(const State& state) {
  for (const auto& [name, bytes] : state) {
    const TensorView view = model().variable(name.c_str());
    std::memcpy(view.data, bytes.data(), bytes.size());
  }
}

engine::Array IntegerNetwork::values(const std::string& tensor) const {
  const auto found = stored_.find(tensor);
  if (found == stored_.end()) fail("the written network has no tensor '{}'", tensor);
  const espdl::StoredValue& stored = *found->second;
  const TensorView view = model_->model().variable(tensor.c_str());
  const float scale = std::ldexp(1.0f, view.exponent);

  // Stored axis i is logical axis permutation[i].
  const size_t rank = stored.dims.size();
  engine::Array result;
  result.shape.resize(rank);
  std::vector<int64_t> logical_stride(rank, 1), step(rank);
  for (size_t i = 0; i < rank; ++i) result.shape[stored.permutation[i]] = stored.dims[i];
  for (size_t i = rank; i-- > 1;) logical_stride[i - 1] = logical_stride[i] * result.shape[i];
  for (size_t i = 0; i < rank; ++i) step[i] = logical_stride[stored.permutation[i]];
  const int64_t count = view.shape.elements();
  result.values.resize(static_cast<size_t>(count));
  const int64_t inner = rank == 0 ? 1 : stored.dims[rank - 1], inner_step = rank == 0 ? 1 : step[rank - 1];
  std::vector<int64_t> index(rank, 0);
  for (int64_t begin = 0; begin < count; begin += inner) {
    int64_t base = 0;
    for (size_t axis = 0; axis + 1 < rank; ++axis) base += index[axis] * step[axis];
    for (int64_t i = 0; i < inner; ++i) {
      float value = 0;
      switch (view.type) {
        case DataType::kInt8:
          value = static_cast<const int8_t*>(view.data)[begin + i] * scale;
          break;
        case DataType::kInt16:
          value = static_cast<const int16_t*>(view.data)[begin + i] * scale;
          break;
        case DataType::kFloat32:
          value = static_cast<const float*>(view.data)[begin + i];
          break;
        default:
          fail("tensor '{}' has a type that can't be compared with floats", tensor);
      }
      result.values[static_cast<size_t>(base + i * inner_step)] = value;
    }
    for (size_t axis = rank >= 2 ? rank - 1 : 0; axis-- > 0;) {
      if (++index[axis] < stored.dims[axis]) break;
      index[axis] = 0;
    }
  }
  return result;
}

Reference make_reference(const graph::Graph& graph, const std::vector<std::string>& images,
                         const Settings& settings) {
  const graph::ImageSize size = input_size(graph);
  const int threads = resolve_threads(settings.threads);
  std::vector<std::unique_ptr<engine::Engine>> engines;
  for (int i = 0; i < threads; ++i) engines.push_back(std::make_unique<engine::Engine>(graph));
  Reference reference;
  using Item = std::pair<std::vector<float>, std::map<std::string, engine::Array>>;
  ordered_parallel<Item>(
      images.size(), threads,
      [&](int worker, size_t index) {
        engine::set_threads(1);
        Item item;
        item.first = network_input(images[index], size, settings.geometry);
        item.second =
            engines[worker]->run({{graph.inputs[0], {{1, 3, size.height, size.width}, item.first}}});
        return item;
      },
      [&](size_t, Item&& item) {
        reference.inputs.push_back(std::move(item.first));
        reference.outputs.push_back(std::move(item.second));
      });
  return reference;
}

double output_loss(const graph::Graph& graph, const Plan& plan, const Settings& settings,
                   const Reference& reference) {
  const std::optional<heads::Head> head = heads::named(graph);
  if (!head || !heads::has_loss(*head)) {
    const std::vector<double> noise = output_noise(graph, plan, settings, reference);
    double sum = 0;
    for (const double value : noise) sum += value;
    return sum / static_cast<double>(noise.size());
  }
  const std::vector<heads::Loss> losses = measure_outputs<heads::Loss>(
      graph, plan, settings, reference, [&](const IntegerNetwork& network, size_t index) {
        std::map<std::string, engine::Array> quantized;
        for (const std::string& output : graph.outputs) quantized[output] = network.values(output);
        const auto& wanted = reference.outputs[index];
        heads::Loss loss;
        loss.add(
            *head, [&](const std::string& name) { return std::span<const float>(wanted.at(name).values); },
            [&](const std::string& name) { return std::span<const float>(quantized.at(name).values); });
        return loss;
      });
  heads::Loss total;
  for (const heads::Loss& loss : losses) total.merge(loss);
  return total.value();
}

std::vector<double> output_noise(const graph::Graph& graph, const Plan& plan, const Settings& settings,
                                 const Reference& reference) {
  const auto per_image = measure_outputs<std::vector<double>>(
      graph, plan, settings, reference, [&](const IntegerNetwork& network, size_t index) {
        std::vector<double> noise;
        for (const std::string& output : graph.outputs) {
          noise.push_back(noise_to_signal(reference.outputs[index].at(output), network.values(output)));
        }
        return noise;
      });
  std::vector<double> mean(graph.outputs.size(), 0.0);
  for (const std::vector<double>& noise : per_image) {
    for (size_t i = 0; i < mean.size(); ++i) mean[i] += noise[i] / static_cast<double>(per_image.size());
  }
  return mean;
}

}  // namespace shrike::quantize
