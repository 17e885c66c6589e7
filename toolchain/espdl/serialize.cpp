// The program as a FlatBuffers payload in an EDL2 container. Tables are built slot by slot
// (spec/espdl-format.md section 2), so no generated code is needed.
#include <flatbuffers/flatbuffers.h>

#include <cstring>
#include <map>

#include "runtime/format/schema.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

using namespace shrike::format;  // NOLINT: slot names
using flatbuffers::FlatBufferBuilder;
using flatbuffers::uoffset_t;
using flatbuffers::voffset_t;

constexpr int32_t kIrVersion = 8;
constexpr int kIrVersionSlot = 0, kOpsetSlot = 1, kDocSlot = 7;

struct FloatStruct {
  float value;
};
struct IntStruct {
  int64_t value;
};

using Offset = flatbuffers::Offset<void>;

voffset_t field(int slot) {
  return flatbuffers::FieldIndexToOffset(static_cast<voffset_t>(slot));
}

class Writer {
 public:
  std::vector<uint8_t> container(const Program& program) {
    builder_.Finish(flatbuffers::Offset<flatbuffers::Table>(model(program).o));
    const size_t size = (builder_.GetSize() + 15) / 16 * 16;
    std::vector<uint8_t> bytes(16 + size, 0);
    const uint32_t length = static_cast<uint32_t>(size);
    std::memcpy(bytes.data(), "EDL2", 4);
    std::memcpy(bytes.data() + 8, &length, sizeof length);  // bytes 4..7: not encrypted, 12..15: zero
    std::memcpy(bytes.data() + 16, builder_.GetBufferPointer(), builder_.GetSize());
    return bytes;
  }

 private:
  Offset text(const std::string& value) { return {builder_.CreateString(value).o}; }

  Offset offsets(const std::vector<Offset>& items) {
    std::vector<flatbuffers::Offset<void>> copy(items.begin(), items.end());
    return {builder_.CreateVector(copy).o};
  }

  Offset texts(const std::vector<std::string>& values) {
    std::vector<Offset> items;
    for (const std::string& value : values) items.push_back(text(value));
    return offsets(items);
  }

  Offset int64s(const std::vector<int64_t>& values) { return {builder_.CreateVector(values).o}; }

  // Blocks of 16 bytes, aligned to 16, the tail zero.
  Offset blocks(const std::vector<uint8_t>& bytes) {
    struct alignas(kBlockBytes) Block {
      uint8_t bytes[kBlockBytes];
    };
    std::vector<Block> padded((bytes.size() + kBlockBytes - 1) / kBlockBytes, Block{});
    if (!bytes.empty()) std::memcpy(padded.data(), bytes.data(), bytes.size());
    builder_.ForceVectorAlignment(padded.size(), kBlockBytes, kBlockBytes);
    return {builder_.CreateVectorOfStructs(padded.data(), padded.size()).o};
  }

  void add(int slot, Offset offset) { builder_.AddOffset(field(slot), offset); }

  Offset attribute(const std::string& name, const graph::Attribute& value) {
    const Offset key = text(name);
    Offset payload = 0;
    if (const auto* string = std::get_if<std::string>(&value)) {  // bytes without a terminating NUL
      payload = {builder_.CreateVector(reinterpret_cast<const uint8_t*>(string->data()), string->size()).o};
    } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
      payload = int64s(*integers);
    } else if (std::holds_alternative<std::vector<float>>(value)) {
      fail(
          "attribute '{}' is a list of floats, which readers of the format disagree about; it cannot be "
          "written",
          name);
    }
    const uoffset_t start = builder_.StartTable();
    add(attribute_slot::kName, key);
    int32_t kind = kAttributeInts;
    if (const auto* real = std::get_if<float>(&value)) {
      const FloatStruct stored{*real};
      builder_.AddStruct(field(attribute_slot::kFloat), &stored);
      kind = kAttributeFloat;
    } else if (const auto* integer = std::get_if<int64_t>(&value)) {
      const IntStruct stored{*integer};
      builder_.AddStruct(field(attribute_slot::kInt), &stored);
      kind = kAttributeInt;
    } else if (std::holds_alternative<std::string>(value)) {
      add(attribute_slot::kString, payload);
      kind = kAttributeString;
    } else {
      add(attribute_slot::kInts, payload);
    }
    builder_.AddElement<int32_t>(field(attribute_slot::kKind), kind, 0);
    return {builder_.EndTable(start)};
  }

  Offset node(const StoredNode& node) {
    const Offset inputs = texts(node.inputs), outputs = texts(node.outputs);
    const Offset name = text(node.name), op = text(node.op);
    std::vector<Offset> items;
    for (const auto& [key, value] : node.attributes) items.push_back(attribute(key, value));
    const Offset attributes = offsets(items);
    const uoffset_t start = builder_.StartTable();
    add(node_slot::kInputs, inputs);
    add(node_slot::kOutputs, outputs);
    add(node_slot::kName, name);
    add(node_slot::kOpType, op);
    add(node_slot::kAttributes, attributes);
    return {builder_.EndTable(start)};
  }

  Offset tensor(const StoredTensor& tensor) {
    const Offset data = blocks(tensor.bytes);
    const Offset dims = int64s(tensor.dims), exponents = int64s(tensor.exponents), name = text(tensor.name);
    const Offset doc = tensor.doc.empty() ? Offset(0) : text(tensor.doc);
    const uoffset_t start = builder_.StartTable();
    add(tensor_slot::kDims, dims);
    builder_.AddElement<int32_t>(field(tensor_slot::kDataType), static_cast<int32_t>(tensor.type), 0);
    add(tensor_slot::kName, name);
    if (!doc.IsNull()) add(kDocSlot, doc);
    add(tensor_slot::kRawData, data);
    add(tensor_slot::kExponents, exponents);
    return {builder_.EndTable(start)};
  }

  Offset tensors(const std::vector<StoredTensor>& list) {
    std::vector<Offset> items;
    for (const StoredTensor& item : list) items.push_back(tensor(item));
    return offsets(items);
  }

  Offset dimension(int64_t size) {
    uoffset_t start = builder_.StartTable();
    builder_.AddElement<int64_t>(field(dim_value_slot::kValue), size, 0);
    builder_.AddElement<int8_t>(field(dim_value_slot::kKind), kDimensionIsValue, 0);
    const Offset value = {builder_.EndTable(start)};
    start = builder_.StartTable();
    add(dim_slot::kValue, value);
    return {builder_.EndTable(start)};
  }

  Offset value_info(const StoredValue& value) {
    std::vector<Offset> items;
    for (const int64_t size : value.dims) items.push_back(dimension(size));
    const Offset dims = offsets(items);
    uoffset_t start = builder_.StartTable();
    add(shape_slot::kDims, dims);
    const Offset shape = {builder_.EndTable(start)};
    start = builder_.StartTable();
    builder_.AddElement<int32_t>(field(tensor_type_slot::kElementType), static_cast<int32_t>(value.type), 0);
    add(tensor_type_slot::kShape, shape);
    const Offset tensor_type = {builder_.EndTable(start)};
    start = builder_.StartTable();
    add(type_slot::kValue, tensor_type);
    builder_.AddElement<uint8_t>(field(type_slot::kDiscriminator), kTypeIsTensor, 0);
    const Offset type = {builder_.EndTable(start)};
    const Offset name = text(value.name), exponents = int64s({value.exponent});
    start = builder_.StartTable();
    add(value_slot::kName, name);
    add(value_slot::kType, type);
    add(value_slot::kExponents, exponents);
    return {builder_.EndTable(start)};
  }

  Offset graph(const Program& program) {
    const Offset initializers = tensors(program.initializers);
    const Offset test_inputs = tensors(program.test_inputs), test_outputs = tensors(program.test_outputs);
    std::vector<Offset> items;
    for (const StoredNode& item : program.nodes) items.push_back(node(item));
    const Offset nodes = offsets(items);
    // Graph inputs and outputs share the tables of value_info.
    std::map<std::string, Offset> infos;
    items.clear();
    for (const StoredValue& value : program.values) {
      items.push_back(value_info(value));
      infos[value.name] = items.back();
    }
    const Offset values = offsets(items);
    const auto named = [&](const std::vector<std::string>& names) {
      std::vector<Offset> found;
      for (const std::string& name : names) {
        value_named(program, name);
        found.push_back(infos.at(name));
      }
      return offsets(found);
    };
    const Offset inputs = named(program.inputs), outputs = named(program.outputs);
    const Offset name = text(program.graph_name.empty() ? "main_graph" : program.graph_name);
    const uoffset_t start = builder_.StartTable();
    add(graph_slot::kNodes, nodes);
    add(graph_slot::kName, name);
    add(graph_slot::kInitializers, initializers);
    add(graph_slot::kInputs, inputs);
    add(graph_slot::kOutputs, outputs);
    add(graph_slot::kValueInfo, values);
    add(graph_slot::kTestInputs, test_inputs);
    add(graph_slot::kTestOutputs, test_outputs);
    return {builder_.EndTable(start)};
  }

  Offset model(const Program& program) {
    const Offset stored_graph = graph(program);
    std::vector<Offset> items;
    for (const auto& [key, value] : program.metadata) {
      const Offset stored_key = text(key), stored_value = text(value);
      const uoffset_t start = builder_.StartTable();
      add(key_value_slot::kKey, stored_key);
      add(key_value_slot::kValue, stored_value);
      items.push_back({builder_.EndTable(start)});
    }
    const Offset metadata = offsets(items), opsets = offsets({});
    const uoffset_t start = builder_.StartTable();
    builder_.AddElement<int32_t>(field(kIrVersionSlot), kIrVersion, 0);
    add(kOpsetSlot, opsets);
    add(model_slot::kGraph, stored_graph);
    add(model_slot::kMetadata, metadata);
    return {builder_.EndTable(start)};
  }

  FlatBufferBuilder builder_{1 << 20};
};

}  // namespace

std::vector<uint8_t> serialize(const Program& program) {
  return Writer().container(program);
}

}  // namespace shrike::espdl
