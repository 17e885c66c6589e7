#include "toolchain/integer/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/ops/numeric.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

// Calls visit(stored index, logical index, count, logical step) for every row of the last stored axis.
template <typename Visit>
void for_each_row(const Shape& stored, const espdl::Permutation& order, const Visit& visit) {
  const size_t rank = static_cast<size_t>(stored.rank);
  if (rank == 0) return visit(0, 0, 1, 1);
  std::vector<int64_t> logical_dims(rank), stride(rank, 1), step(rank);
  for (size_t i = 0; i < rank; ++i) logical_dims[static_cast<size_t>(order[i])] = stored.dims[i];
  for (size_t i = rank; i-- > 1;) stride[i - 1] = stride[i] * logical_dims[i];
  for (size_t i = 0; i < rank; ++i) step[i] = stride[static_cast<size_t>(order[i])];
  const int64_t count = stored.elements(), inner = stored.dims[rank - 1];
  std::vector<int64_t> index(rank, 0);
  for (int64_t begin = 0; begin < count; begin += inner) {
    int64_t logical = 0;
    for (size_t axis = 0; axis + 1 < rank; ++axis) logical += index[axis] * step[axis];
    visit(begin, logical, inner, step[rank - 1]);
    for (size_t axis = rank - 1; axis-- > 0;) {
      if (++index[axis] < stored.dims[axis]) break;
      index[axis] = 0;
    }
  }
}

template <typename T>
void write(const TensorView& view, const espdl::Permutation& order, Rounding rounding, const float* logical) {
  const float inverse = std::ldexp(1.0f, -view.exponent);
  T* stored = static_cast<T*>(view.data);
  for_each_row(view.shape, order, [&](int64_t to, int64_t from, int64_t count, int64_t step) {
    for (int64_t i = 0; i < count; ++i)
      stored[to + i] = quantize_float<T>(logical[from + i * step] * inverse, rounding);
  });
}

void write_floats(const TensorView& view, const espdl::Permutation& order, const float* logical) {
  float* stored = static_cast<float*>(view.data);
  for_each_row(view.shape, order, [&](int64_t to, int64_t from, int64_t count, int64_t step) {
    for (int64_t i = 0; i < count; ++i) stored[to + i] = logical[from + i * step];
  });
}

}  // namespace

const StoredVariable* IntegerNetwork::find(const std::string& variable) const {
  const auto found = variables_.find(variable);
  return found == variables_.end() ? nullptr : &found->second;
}

const StoredVariable& IntegerNetwork::comparable(const std::string& variable) const {
  const StoredVariable* found = find(variable);
  if (found == nullptr || !found->comparable())
    fail("'{}' has no variable '{}' that the float model has too", model_.name(), variable);
  return *found;
}

TensorView IntegerNetwork::view(const std::string& variable) const {
  const StoredVariable* stored = find(variable);
  return model().variable(stored == nullptr || stored->holder.empty() ? variable.c_str()
                                                                      : stored->holder.c_str());
}

int IntegerNetwork::bits(const std::string& variable) const {
  switch (view(variable).type) {
    case DataType::kInt8:
      return 8;
    case DataType::kInt16:
      return 16;
    case DataType::kFloat32:
      return 0;
    default:
      fail("'{}': tensor '{}' has a type that can't be compared with floats", model_.name(), variable);
  }
}

StridedValues IntegerNetwork::elements(const std::string& variable) const {
  const StoredVariable& stored = comparable(variable);
  const TensorView source = view(variable);
  StridedValues elements;
  elements.data = source.data;
  const int width = bits(variable);
  elements.kind = width == 8 ? ElementKind::kInt8 : width == 16 ? ElementKind::kInt16 : ElementKind::kFloat;
  elements.scale = std::ldexp(1.0f, source.exponent);
  const size_t rank = stored.order.size();
  elements.shape.resize(rank);
  elements.strides.resize(rank);
  int64_t stride = 1;
  for (size_t i = rank; i-- > 0;) {
    const auto axis = static_cast<size_t>(stored.order[i]);
    elements.shape[axis] = source.shape.dims[i];
    elements.strides[axis] = stride;
    stride *= source.shape.dims[i];
  }
  return elements;
}

engine::Array IntegerNetwork::values(const std::string& variable) const {
  const StridedValues source = elements(variable);
  return {source.shape, source.every(1)};
}

void IntegerNetwork::set(const std::string& variable, const std::vector<float>& values) {
  const StoredVariable& stored = comparable(variable);
  const TensorView target = view(variable);
  if (static_cast<int64_t>(values.size()) != target.shape.elements()) {
    fail("'{}': tensor '{}' holds {} elements, the values given are {}", model_.name(), variable,
         target.shape.elements(), values.size());
  }
  switch (bits(variable)) {
    case 8:
      return write<int8_t>(target, stored.order, rounding(), values.data());
    case 16:
      return write<int16_t>(target, stored.order, rounding(), values.data());
    default:
      return write_floats(target, stored.order, values.data());
  }
}

void IntegerNetwork::set_input(const std::vector<float>& values) {
  auto next = values.begin();
  for (int32_t i = 0; i < model().input_count(); ++i) {
    const TensorView input = model().input(i);
    const int64_t count = std::min<int64_t>(input.shape.elements(), values.end() - next);
    set(host::to_string(input.name), {next, next + count});
    next += count;
  }
}

void IntegerNetwork::run_node(int32_t node) {
  if (!model().run_node(node).ok()) {
    fail("'{}': node '{}' stopped although the file was accepted", model_.name(),
         host::to_string(model().node_name(node)));
  }
}

IntegerNetwork::State IntegerNetwork::save(const std::set<std::string>& variables) const {
  State state;
  for (const std::string& name : variables) {
    const TensorView stored = view(name);
    const auto* bytes = static_cast<const uint8_t*>(stored.data);
    state[name].assign(bytes, bytes + stored.bytes);
  }
  return state;
}

void IntegerNetwork::restore(const State& state, const std::set<std::string>& variables) {
  for (const auto& [name, bytes] : state) {
    if (variables.contains(name)) std::memcpy(view(name).data, bytes.data(), bytes.size());
  }
}

IntegerNetwork network_of(host::IntegerModel file, const graph::Graph& graph) {
  StoredVariables variables = stored_variables(file, graph);
  return {std::move(file), std::move(variables)};
}

}  // namespace shrike::quantize
