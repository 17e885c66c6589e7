#include "toolchain/espdl/builder.h"

#include <cstring>
#include <limits>

#include "toolchain/graph/range_hints.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

const char* quant_type(int bits) {
  return bits == 8 ? "S8" : bits == 16 ? "S16" : "F32";
}

std::vector<int64_t> as_integers(const Permutation& permutation) {
  return {permutation.begin(), permutation.end()};
}

}  // namespace

int bits_of(const graph::Graph& graph, const graph::Node& node) {
  for (const auto* names : {&node.outputs, &node.inputs}) {
    for (const std::string& name : *names) {
      if (!name.empty() && graph.tensor(name).format.bits != 0) return graph.tensor(name).format.bits;
    }
  }
  return 0;
}

DataType type_of(const graph::Format& format, const std::string& tensor) {
  switch (format.bits) {
    case 0:
      return DataType::kFloat32;
    case 8:
      return DataType::kInt8;
    case 16:
      return DataType::kInt16;
    default:
      fail("tensor '{}' has {} bits; the file holds 8 or 16: choose one of them for it", tensor, format.bits);
  }
}

std::vector<int64_t> exponents_of(const graph::Format& format) {
  if (format.per_channel()) return {format.channel_exponents.begin(), format.channel_exponents.end()};
  return {format.is_float() ? 0 : format.exponent};
}

const std::vector<int64_t>& integers_of(const graph::Tensor& tensor, const graph::Node& node) {
  if (!tensor.constant) {
    fail("node '{}' ({}): '{}' must be a constant; the chip's library reads it while loading", node.name,
         node.op, tensor.name);
  }
  if (static_cast<int64_t>(tensor.integers.size()) != tensor.elements()) {
    fail(
        "node '{}' ({}): constant '{}' has {} quantised integers for {} elements; materialize the graph "
        "before lowering it",
        node.name, node.op, tensor.name, tensor.integers.size(), tensor.elements());
  }
  return tensor.integers;
}

namespace {

template <typename T>
void append(std::vector<uint8_t>& bytes, int64_t value, const std::string& name) {
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) {
    fail("tensor '{}': value {} does not fit its {} bits; round and saturate it before lowering", name, value,
         8 * sizeof(T));
  }
  const T element = static_cast<T>(value);
  const auto* begin = reinterpret_cast<const uint8_t*>(&element);
  bytes.insert(bytes.end(), begin, begin + sizeof element);
}

}  // namespace

std::vector<uint8_t> packed(const std::vector<int64_t>& values, DataType type, const std::string& name) {
  std::vector<uint8_t> bytes;
  bytes.reserve(values.size() * size_of(type));
  for (const int64_t value : values) {
    switch (type) {
      case DataType::kInt8:
        append<int8_t>(bytes, value, name);
        break;
      case DataType::kInt16:
        append<int16_t>(bytes, value, name);
        break;
      case DataType::kInt32:
        append<int32_t>(bytes, value, name);
        break;
      default:
        append<int64_t>(bytes, value, name);
        break;
    }
  }
  return bytes;
}

Builder::Builder(const graph::Graph& graph, Target target) : graph_(graph) {
  program_.graph_name = graph.name;
  program_.target = target;
  program_.metadata = graph.metadata;
  std::erase_if(program_.metadata,
                [](const auto& entry) { return entry.first.starts_with(graph::kHintPrefix); });
  program_.inputs = graph.inputs;
  program_.outputs = graph.outputs;
  for (const auto& [name, tensor] : graph.tensors) tensor_names_.insert(name);
}

std::string Builder::unique(std::set<std::string>& used, const std::string& stem) {
  std::string name = stem;
  for (int k = 1; name.empty() || !used.insert(name).second; ++k) name = fmt::format("{}_{}", stem, k);
  return name;
}

void Builder::define(const std::string& tensor, const Permutation& permutation) {
  const graph::Tensor& source = graph_.tensor(tensor);
  if (source.type != graph::ElementType::kFloat) {
    fail("tensor '{}' holds 64-bit integers at run time; only constants may: fold the nodes that compute it",
         tensor);
  }
  StoredValue value;
  value.name = tensor;
  value.dims = permuted(source.shape, permutation);
  value.type = type_of(source.format, tensor);
  value.exponent = source.format.is_float() ? 0 : source.format.exponent;
  value.permutation = permutation;
  value_index_[tensor] = program_.values.size();
  program_.values.push_back(std::move(value));
}

Permutation Builder::layout_of(const std::string& tensor) const {
  const auto found = value_index_.find(tensor);
  if (found == value_index_.end()) {
    fail("tensor '{}' is used before anything produces it; sort the graph's nodes first", tensor);
  }
  return program_.values[found->second].permutation;
}

std::string Builder::in_layout(const std::string& tensor, const Permutation& permutation) {
  const Permutation current = layout_of(tensor);
  if (current == permutation) return tensor;
  const auto cached = copies_.find({tensor, permutation});
  if (cached != copies_.end()) return cached->second;
  const Dims dims = program_.values[value_index_.at(tensor)].dims;
  const Permutation perm = conversion(current, permutation);
  const std::string stem =
      tensor + (permutation == channels_last(permutation.size()) ? "/channels_last" : "/transposed");
  const std::string copy = keeps_bytes(dims, perm) ? add_reshape(stem, tensor, permuted(dims, perm), tensor)
                                                   : add_transpose(stem, tensor, dims, perm, tensor);
  program_.values[value_index_.at(copy)].permutation = permutation;
  copies_[{tensor, permutation}] = copy;
  return copy;
}

std::string Builder::in_logical_order(const std::string& tensor) {
  return in_layout(tensor, identity_order(layout_of(tensor).size()));
}

std::string Builder::define_intermediate(const std::string& stem, const Dims& dims, const std::string& like) {
  StoredValue value = program_.values[value_index_.at(like)];
  value.name = unique(tensor_names_, stem);
  value.dims = dims;
  value.permutation = identity_order(dims.size());
  value_index_[value.name] = program_.values.size();
  program_.values.push_back(value);
  return value.name;
}

std::string Builder::add_parameter(const std::string& stem, const Dims& dims, DataType type,
                                   const std::vector<int64_t>& exponents,
                                   const std::vector<int64_t>& integers, const std::string& doc) {
  StoredTensor parameter;
  // A constant keeps its name at its first use; each further use is an initializer of its own (section 4.1).
  const bool own_name =
      graph_.tensors.contains(stem) && graph_.tensor(stem).constant && parameter_stems_.insert(stem).second;
  parameter.name = own_name ? stem : unique(tensor_names_, stem);
  parameter.dims = dims;
  parameter.type = type;
  parameter.exponents = exponents;
  parameter.bytes = packed(integers, type, stem);
  parameter.doc = doc;
  program_.initializers.push_back(parameter);
  return parameter.name;
}

std::string Builder::add_int64s(const std::string& stem, const std::vector<int64_t>& values) {
  return add_parameter(stem, {static_cast<int64_t>(values.size())}, DataType::kInt64, {0}, values);
}

std::string Builder::add_floats(const std::string& stem, const Dims& dims, const std::vector<float>& values) {
  const std::string name = add_parameter(stem, dims, DataType::kFloat32, {0}, {});
  std::vector<uint8_t>& bytes = program_.initializers.back().bytes;
  bytes.resize(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return name;
}

std::string Builder::add_constant(const std::string& name, const Dims& dims) {
  const graph::Tensor& constant = graph_.tensor(name);
  if (constant.type == graph::ElementType::kInt64) {
    return add_parameter(name, dims, DataType::kInt64, {0}, constant.integers);
  }
  if (constant.format.is_float()) return add_floats(name, dims, constant.values);
  if (static_cast<int64_t>(constant.integers.size()) != constant.elements()) {
    fail("constant '{}' has no quantised integers; materialize the graph before lowering it", name);
  }
  return add_parameter(name, dims, type_of(constant.format, name), exponents_of(constant.format),
                       constant.integers);
}

std::string Builder::add_table(const std::string& op_type, const graph::Format& output,
                               const std::vector<int64_t>& entries) {
  StoredTensor table;
  table.name = unique(tensor_names_, fmt::format("{}_lut_{}", op_type, tables_.size()));
  table.dims = {static_cast<int64_t>(entries.size())};
  table.type = type_of(output, table.name);
  table.exponents = {output.exponent};
  table.bytes = packed(entries, table.type, table.name);
  tables_.push_back(table);
  return table.name;
}

void Builder::add_node(const std::string& op, const std::string& name, const std::vector<std::string>& inputs,
                       const std::vector<std::string>& outputs, Attributes attributes, int bits) {
  StoredNode node;
  node.name = unique(node_names_, name.empty() ? op : name);
  node.op = op;
  node.inputs = inputs;
  node.outputs = outputs;
  node.attributes = std::move(attributes);
  node.attributes["quant_type"] = std::string(quant_type(bits));
  program_.nodes.push_back(std::move(node));
}

std::string Builder::add_transpose(const std::string& stem, const std::string& input, const Dims& input_dims,
                                   const Permutation& perm, const std::string& like) {
  const std::string output = define_intermediate(stem, permuted(input_dims, perm), like);
  const DataType type = program_.values.back().type;
  add_node("Transpose", output, {input}, {output}, {{"perm", as_integers(perm)}},
           static_cast<int>(type == DataType::kFloat32 ? 0 : 8 * size_of(type)));
  return output;
}

std::string Builder::add_reshape(const std::string& stem, const std::string& input, const Dims& dims,
                                 const std::string& like) {
  const std::string output = define_intermediate(stem, dims, like);
  const DataType type = program_.values.back().type;
  const std::string shape = add_int64s(output + "/shape", dims);
  add_node("Reshape", output, {input, shape}, {output}, {{"allowzero", int64_t{0}}},
           static_cast<int>(type == DataType::kFloat32 ? 0 : 8 * size_of(type)));
  return output;
}

Program Builder::finish() {
  program_.initializers.insert(program_.initializers.begin(), tables_.begin(), tables_.end());
  return std::move(program_);
}

const StoredValue& value_named(const Program& program, const std::string& name) {
  for (const StoredValue& value : program.values) {
    if (value.name == name) return value;
  }
  fail("the lowered program has no variable '{}'; it was merged into a neighbour or never existed", name);
}

}  // namespace shrike::espdl
