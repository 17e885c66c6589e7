#include "toolchain/engine/gradients.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "toolchain/engine/conventions.h"
#include "toolchain/engine/guarded.h"
#include "toolchain/engine/module.h"
#include "toolchain/engine/operators.h"
#include "toolchain/operators/affine.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::engine {
namespace {

using torch::autograd::variable_list;

at::Tensor to_tensor(const std::vector<float>& values, const graph::Shape& shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape, at::kFloat).clone();
}

// Their slope has no end, or is none, at some points (the length of a vector of zeros).
const std::set<std::string> kSteep = {"Div",          "Log", "LpNormalization", "Pow", "ReduceL2",
                                      "ReduceLogSum", "Sqrt"};

// Nothing is learnt where a slope is no number.
at::Tensor with_finite_gradient(const at::Tensor& value) {
  if (!at::GradMode::is_enabled() || !value.defined() || !value.requires_grad()) return value;
  const at::Tensor same = value.view_as(value);
  same.register_hook([](const at::Tensor& gradient) { return at::nan_to_num(gradient, 0, 0, 0); });
  return same;
}

class Network final : public DifferentiableNetwork {
 public:
  Network(const graph::Graph& graph, const GradientOptions& options) : graph_(graph), options_(options) {
    arithmetic_.fake_quantized = options.precision == Precision::kFakeQuantized;
    arithmetic_.rounding.half_even = options.half_even;
    if (graph_.inputs.empty()) fail("training needs a network with an input");
    for (const graph::Node& node : graph_.nodes) {
      if (find_operator(node.op) == nullptr)
        fail("node '{}': the operator {} can't be trained; replace it in the model", node.name, node.op);
    }
    for (size_t i = 0; i < options.parameters.size(); ++i) {
      const graph::Tensor& tensor = graph_.tensor(options.parameters[i]);
      if (!tensor.constant || tensor.type != graph::ElementType::kFloat)
        fail("'{}' is not a constant of floats and can't be trained", tensor.name);
      parameter_index_[tensor.name] = i;
    }
    for (const graph::Node& node : graph_.nodes) {
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (!node.inputs[i].empty() && graph_.tensor(node.inputs[i]).constant)
          axis_[node.inputs[i]] = channel_axis(node, i);
      }
    }
    make_constants();
  }

  void set_formats(const std::map<std::string, graph::Format>& formats) override {
    for (const auto& [name, format] : formats) graph_.tensor(name).format = format;
    guarded([&] { make_constants(); });
  }

  Gradients run(const Inputs& inputs, const std::vector<std::vector<float>>& parameters,
                const OutputLoss& loss, bool exponents_too) const override {
    at::init_num_threads();
    Run run{*this, exponents_too, {}, {}, {}};
    return guarded([&] { return run.execute(inputs, parameters, loss); });
  }

  std::vector<Array> outputs(const Inputs& inputs,
                             const std::vector<std::vector<float>>& parameters) const override {
    at::init_num_threads();
    const at::NoGradGuard forward_only;
    Run run{*this, false, {}, {}, {}};
    return guarded([&] {
      run.forward(inputs, parameters);
      return run.outputs();
    });
  }

 private:
  // One forward and backward pass.
  struct Run {
    const Network& network;
    bool exponents_too;
    std::map<std::string, at::Tensor> values;
    std::map<std::string, at::Tensor> exponents;  // leaves, by tensor
    Gradients result;

    // Returns the parameters as leaves.
    std::vector<at::Tensor> forward(const Inputs& inputs, const std::vector<std::vector<float>>& parameters) {
      const graph::Graph& graph = network.graph_;
      std::vector<at::Tensor> leaves;
      for (size_t i = 0; i < parameters.size(); ++i) {
        const graph::Tensor& tensor = graph.tensor(network.options_.parameters[i]);
        leaves.push_back(to_tensor(parameters[i], tensor.shape).requires_grad_());
        values[tensor.name] = on_grid(tensor, leaves.back(), network.weight_rounding(tensor));
      }
      for (const std::string& name : graph.inputs) {
        const Array& input = inputs.at(name);
        values[name] =
            on_grid(graph.tensor(name), to_tensor(input.values, input.shape), network.options_.half_even);
      }
      const int64_t batch = inputs.at(graph.inputs[0]).shape.at(0);
      for (const graph::Node& node : graph.nodes) step(node, batch);
      return leaves;
    }

    std::vector<Array> outputs() const {
      std::vector<Array> arrays;
      for (const std::string& name : network.options_.outputs) arrays.push_back(to_array(values.at(name)));
      return arrays;
    }

    Gradients execute(const Inputs& inputs, const std::vector<std::vector<float>>& parameters,
                      const OutputLoss& loss) {
      const std::vector<at::Tensor> leaves = forward(inputs, parameters);
      const std::vector<Array> found_outputs = outputs();
      std::vector<Array> derivatives;
      for (const Array& output : found_outputs)
        derivatives.push_back({output.shape, std::vector<float>(output.values.size(), 0)});
      loss(found_outputs, derivatives);
      variable_list starts = leaves, ends, slopes;
      for (const auto& [name, leaf] : exponents) starts.push_back(leaf);
      for (size_t i = 0; i < derivatives.size(); ++i) {
        const at::Tensor& end = values.at(network.options_.outputs[i]);
        if (!end.requires_grad()) continue;  // it depends on inputs alone
        ends.push_back(end);
        slopes.push_back(to_tensor(derivatives[i].values, derivatives[i].shape));
      }
      values.clear();
      if (starts.empty()) return std::move(result);
      const variable_list found = torch::autograd::grad(ends, starts, slopes, c10::nullopt, false, true);
      for (size_t i = 0; i < leaves.size(); ++i) {
        result.parameters.push_back(found[i].defined()
                                        ? to_array(found[i]).values
                                        : std::vector<float>(static_cast<size_t>(leaves[i].numel()), 0));
      }
      size_t next = leaves.size();
      for (const auto& [name, leaf] : exponents) {
        std::vector<double>& sums = result.exponents[name];
        const at::Tensor& gradient = found[next++];
        if (!gradient.defined()) {
          sums.assign(static_cast<size_t>(leaf.numel()), 0);
          continue;
        }
        const at::Tensor dense = gradient.to(at::kDouble).contiguous();
        sums.assign(dense.data_ptr<double>(), dense.data_ptr<double>() + dense.numel());
      }
      return std::move(result);
    }

    at::Tensor on_grid(const graph::Tensor& tensor, const at::Tensor& value, bool half_even) {
      const graph::Format& format = tensor.format;
      if (!network.arithmetic_.fake_quantized || format.is_float()) return value.to(at::kFloat);
      const auto axis = network.axis_.find(tensor.name);
      const Grid grid{format, axis == network.axis_.end() ? 0 : axis->second, {half_even}};
      at::Tensor exponent =
          at::zeros({1}, at::kDouble);  // LibTorch wants a tensor, also where none is asked for
      if (exponents_too && format.bits <= 16) {
        exponent = at::zeros({static_cast<int64_t>(std::max<size_t>(1, format.channel_exponents.size()))},
                             at::kDouble)
                       .requires_grad_();
        exponents[tensor.name] = exponent;
      }
      const bool wide = format.bits > kFloatBits || value.scalar_type() == at::kDouble;
      const at::Tensor rounded = on_grid_with_gradient(wide ? value.to(at::kDouble) : value, exponent, grid);
      return format.bits > kFloatBits ? rounded : rounded.to(at::kFloat);
    }

    void step(const graph::Node& node, int64_t batch) {
      const graph::Graph& graph = network.graph_;
      Call call{graph, node, {}, network.arithmetic_, graph.tensor(graph.inputs[0]).shape.at(0), batch};
      for (const std::string& name : node.inputs) {
        if (name.empty()) {
          call.inputs.emplace_back();
          continue;
        }
        const auto found = values.find(name);
        call.inputs.push_back(found != values.end() ? found->second : network.constants_.at(name));
      }
      if (kSteep.contains(node.op))
        std::transform(call.inputs.begin(), call.inputs.end(), call.inputs.begin(), with_finite_gradient);
      const Results results = compute(call);
      const operators::Operator* row = operators::find(node.op);
      const bool moved = row != nullptr && row->stays_on_grid && network.same_format(node);
      for (size_t i = 0; i < results.size() && i < node.outputs.size(); ++i) {
        if (node.outputs[i].empty()) continue;
        const graph::Tensor& output = graph.tensor(node.outputs[i]);
        values[output.name] = moved ? results[i] : on_grid(output, results[i], network.options_.half_even);
      }
    }

    Results compute(const Call& call) {
      const std::string& op = call.node.op;
      if (network.options_.batch_statistics && operators::is_batch_normalization(call.node))
        return {normalize(call)};
      if (operators::is_table(op)) return {activation_with_gradient(call)};
      return find_operator(op)(call);
    }

    at::Tensor normalize(const Call& call) {
      const double epsilon = call.node.real("epsilon", 1e-5f);
      const at::Tensor& input = call.input(0);
      const auto [output, mean, inverse] =
          at::native_batch_norm(input, call.input(1), call.input(2), {}, {}, true, 0.0, epsilon);
      const double count = static_cast<double>(input.numel()) / static_cast<double>(input.size(1));
      const at::Tensor variance =
          (inverse.detach().to(at::kDouble).pow(-2) - epsilon) * (count / std::max(1.0, count - 1));
      result.statistics.push_back({to_array(mean).values, to_array(variance).values});
      return output;
    }
  };

  // Filters were rounded half to even by the quantiser whatever the chip does; biases as the chip does.
  bool weight_rounding(const graph::Tensor& tensor) const {
    return tensor.format.bits <= 16 || options_.half_even;
  }

  bool same_format(const graph::Node& node) const {
    for (const std::string& output : node.outputs) {
      for (const std::string& input : node.inputs) {
        if (output.empty() || input.empty() || graph_.tensor(input).type == graph::ElementType::kInt64)
          continue;
        if (!(graph_.tensor(input).format == graph_.tensor(output).format)) return false;
      }
    }
    return true;
  }

  void make_constants() {
    constants_.clear();
    for (const auto& [name, tensor] : graph_.tensors) {
      if (!tensor.constant) continue;
      at::Tensor& value = constants_[name];
      if (tensor.type != graph::ElementType::kFloat || parameter_index_.contains(name)) continue;
      value = to_tensor(tensor.values, tensor.shape);
      if (arithmetic_.fake_quantized && !tensor.format.is_float()) {
        const auto axis = axis_.find(name);
        const Grid grid{tensor.format, axis == axis_.end() ? 0 : axis->second, {options_.half_even}};
        value = on_grid_with_gradient(value.to(at::kDouble), at::zeros({1}, at::kDouble), grid)
                    .to(tensor.format.bits > kFloatBits ? at::kDouble : at::kFloat);
      }
    }
  }

  graph::Graph graph_;
  GradientOptions options_;
  Arithmetic arithmetic_;
  std::map<std::string, size_t> parameter_index_;
  std::map<std::string, int64_t> axis_;          // of the channels, by constant
  std::map<std::string, at::Tensor> constants_;  // undefined: integers and parameters
};

std::unique_ptr<DifferentiableNetwork> differentiate(const graph::Graph& graph,
                                                     const GradientOptions& options) {
  return guarded([&] { return std::make_unique<Network>(graph, options); });
}

}  // namespace

const GradientTable kGradientTable{differentiate};

}  // namespace shrike::engine
