#include <algorithm>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include "toolchain/engine/guarded.h"
#include "toolchain/engine/memory.h"
#include "toolchain/engine/module.h"
#include "toolchain/engine/operators.h"
#include "toolchain/engine/self_check.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::engine {
namespace {

constexpr int64_t kElementsPerTask = 65536;

at::Tensor borrow(const std::string& name, const Array& array) {
  if (graph::element_count(array.shape) != static_cast<int64_t>(array.values.size())) {
    fail("tensor '{}': the shape [{}] does not hold the {} values given", name, fmt::join(array.shape, ", "),
         array.values.size());
  }
  return at::from_blob(const_cast<float*>(array.values.data()), array.shape, at::kFloat);
}

// True when nobody else can see the tensor's memory.
bool owned(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1;
}

// The tensor rounded to a per-tensor format, float32. `in_place` allows writing into the given memory.
at::Tensor round_to_format(const at::Tensor& tensor, const graph::Format& format, Rounding rounding,
                           bool in_place) {
  const bool dense = tensor.is_non_overlapping_and_dense();
  if (tensor.scalar_type() == at::kFloat && format.bits <= 16) {
    const at::Tensor result = in_place && dense ? tensor : tensor.clone();
    float* values = result.data_ptr<float>();
    at::parallel_for(0, result.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
      round_to_grid(values + begin, end - begin, format.bits, format.exponent, rounding);
    });
    return result;
  }
  const at::Tensor wide = (dense ? tensor : tensor.contiguous()).to(at::kDouble);
  const at::Tensor result = at::empty_like(wide, wide.options().dtype(at::kFloat));
  const double* values = wide.data_ptr<double>();
  float* rounded = result.data_ptr<float>();
  at::parallel_for(0, result.numel(), kElementsPerTask, [&](int64_t begin, int64_t end) {
    round_to_grid(values + begin, rounded + begin, end - begin, format.bits, format.exponent, rounding);
  });
  return result;
}

// The values of a constant on its grid, channel by channel; from its integers where it has been materialized.
std::vector<double> rounded_constant(const graph::Tensor& tensor, int64_t axis, Rounding rounding) {
  const graph::Format& format = tensor.format;
  int64_t inner = 1;
  int64_t channels = 1;
  if (format.per_channel()) {
    if (axis >= static_cast<int64_t>(tensor.shape.size()) ||
        tensor.shape[static_cast<size_t>(axis)] != static_cast<int64_t>(format.channel_exponents.size())) {
      fail("constant '{}': {} channel exponents do not fit the shape [{}]", tensor.name,
           format.channel_exponents.size(), fmt::join(tensor.shape, ", "));
    }
    channels = tensor.shape[static_cast<size_t>(axis)];
    for (size_t i = static_cast<size_t>(axis) + 1; i < tensor.shape.size(); ++i) inner *= tensor.shape[i];
  }
  const bool materialized = !tensor.integers.empty();
  std::vector<double> values(materialized ? tensor.integers.size() : tensor.values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t channel = static_cast<size_t>(static_cast<int64_t>(i) / inner % channels);
    const int exponent = format.per_channel() ? format.channel_exponents[channel] : format.exponent;
    values[i] = materialized
                    ? std::ldexp(static_cast<double>(tensor.integers[i]), exponent)
                    : round_to_grid(static_cast<double>(tensor.values[i]), format.bits, exponent, rounding);
  }
  return values;
}

struct Step {
  OperatorFunction function = nullptr;
  std::vector<int> inputs, outputs;  // slots; -1 where absent
  bool keeps_grid = false;           // outputs need no rounding
};

using Slots = std::vector<at::Tensor>;
using SlotObserver = std::function<void(int slot, const at::Tensor& value)>;

struct TorchExecution final : Execution {
  TorchExecution(const graph::Graph& source, const EngineOptions& options);
  ~TorchExecution() override { free_memory_of_tensors(); }

  std::map<std::string, Array> run(const std::map<std::string, Array>& inputs,
                                   const std::vector<std::string>& wanted) override;
  void observe(const std::map<std::string, Array>& inputs,
               const std::function<void(const TensorData&)>& observer) override;
  std::map<std::string, Array> run_range(int first, int last, const std::map<std::string, Array>& values,
                                         const std::vector<std::string>& wanted) override;

  graph::Graph graph;
  Arithmetic arithmetic;
  std::map<std::string, int> slot_of;
  std::vector<const graph::Tensor*> tensors;  // by slot
  std::vector<Step> steps;                    // by node
  Slots constants;                            // by slot; undefined for variables and int64 constants
  int64_t graph_batch = 1;

  std::map<std::string, Array> run_nodes(int first, int last, const std::map<std::string, Array>& values,
                                         const std::vector<std::string>& wanted) const;
  void run_all(const std::map<std::string, Array>& inputs,
               const std::function<void(const TensorData&)>& observer) const;

  int slot(const std::string& name) const;
  at::Tensor make_constant(const graph::Tensor& tensor) const;
  std::pair<const graph::Node*, size_t> first_consumer(const std::string& name) const;
  bool outputs_on_grid(const graph::Node& node) const;

  void give(Slots& values, const std::string& name, const Array& array) const;
  int64_t batch_of(const std::map<std::string, Array>& given) const;
  std::vector<bool> needed_steps(int first, int last, const Slots& given,
                                 const std::vector<int>& wanted) const;
  Results execute(int index, const Slots& values, int64_t batch) const;
  // Runs the marked steps; tensors die after their last use unless kept.
  void run_steps(int first, int last, const std::vector<bool>& needed, const std::set<int>& kept,
                 Slots& values, int64_t batch, const SlotObserver& observer) const;
  std::map<std::string, Array> collect(const Slots& values, const std::vector<std::string>& names) const;
};

TorchExecution::TorchExecution(const graph::Graph& source, const EngineOptions& options) : graph(source) {
  arithmetic.fake_quantized = options.precision == Precision::kFakeQuantized;
  arithmetic.rounding.half_even = options.half_even;

  for (const auto& [name, tensor] : graph.tensors) {
    slot_of.emplace(name, static_cast<int>(tensors.size()));
    tensors.push_back(&tensor);
  }
  constants.resize(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i]->constant && tensors[i]->type == graph::ElementType::kFloat)
      constants[i] = make_constant(*tensors[i]);
  }
  for (const graph::Node& node : graph.nodes) {
    Step step;
    step.function = find_operator(node.op);
    if (step.function == nullptr) {
      fail(
          "node '{}': the operator {} is not supported; cut the graph before it with --outputs or replace it "
          "in the model",
          node.name, node.op);
    }
    for (const std::string& name : node.inputs) step.inputs.push_back(name.empty() ? -1 : slot(name));
    for (const std::string& name : node.outputs) step.outputs.push_back(name.empty() ? -1 : slot(name));
    step.keeps_grid = outputs_on_grid(node);
    steps.push_back(std::move(step));
  }
  for (const std::string& name : graph.inputs) {
    const graph::Shape& shape = graph.tensor(name).shape;
    if (!shape.empty()) {
      graph_batch = shape[0];
      break;
    }
  }
}

int TorchExecution::slot(const std::string& name) const {
  const auto found = slot_of.find(name);
  if (found == slot_of.end()) fail("the graph '{}' has no tensor '{}'", graph.name, name);
  return found->second;
}

std::pair<const graph::Node*, size_t> TorchExecution::first_consumer(const std::string& name) const {
  for (const graph::Node& node : graph.nodes) {
    const auto found = std::find(node.inputs.begin(), node.inputs.end(), name);
    if (found != node.inputs.end()) return {&node, static_cast<size_t>(found - node.inputs.begin())};
  }
  return {nullptr, 0};
}

at::Tensor TorchExecution::make_constant(const graph::Tensor& tensor) const {
  const auto [consumer, index] = first_consumer(tensor.name);
  at::Tensor value;
  if (arithmetic.fake_quantized && !tensor.format.is_float()) {
    const int64_t axis = consumer != nullptr ? channel_axis(*consumer, index) : 0;
    std::vector<double> values = rounded_constant(tensor, axis, arithmetic.rounding);
    value = at::from_blob(values.data(), tensor.shape, at::kDouble)
                .to(tensor.format.bits > kFloatBits ? at::kDouble : at::kFloat, /*non_blocking=*/false,
                    /*copy=*/true);
  } else {
    if (graph::element_count(tensor.shape) != static_cast<int64_t>(tensor.values.size())) {
      fail("constant '{}': the shape [{}] does not hold its {} values", tensor.name,
           fmt::join(tensor.shape, ", "), tensor.values.size());
    }
    value = at::from_blob(const_cast<float*>(tensor.values.data()), tensor.shape, at::kFloat).clone();
  }
  // Convolutions want their filters channels-last; reordered once here instead of at every run.
  const bool filter = consumer != nullptr && index == 1 && value.dim() == 4 &&
                      operators::has_role(consumer->op, operators::Role::kWeighted) &&
                      operators::output_channel_axis(*consumer) == 0;
  return filter ? value.contiguous(at::MemoryFormat::ChannelsLast) : value;
}

bool TorchExecution::outputs_on_grid(const graph::Node& node) const {
  if (const operators::Operator* row = operators::find(node.op); row == nullptr || !row->stays_on_grid)
    return false;
  for (const std::string& output : node.outputs) {
    for (const std::string& input : node.inputs) {
      if (output.empty() || input.empty() || graph.tensor(input).type == graph::ElementType::kInt64) continue;
      if (!(graph.tensor(input).format == graph.tensor(output).format)) return false;
    }
  }
  return true;
}

void TorchExecution::give(Slots& values, const std::string& name, const Array& array) const {
  const size_t index = static_cast<size_t>(slot(name));
  if (tensors[index]->constant) return;
  const at::Tensor value = borrow(name, array);
  const graph::Format& format = tensors[index]->format;
  values[index] = arithmetic.fake_quantized && !format.is_float()
                      ? round_to_format(value, format, arithmetic.rounding, false)
                      : value;
}

int64_t TorchExecution::batch_of(const std::map<std::string, Array>& given) const {
  for (const auto& [name, array] : given) {
    const graph::Tensor& tensor = *tensors[static_cast<size_t>(slot(name))];
    if (tensor.constant || array.shape.empty() || tensor.shape.empty()) continue;
    if (tensor.shape[0] == graph_batch && array.shape[0] != graph_batch) return array.shape[0];
  }
  return graph_batch;
}

std::vector<bool> TorchExecution::needed_steps(int first, int last, const Slots& given,
                                               const std::vector<int>& wanted) const {
  std::vector<bool> tensor_needed(tensors.size(), false), needed(steps.size(), false);
  for (const int slot : wanted) tensor_needed[static_cast<size_t>(slot)] = true;
  for (int i = last; i >= first; --i) {
    const Step& step = steps[static_cast<size_t>(i)];
    const bool useful = std::any_of(step.outputs.begin(), step.outputs.end(), [&](int slot) {
      return slot >= 0 && tensor_needed[static_cast<size_t>(slot)] &&
             !given[static_cast<size_t>(slot)].defined();
    });
    if (!useful) continue;
    needed[static_cast<size_t>(i)] = true;
    for (const int slot : step.inputs) {
      if (slot >= 0) tensor_needed[static_cast<size_t>(slot)] = true;
    }
  }
  return needed;
}

Results TorchExecution::execute(int index, const Slots& values, int64_t batch) const {
  const graph::Node& node = graph.nodes[static_cast<size_t>(index)];
  const Step& step = steps[static_cast<size_t>(index)];
  Call call{graph, node, {}, arithmetic, graph_batch, batch};
  for (const int slot : step.inputs) {
    if (slot < 0) {
      call.inputs.emplace_back();
      continue;
    }
    const size_t position = static_cast<size_t>(slot);
    const at::Tensor& value = tensors[position]->constant ? constants[position] : values[position];
    if (!value.defined() && !tensors[position]->constant) {
      fail("node '{}' ({}): no value was given for its input '{}'", node.name, node.op,
           tensors[position]->name);
    }
    call.inputs.push_back(value);
  }
  Results results;
  try {
    results = step.function(call);
  } catch (const c10::Error& error) {
    fail("node '{}' ({}): its inputs do not fit together ({})", node.name, node.op, reason_of(error));
  }
  call.inputs.clear();
  for (size_t i = 0; i < results.size() && i < step.outputs.size(); ++i) {
    if (step.outputs[i] < 0) continue;
    const graph::Format& format = tensors[static_cast<size_t>(step.outputs[i])]->format;
    if (arithmetic.fake_quantized && !format.is_float()) {
      if (!step.keeps_grid)
        results[i] = round_to_format(results[i], format, arithmetic.rounding, owned(results[i]));
    } else {
      results[i] = results[i].to(at::kFloat);
    }
  }
  return results;
}

void TorchExecution::run_steps(int first, int last, const std::vector<bool>& needed,
                               const std::set<int>& kept, Slots& values, int64_t batch,
                               const SlotObserver& observer) const {
  std::vector<int> last_use(tensors.size(), -1);
  for (int i = first; i <= last; ++i) {
    if (!needed[static_cast<size_t>(i)]) continue;
    for (const int slot : steps[static_cast<size_t>(i)].inputs) {
      if (slot >= 0) last_use[static_cast<size_t>(slot)] = i;
    }
  }
  for (int i = first; i <= last; ++i) {
    if (!needed[static_cast<size_t>(i)]) continue;
    const Step& step = steps[static_cast<size_t>(i)];
    Results results = execute(i, values, batch);
    for (size_t k = 0; k < results.size() && k < step.outputs.size(); ++k) {
      const int slot = step.outputs[k];
      if (slot < 0) continue;
      if (observer) observer(slot, results[k]);
      if (last_use[static_cast<size_t>(slot)] > i || kept.contains(slot))
        values[static_cast<size_t>(slot)] = std::move(results[k]);
    }
    for (const int slot : step.inputs) {
      if (slot >= 0 && last_use[static_cast<size_t>(slot)] == i && !kept.contains(slot))
        values[static_cast<size_t>(slot)].reset();
    }
  }
}

std::map<std::string, Array> TorchExecution::collect(const Slots& values,
                                                     const std::vector<std::string>& names) const {
  std::map<std::string, Array> arrays;
  for (const std::string& name : names) {
    const size_t index = static_cast<size_t>(slot(name));
    const at::Tensor& value = tensors[index]->constant ? constants[index] : values[index];
    if (!value.defined()) fail("tensor '{}' is not computed by the nodes that were run", name);
    arrays.emplace(name, to_array(value));
  }
  return arrays;
}

std::map<std::string, Array> TorchExecution::run(const std::map<std::string, Array>& inputs,
                                                 const std::vector<std::string>& wanted) {
  for (const std::string& name : graph.inputs) {
    if (!inputs.contains(name)) fail("no value was given for the graph input '{}'", name);
  }
  const int last = static_cast<int>(steps.size()) - 1;
  return run_range(0, last, inputs, wanted.empty() ? graph.outputs : wanted);
}

std::map<std::string, Array> TorchExecution::run_range(int first, int last,
                                                       const std::map<std::string, Array>& values,
                                                       const std::vector<std::string>& wanted) {
  return guarded([&] { return run_nodes(first, last, values, wanted); });
}

std::map<std::string, Array> TorchExecution::run_nodes(int first, int last,
                                                       const std::map<std::string, Array>& values,
                                                       const std::vector<std::string>& wanted) const {
  if (first < 0 || last >= static_cast<int>(steps.size())) {
    fail("nodes {} to {} were asked for, the graph '{}' has {}", first, last, graph.name, steps.size());
  }
  const c10::InferenceMode inference;
  at::init_num_threads();
  Slots slots(tensors.size());
  for (const auto& [name, array] : values) give(slots, name, array);
  std::vector<int> kept;
  for (const std::string& name : wanted) kept.push_back(slot(name));
  const std::vector<bool> needed = needed_steps(first, last, slots, kept);
  run_steps(first, last, needed, {kept.begin(), kept.end()}, slots, batch_of(values), nullptr);
  return collect(slots, wanted);
}

void TorchExecution::observe(const std::map<std::string, Array>& inputs,
                             const std::function<void(const TensorData&)>& observer) {
  guarded([&] { run_all(inputs, observer); });
}

void TorchExecution::run_all(const std::map<std::string, Array>& inputs,
                             const std::function<void(const TensorData&)>& observer) const {
  const c10::InferenceMode inference;
  at::init_num_threads();
  Slots slots(tensors.size());
  const auto show = [&](int slot, const at::Tensor& value) {
    const at::Tensor dense = value.is_non_overlapping_and_dense() ? value : value.contiguous();
    observer({tensors[static_cast<size_t>(slot)],
              {dense.data_ptr<float>(), ElementKind::kFloat, 1, dense.sizes().vec(), dense.strides().vec()}});
  };
  for (const std::string& name : graph.inputs) {
    const auto found = inputs.find(name);
    if (found == inputs.end()) fail("no value was given for the graph input '{}'", name);
    give(slots, name, found->second);
    show(slot(name), slots[static_cast<size_t>(slot(name))]);
  }
  const std::vector<bool> all(steps.size(), true);
  run_steps(0, static_cast<int>(steps.size()) - 1, all, {}, slots, batch_of(inputs), show);
}

void set_threads_of_torch(int count) {
  static std::once_flag once;
  std::call_once(once, [] { at::set_num_interop_threads(1); });
  at::set_num_threads(count > 0 ? count
                                : static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
}

std::unique_ptr<Execution> prepare(const graph::Graph& graph, const EngineOptions& options) {
  const c10::InferenceMode inference;
  keep_memory_of_tensors();
  return guarded([&] { return std::make_unique<TorchExecution>(graph, options); });
}

}  // namespace

const EngineTable kEngineTable{prepare, set_threads_of_torch, check_convolutions};

}  // namespace shrike::engine
