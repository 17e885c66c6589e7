#include "toolchain/host/file_image.h"

#include <fmt/format.h>

#include <cstring>

#include "runtime/format/container.h"
#include "runtime/format/flat.h"
#include "runtime/format/schema.h"
#include "runtime/format/verify.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/sha256.h"

namespace shrike::host {
namespace {

Text text_of(const std::string& text) {
  return {text.data(), static_cast<uint32_t>(text.size())};
}

bool is_first_format(const std::vector<uint8_t>& bytes) {
  return bytes.size() >= 12 && std::memcmp(bytes.data(), "EDL1", 4) == 0;
}

std::vector<uint8_t> with_second_header(const std::vector<uint8_t>& bytes) {
  std::vector<uint8_t> result(bytes.begin(), bytes.begin() + 12);
  std::memcpy(result.data(), "EDL2", 4);
  result.resize(16, 0);
  result.insert(result.end(), bytes.begin() + 12, bytes.end());
  return result;
}

format::Vector graph_nodes(const uint8_t* payload) {
  const format::Table model = {format::follow(payload)};
  return model.table(format::model_slot::kGraph).vector(format::graph_slot::kNodes);
}

std::string attribute_value(const format::Table& attribute) {
  switch (attribute.scalar<int32_t>(format::attribute_slot::kKind)) {
    case format::kAttributeFloat:
      return fmt::format("{}", attribute.scalar<float>(format::attribute_slot::kFloat));
    case format::kAttributeInt:
      return fmt::format("{}", attribute.scalar<int64_t>(format::attribute_slot::kInt));
    case format::kAttributeString: {
      const format::Vector bytes = attribute.vector(format::attribute_slot::kString);
      return {reinterpret_cast<const char*>(bytes.data), bytes.size};
    }
    case format::kAttributeInts: {
      const format::Vector entries = attribute.vector(format::attribute_slot::kInts);
      std::string text = "[";
      for (uint32_t i = 0; i < entries.size; ++i)
        text += fmt::format("{}{}", i == 0 ? "" : ",", entries.int64(i));
      return text + "]";
    }
    default:
      return "?";
  }
}

}  // namespace

FileImage::FileImage(std::vector<uint8_t> bytes) : file_bytes_(bytes.size()) {
  storage_ = is_first_format(bytes) ? with_second_header(bytes) : std::move(bytes);
  bytes_ = storage_.size();
  if (bytes_ == 0) storage_.reserve(1);  // an empty file is one that is cut short, not none: it has a place
  size_t room = bytes_ + 15;
  const uintptr_t address = reinterpret_cast<uintptr_t>(storage_.data());
  if (address % 16 != 0) {
    std::vector<uint8_t> aligned(room);
    void* place = aligned.data();
    std::align(16, bytes_, place, room);
    std::memcpy(place, storage_.data(), bytes_);
    storage_ = std::move(aligned);
    data_ = place;
  } else {
    data_ = storage_.data();
  }
}

std::string FileImage::sha256() const {
  if (bytes_ == file_bytes_) return shrike::sha256(data_, bytes_);
  std::vector<uint8_t> first(file_bytes_);
  std::memcpy(first.data(), data_, 12);
  std::memcpy(first.data(), "EDL1", 4);
  std::memcpy(first.data() + 12, payload(), file_bytes_ - 12);
  return shrike::sha256(first.data(), first.size());
}

Status FileImage::verify() const {
  format::Payload payload;
  SHRIKE_RETURN_IF_ERROR(format::open_container(data_, bytes_, &payload));
  return format::verify_payload(payload);
}

std::string FileImage::metadata(const std::string& key) const {
  for (const auto& [name, value] : metadata()) {
    if (name == key) return value;
  }
  return "";
}

std::vector<std::pair<std::string, std::string>> FileImage::metadata() const {
  const format::Table model = {format::follow(payload())};
  const format::Vector pairs = model.vector(format::model_slot::kMetadata);
  std::vector<std::pair<std::string, std::string>> result;
  for (uint32_t i = 0; i < pairs.size; ++i) {
    const format::Table pair = pairs.table(i);
    result.emplace_back(to_string(pair.text(format::key_value_slot::kKey)),
                        to_string(pair.text(format::key_value_slot::kValue)));
  }
  return result;
}

std::string FileImage::node_name(int32_t node) const {
  return node_text(node, format::node_slot::kName);
}

std::string FileImage::node_type(int32_t node) const {
  return node_text(node, format::node_slot::kOpType);
}

std::string FileImage::node_text(int32_t node, int slot) const {
  const format::Vector nodes = graph_nodes(payload());
  if (node < 0 || static_cast<uint32_t>(node) >= nodes.size) return "";
  return to_string(nodes.table(static_cast<uint32_t>(node)).text(slot));
}

std::vector<int64_t> FileImage::node_integers(int32_t node, const std::string& key) const {
  const format::Vector nodes = graph_nodes(payload());
  if (node < 0 || static_cast<uint32_t>(node) >= nodes.size) return {};
  const format::Vector attributes =
      nodes.table(static_cast<uint32_t>(node)).vector(format::node_slot::kAttributes);
  std::vector<int64_t> integers;
  for (uint32_t i = 0; i < attributes.size; ++i) {
    const format::Table attribute = attributes.table(i);
    if (!(attribute.text(format::attribute_slot::kName) == text_of(key))) continue;
    if (attribute.scalar<int32_t>(format::attribute_slot::kKind) != format::kAttributeInts) continue;
    const format::Vector entries = attribute.vector(format::attribute_slot::kInts);
    for (uint32_t j = 0; j < entries.size; ++j) integers.push_back(entries.int64(j));
  }
  return integers;
}

std::vector<int64_t> FileImage::initializer_exponents(const std::string& name) const {
  const format::Table model = {format::follow(payload())};
  const format::Vector all =
      model.table(format::model_slot::kGraph).vector(format::graph_slot::kInitializers);
  for (uint32_t i = 0; i < all.size; ++i) {
    if (!(all.table(i).text(format::tensor_slot::kName) == text_of(name))) continue;
    const format::Vector stored = all.table(i).vector(format::tensor_slot::kExponents);
    std::vector<int64_t> exponents;
    for (uint32_t j = 0; j < stored.size; ++j) exponents.push_back(stored.int64(j));
    return exponents;
  }
  return {};
}

std::string FileImage::node_attributes(int32_t node) const {
  const format::Vector nodes = graph_nodes(payload());
  if (node < 0 || static_cast<uint32_t>(node) >= nodes.size) return "";
  const format::Vector attributes =
      nodes.table(static_cast<uint32_t>(node)).vector(format::node_slot::kAttributes);
  std::string text;
  for (uint32_t i = 0; i < attributes.size; ++i) {
    const format::Table attribute = attributes.table(i);
    text += fmt::format("{}{}={}", i == 0 ? "" : " ",
                        to_string(attribute.text(format::attribute_slot::kName)), attribute_value(attribute));
  }
  return text;
}

}  // namespace shrike::host
