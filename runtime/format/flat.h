// Reading access to a FlatBuffers payload (little-endian). Nothing here checks anything: verify_payload()
// (verify.h) must have accepted the payload first, then every access below stays inside it.
#pragma once
#include <stdint.h>
#include <string.h>

#include "shrike/tensor.h"

namespace shrike::format {

// The payload is little-endian and so is every machine we build for.
template <typename T>
inline T load(const uint8_t* address) {
  T value;
  memcpy(&value, address, sizeof value);
  return value;
}

// The object that the forward offset stored at `address` points to.
inline const uint8_t* follow(const uint8_t* address) {
  return address + load<uint32_t>(address);
}

struct Table;

// `data` points at element 0; an absent vector has size 0.
struct Vector {
  const uint8_t* data = nullptr;
  uint32_t size = 0;

  inline Table table(uint32_t index) const;
  Text text(uint32_t index) const;
  int64_t int64(uint32_t index) const { return load<int64_t>(data + 8 * static_cast<size_t>(index)); }
};

inline Vector vector_at(const uint8_t* address) {
  return {address + 4, load<uint32_t>(address)};
}

inline Text text_at(const uint8_t* address) {
  return {reinterpret_cast<const char*>(address + 4), load<uint32_t>(address)};
}

struct Table {
  const uint8_t* data = nullptr;  // null: absent; then every field is absent too

  bool present() const { return data != nullptr; }

  // Address of a field's inline bytes, null when the field is absent.
  const uint8_t* field(int slot) const {
    if (data == nullptr) return nullptr;
    const uint8_t* vtable = data - load<int32_t>(data);
    const int entry = 4 + 2 * slot;
    if (entry + 2 > load<uint16_t>(vtable)) return nullptr;
    const uint16_t offset = load<uint16_t>(vtable + entry);
    return offset == 0 ? nullptr : data + offset;
  }

  template <typename T>
  T scalar(int slot) const {
    const uint8_t* address = field(slot);
    return address == nullptr ? T{} : load<T>(address);
  }

  Table table(int slot) const {
    const uint8_t* address = field(slot);
    return {address == nullptr ? nullptr : follow(address)};
  }

  Vector vector(int slot) const {
    const uint8_t* address = field(slot);
    return address == nullptr ? Vector{} : vector_at(follow(address));
  }

  Text text(int slot) const {
    const uint8_t* address = field(slot);
    return address == nullptr ? Text{} : text_at(follow(address));
  }
};

inline Table Vector::table(uint32_t index) const {
  return {follow(data + 4 * static_cast<size_t>(index))};
}
inline Text Vector::text(uint32_t index) const {
  return text_at(follow(data + 4 * static_cast<size_t>(index)));
}

}  // namespace shrike::format
