// Builds small `.espdl` files for tests, field by field as spec/espdl-format.md section 2 lays them out.
#pragma once
#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "shrike/tensor.h"

namespace shrike::tests {

// 16-byte aligned bytes of exactly the right length, so that the address sanitizer sees every step outside.
class AlignedBytes {
 public:
  explicit AlignedBytes(const std::vector<uint8_t>& bytes) : AlignedBytes(bytes.data(), bytes.size()) {}
  AlignedBytes(const uint8_t* bytes, size_t size)
      : data_(static_cast<uint8_t*>(::operator new (size + (size == 0), std::align_val_t{16}))), size_(size) {
    if (size > 0) std::memcpy(data_, bytes, size);
  }
  ~AlignedBytes() { ::operator delete (data_, std::align_val_t{16}); }
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  uint8_t* data() { return data_; }
  size_t size() const { return size_; }

 private:
  uint8_t* data_;
  size_t size_;
};

struct Value {
  std::string name;
  std::vector<int64_t> dims;
  DataType type = DataType::kInt8;
  int64_t exponent = 0;
};

struct Stored {
  Value value;
  std::vector<uint8_t> bytes;
};

using AttributeValue = std::variant<int64_t, float, std::string, std::vector<int64_t>>;

struct FileNode {
  std::string name, type;
  std::vector<std::string> inputs, outputs;
  std::map<std::string, AttributeValue> attributes = {{"quant_type", std::string("S8")}};
};

struct ModelFile {
  std::vector<FileNode> nodes;
  std::vector<Value> inputs, outputs,
      values;  // `values` also needs the inputs' and outputs' entries only if asked
  std::vector<Stored> initializers, test_inputs, test_outputs;
  std::map<std::string, std::string> metadata;

  // A container with the 16-byte EDL2 header.
  std::vector<uint8_t> bytes() const { return container("EDL2"); }
  std::vector<uint8_t> container(const std::string& magic) const {
    const std::vector<uint8_t> payload = this->payload();
    std::vector<uint8_t> file(magic == "EDL1" ? 12 : 16);
    const uint32_t size = static_cast<uint32_t>(payload.size());
    std::memcpy(file.data(), magic.data(), 4);
    std::memcpy(file.data() + 8, &size, 4);
    file.insert(file.end(), payload.begin(), payload.end());
    return file;
  }

 private:
  using Builder = flatbuffers::FlatBufferBuilder;
  using Any = flatbuffers::Offset<void>;
  template <typename T>
  using List = std::vector<flatbuffers::Offset<T>>;

  static constexpr flatbuffers::voffset_t slot(int number) {
    return static_cast<flatbuffers::voffset_t>(4 + 2 * number);
  }

  static Any end(Builder& builder, flatbuffers::uoffset_t start) { return Any(builder.EndTable(start)); }

  static Any make_value(Builder& builder, const Value& value) {
    List<void> dims;
    for (const int64_t extent : value.dims) {
      flatbuffers::uoffset_t start = builder.StartTable();
      builder.AddElement<int8_t>(slot(0), 1, 0);
      builder.AddElement<int64_t>(slot(1), extent, 0);
      const Any number = end(builder, start);
      start = builder.StartTable();
      builder.AddOffset(slot(0), number);
      dims.push_back(end(builder, start));
    }
    const auto dims_vector = builder.CreateVector(dims);
    flatbuffers::uoffset_t start = builder.StartTable();
    builder.AddOffset(slot(0), dims_vector);
    const Any shape = end(builder, start);
    start = builder.StartTable();
    builder.AddElement<int32_t>(slot(0), static_cast<int32_t>(value.type), 0);
    builder.AddOffset(slot(1), shape);
    const Any tensor_type = end(builder, start);
    start = builder.StartTable();
    builder.AddElement<uint8_t>(slot(0), 1, 0);
    builder.AddOffset(slot(1), tensor_type);
    const Any type = end(builder, start);
    const auto name = builder.CreateString(value.name);
    const auto exponents = builder.CreateVector(std::vector<int64_t>{value.exponent});
    start = builder.StartTable();
    builder.AddOffset(slot(0), name);
    builder.AddOffset(slot(1), type);
    builder.AddOffset(slot(3), exponents);
    return end(builder, start);
  }

  static Any make_tensor(Builder& builder, const Stored& tensor) {
    const auto dims = builder.CreateVector(tensor.value.dims);
    const auto name = builder.CreateString(tensor.value.name);
    const size_t blocks = (tensor.bytes.size() + 15) / 16;
    std::vector<uint8_t> padded = tensor.bytes;
    padded.resize(16 * blocks);
    builder.ForceVectorAlignment(blocks, 16, 16);
    builder.StartVector(blocks, 16);
    builder.PushBytes(padded.data(), padded.size());
    const Any raw(builder.EndVector(blocks));
    const auto exponents = builder.CreateVector(std::vector<int64_t>{tensor.value.exponent});
    const flatbuffers::uoffset_t start = builder.StartTable();
    builder.AddOffset(slot(0), dims);
    builder.AddElement<int32_t>(slot(1), static_cast<int32_t>(tensor.value.type), 0);
    builder.AddOffset(slot(6), name);
    builder.AddOffset(slot(8), raw);
    builder.AddOffset(slot(13), exponents);
    return end(builder, start);
  }

  static Any make_attribute(Builder& builder, const std::string& key, const AttributeValue& value) {
    constexpr int kKinds[] = {2, 1, 3, 7};  // in the order of AttributeValue
    const auto name = builder.CreateString(key);
    Any list;
    if (const auto* text = std::get_if<std::string>(&value)) {
      list = builder.CreateVector(reinterpret_cast<const uint8_t*>(text->data()), text->size()).Union();
    }
    if (const auto* integers = std::get_if<std::vector<int64_t>>(&value))
      list = builder.CreateVector(*integers).Union();
    const flatbuffers::uoffset_t start = builder.StartTable();
    builder.AddOffset(slot(0), name);
    builder.AddElement<int32_t>(slot(3), kKinds[value.index()], 0);
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      builder.Align(8);
      builder.PushBytes(reinterpret_cast<const uint8_t*>(integer), 8);
      builder.AddStructOffset(slot(5), builder.GetSize());
    } else if (const auto* real = std::get_if<float>(&value)) {
      builder.Align(4);
      builder.PushBytes(reinterpret_cast<const uint8_t*>(real), 4);
      builder.AddStructOffset(slot(4), builder.GetSize());
    } else {
      builder.AddOffset(slot(std::holds_alternative<std::string>(value) ? 6 : 11), list);
    }
    return end(builder, start);
  }

  static Any make_node(Builder& builder, const FileNode& node) {
    List<void> attributes;
    for (const auto& [key, value] : node.attributes)
      attributes.push_back(make_attribute(builder, key, value));
    const auto attribute_vector = builder.CreateVector(attributes);
    const auto inputs = builder.CreateVectorOfStrings(node.inputs);
    const auto outputs = builder.CreateVectorOfStrings(node.outputs);
    const auto name = builder.CreateString(node.name), type = builder.CreateString(node.type);
    const flatbuffers::uoffset_t start = builder.StartTable();
    builder.AddOffset(slot(0), inputs);
    builder.AddOffset(slot(1), outputs);
    builder.AddOffset(slot(2), name);
    builder.AddOffset(slot(3), type);
    builder.AddOffset(slot(5), attribute_vector);
    return end(builder, start);
  }

  template <typename T, typename Make>
  static auto make_list(Builder& builder, const std::vector<T>& items, Make make) {
    List<void> list;
    for (const T& item : items) list.push_back(make(builder, item));
    return builder.CreateVector(list);
  }

  std::vector<uint8_t> payload() const {
    Builder builder;
    const auto node_list = make_list(builder, nodes, make_node);
    const auto initializer_list = make_list(builder, initializers, make_tensor);
    const auto input_list = make_list(builder, inputs, make_value);
    const auto output_list = make_list(builder, outputs, make_value);
    const auto value_list = make_list(builder, values, make_value);
    const auto test_input_list = make_list(builder, test_inputs, make_tensor);
    const auto test_output_list = make_list(builder, test_outputs, make_tensor);
    const auto name = builder.CreateString("test");
    flatbuffers::uoffset_t start = builder.StartTable();
    builder.AddOffset(slot(0), node_list);
    builder.AddOffset(slot(1), name);
    builder.AddOffset(slot(2), initializer_list);
    builder.AddOffset(slot(4), input_list);
    builder.AddOffset(slot(5), output_list);
    builder.AddOffset(slot(6), value_list);
    builder.AddOffset(slot(8), test_input_list);
    builder.AddOffset(slot(9), test_output_list);
    const Any graph = end(builder, start);
    List<void> pairs;
    for (const auto& [key, text] : metadata) {
      const auto key_text = builder.CreateString(key), value_text = builder.CreateString(text);
      start = builder.StartTable();
      builder.AddOffset(slot(0), key_text);
      builder.AddOffset(slot(1), value_text);
      pairs.push_back(end(builder, start));
    }
    const auto metadata_list = builder.CreateVector(pairs);
    start = builder.StartTable();
    builder.AddElement<int32_t>(slot(0), 7, 0);
    builder.AddOffset(slot(7), graph);
    builder.AddOffset(slot(8), metadata_list);
    builder.Finish(end(builder, start));
    return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
  }
};

}  // namespace shrike::tests
