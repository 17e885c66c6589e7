// Internal to the .tflite import: FlatBuffers tables read straight from the file, every offset checked.
#pragma once
#include <cstdint>
#include <string_view>

#include "toolchain/import/bytes.h"

namespace shrike::graph::tflite {

// A vector of numbers, or of offsets to tables or texts.
class FlatVector {
 public:
  FlatVector() = default;
  FlatVector(const ByteReader* file, uint64_t first, uint32_t size)
      : file_(file), first_(first), size_(size) {}

  uint32_t size() const { return size_; }
  template <typename T>
  T at(uint32_t index) const {
    return file_->number<T>(first_ + uint64_t{index} * sizeof(T));
  }
  class FlatTable table(uint32_t index) const;
  // All of it, for elements of `bytes` bytes.
  std::string_view bytes(uint64_t element_bytes) const {
    return size_ == 0 ? std::string_view() : file_->text(first_, size_ * element_bytes);
  }

 private:
  const ByteReader* file_ = nullptr;
  uint64_t first_ = 0;
  uint32_t size_ = 0;
};

// A table, or none: then every field has its default.
class FlatTable {
 public:
  FlatTable() = default;
  FlatTable(const ByteReader* file, uint64_t at) : file_(file), at_(at) {
    const int64_t vtable = static_cast<int64_t>(at) - file->number<int32_t>(at);
    if (vtable < 0) file->damaged("a table at offset {} without a list of its fields", at);
    vtable_ = static_cast<uint64_t>(vtable);
    vtable_size_ = file->number<uint16_t>(vtable_);
    if (vtable_size_ < 4 || vtable_size_ % 2 != 0)
      file->damaged("a table at offset {} with a damaged list of fields", at);
  }

  bool exists() const { return file_ != nullptr; }
  bool has(int slot) const { return field(slot) != 0; }

  template <typename T>
  T scalar(int slot, T fallback) const {
    const uint64_t position = field(slot);
    return position == 0 ? fallback : file_->number<T>(position);
  }

  FlatTable table(int slot) const {
    const uint64_t position = field(slot);
    return position == 0 ? FlatTable() : FlatTable(file_, follow(position));
  }

  // Of elements of `element_bytes` bytes; empty when absent.
  FlatVector vector(int slot, uint64_t element_bytes) const {
    const uint64_t position = field(slot);
    if (position == 0) return {};
    const uint64_t start = follow(position);
    const auto count = file_->number<uint32_t>(start);
    file_->text(start + 4, count * element_bytes);  // throws when it does not fit
    return {file_, start + 4, count};
  }

 private:
  uint64_t field(int slot) const {
    const uint64_t entry = 4 + 2 * static_cast<uint64_t>(slot);
    if (file_ == nullptr || entry + 2 > vtable_size_) return 0;
    const auto offset = file_->number<uint16_t>(vtable_ + entry);
    return offset == 0 ? 0 : at_ + offset;
  }

  uint64_t follow(uint64_t position) const { return position + file_->number<uint32_t>(position); }

  friend class FlatVector;
  const ByteReader* file_ = nullptr;
  uint64_t at_ = 0, vtable_ = 0;
  uint16_t vtable_size_ = 0;
};

inline FlatTable FlatVector::table(uint32_t index) const {
  const uint64_t position = first_ + uint64_t{index} * 4;
  return {file_, position + file_->number<uint32_t>(position)};
}

}  // namespace shrike::graph::tflite
