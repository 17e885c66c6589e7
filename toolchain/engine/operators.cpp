#include "toolchain/engine/operators.h"

#include <map>

#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::engine {

Array to_array(const at::Tensor& tensor) {
  const at::Tensor dense = tensor.detach().to(at::kFloat).contiguous();
  const float* data = dense.data_ptr<float>();
  return {dense.sizes().vec(), std::vector<float>(data, data + dense.numel())};
}

bool Call::has(size_t index) const {
  return index < node.inputs.size() && !node.inputs[index].empty();
}

const at::Tensor& Call::input(size_t index) const {
  if (index >= inputs.size() || !inputs[index].defined()) {
    refuse("input {} is missing or not of floats, check the model's export", index);
  }
  return inputs[index];
}

const graph::Tensor& Call::description(size_t index) const {
  return graph.tensor(node.inputs.at(index));
}

const graph::Format& Call::format(size_t index) const {
  return description(index).format;
}

const graph::Format& Call::output_format() const {
  return graph.tensor(node.outputs.at(0)).format;
}

std::optional<std::vector<int64_t>> Call::integers(size_t index, const std::string& key) const {
  if (has(index)) {
    const graph::Tensor& tensor = description(index);
    if (!tensor.constant || tensor.type != graph::ElementType::kInt64) {
      refuse("input {} ('{}') must be a constant of integers; simplify the model before importing it", index,
             tensor.name);
    }
    return tensor.integers;
  }
  const auto found = node.attributes.find(key);
  if (found == node.attributes.end()) return std::nullopt;
  if (const auto* single = std::get_if<int64_t>(&found->second)) return std::vector<int64_t>{*single};
  return node.integers(key);
}

std::optional<double> Call::number(size_t index, const std::string& key) const {
  if (has(index)) {
    const at::Tensor& value = input(index);
    if (value.numel() != 1) refuse("input {} must have one element, found {}", index, value.numel());
    return value.item<double>();
  }
  if (!node.attributes.contains(key)) return std::nullopt;
  return node.real(key, 0.0f);
}

int64_t Call::axis(int64_t value, int64_t rank) const {
  const int64_t positive = value < 0 ? value + rank : value;
  if (positive < 0 || positive >= rank) refuse("axis {} does not exist in a tensor of rank {}", value, rank);
  return positive;
}

void Call::refuse_with(const std::string& reason) const {
  fail("node '{}' ({}): {}", node.name, node.op, reason);
}

OperatorFunction find_operator(const std::string& op) {
  static const std::map<std::string, OperatorFunction> kOperators = [] {
    std::map<std::string, OperatorFunction> all;
    for (const OperatorList& family : {matrix_operators(), elementwise_operators(), movement_operators(),
                                       window_operators(), reduction_operators()}) {
      for (const NamedOperator& entry : family) all.emplace(entry.op, entry.function);
    }
    return all;
  }();
  const auto found = kOperators.find(op);
  return found == kOperators.end() ? nullptr : found->second;
}

int64_t channel_axis(const graph::Node& node, size_t index) {
  return index == 1 && operators::has_role(node.op, operators::Role::kWeighted)
             ? operators::output_channel_axis(node)
             : 0;
}

std::vector<int64_t> window_pads(const Call& call, const std::vector<int64_t>& kernel,
                                 const std::vector<int64_t>& strides, const std::vector<int64_t>& dilations) {
  const size_t rank = kernel.size();
  const std::string automatic = call.node.text("auto_pad", "NOTSET");
  if (automatic == "NOTSET" || automatic.empty()) {
    std::vector<int64_t> pads = call.node.integers("pads", std::vector<int64_t>(2 * rank, 0));
    if (pads.size() != 2 * rank) call.refuse("expected {} pads, found {}", 2 * rank, pads.size());
    return pads;
  }
  std::vector<int64_t> pads(2 * rank, 0);
  if (automatic == "VALID") return pads;
  const at::Tensor& input = call.input(0);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t size = input.size(static_cast<int64_t>(i) + 2);
    const int64_t windows = (size + strides[i] - 1) / strides[i];
    const int64_t total =
        std::max<int64_t>(0, (windows - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 - size);
    const int64_t smaller = total / 2;
    pads[i] = automatic == "SAME_LOWER" ? total - smaller : smaller;
    pads[i + rank] = total - pads[i];
  }
  return pads;
}

at::Tensor pad_spatial(const at::Tensor& input, const std::vector<int64_t>& pads, double value) {
  const size_t rank = pads.size() / 2;
  std::vector<int64_t> torch_pads;  // last dimension first, begin and end
  for (size_t i = rank; i-- > 0;) {
    torch_pads.push_back(pads[i]);
    torch_pads.push_back(pads[i + rank]);
  }
  return at::constant_pad_nd(input, torch_pads, value);
}

}  // namespace shrike::engine
