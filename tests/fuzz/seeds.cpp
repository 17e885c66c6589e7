// Splits the file with every operator into one file per node: fuzz_seeds DIRECTORY.
#include <cstdio>
#include <exception>
#include <set>

#include "format/flat.h"
#include "format/schema.h"
#include "tests/firmware/every_operator.h"
#include "tests/runtime/model_file.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using namespace format;

std::string string_of(Text text) {
  return {text.data, text.size};
}

DataType type_of(int32_t number) {
  return static_cast<DataType>(number);
}

AttributeValue attribute_of(Table table) {
  switch (table.scalar<int32_t>(attribute_slot::kKind)) {
    case kAttributeFloat:
      return table.scalar<float>(attribute_slot::kFloat);
    case kAttributeInt:
      return table.scalar<int64_t>(attribute_slot::kInt);
    case kAttributeString:
      return string_of(table.text(attribute_slot::kString));
    default: {
      const Vector list = table.vector(attribute_slot::kInts);
      std::vector<int64_t> values;
      for (uint32_t i = 0; i < list.size; ++i) values.push_back(list.int64(i));
      return values;
    }
  }
}

Value value_of(Table table) {
  const Table type = table.table(value_slot::kType).table(type_slot::kValue);
  Value value{string_of(table.text(value_slot::kName)),
              {},
              type_of(type.scalar<int32_t>(tensor_type_slot::kElementType))};
  value.exponent = table.vector(value_slot::kExponents).int64(0);
  const Vector dims = type.table(tensor_type_slot::kShape).vector(shape_slot::kDims);
  for (uint32_t i = 0; i < dims.size; ++i)
    value.dims.push_back(dims.table(i).table(dim_slot::kValue).scalar<int64_t>(dim_value_slot::kValue));
  return value;
}

Stored stored_of(Table table) {
  Stored stored{
      {string_of(table.text(tensor_slot::kName)), {}, type_of(table.scalar<int32_t>(tensor_slot::kDataType))},
      {}};
  const Vector exponents = table.vector(tensor_slot::kExponents);
  if (exponents.size > 0) stored.value.exponent = exponents.int64(0);
  const Vector dims = table.vector(tensor_slot::kDims);
  for (uint32_t i = 0; i < dims.size; ++i) stored.value.dims.push_back(dims.int64(i));
  const Vector raw = table.vector(tensor_slot::kRawData);
  stored.bytes.assign(raw.data, raw.data + size_t{raw.size} * kBlockBytes);
  return stored;
}

template <typename T, typename Read>
void select(Vector list, const std::set<std::string>& names, Read read, const auto& name_of,
            std::vector<T>& result) {
  for (uint32_t i = 0; i < list.size; ++i) {
    T item = read(list.table(i));
    if (names.count(name_of(item)) > 0) result.push_back(std::move(item));
  }
}

ModelFile one_node(Table graph, Table node) {
  FileNode copy{string_of(node.text(node_slot::kName)), string_of(node.text(node_slot::kOpType)), {}, {}, {}};
  std::set<std::string> reads, writes;
  const Vector inputs = node.vector(node_slot::kInputs), outputs = node.vector(node_slot::kOutputs);
  for (uint32_t i = 0; i < inputs.size; ++i) {
    copy.inputs.push_back(string_of(inputs.text(i)));
    reads.insert(copy.inputs.back());
  }
  for (uint32_t i = 0; i < outputs.size; ++i) {
    copy.outputs.push_back(string_of(outputs.text(i)));
    writes.insert(copy.outputs.back());
  }
  const Vector attributes = node.vector(node_slot::kAttributes);
  for (uint32_t i = 0; i < attributes.size; ++i) {
    const std::string name = string_of(attributes.table(i).text(attribute_slot::kName));
    copy.attributes[name] = attribute_of(attributes.table(i));
    if (name == "lut") reads.insert(std::get<std::string>(copy.attributes[name]));  // an initializer's name
  }
  ModelFile file;
  file.nodes.push_back(copy);
  const auto value_name = [](const Value& value) { return value.name; };
  select(graph.vector(graph_slot::kInputs), reads, value_of, value_name, file.inputs);
  select(graph.vector(graph_slot::kOutputs), writes, value_of, value_name, file.outputs);
  file.values = file.outputs;  // data types and exponents of node outputs
  select(
      graph.vector(graph_slot::kInitializers), reads, stored_of,
      [](const Stored& stored) { return stored.value.name; }, file.initializers);
  return file;
}

}  // namespace
}  // namespace shrike::tests

int main(int count, char** arguments) try {
  using namespace shrike;
  if (count != 2) {
    std::fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
    return 2;
  }
  const std::vector<uint8_t> file = tests::every_operator_file();
  const format::Table model{format::follow(file.data() + 16)};
  const format::Table graph = model.table(format::model_slot::kGraph);
  const format::Vector nodes = graph.vector(format::graph_slot::kNodes);
  for (uint32_t i = 0; i < nodes.size; ++i) {
    const tests::ModelFile single = tests::one_node(graph, nodes.table(i));
    const std::vector<uint8_t> bytes = single.bytes();
    host::IntegerOptions options;
    options.target = "esp32p4";
    host::IntegerModel::from_bytes(bytes, single.nodes[0].name, options)
        .run();  // throws: a refused file is no seed
    write_file_atomically(std::string(arguments[1]) + "/" + single.nodes[0].name + ".espdl",
                          {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "fuzz_seeds: %s\n", error.what());
  return 1;
}
