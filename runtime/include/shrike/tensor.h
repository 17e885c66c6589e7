// Targets, data types, shapes and tensor views shared by the whole runtime.
#pragma once
#include <stdint.h>

namespace shrike {

// A chip: its place in the table of runtime/chips, whose rows say in what chips differ (rounding, widths,
// layout; never the graph).
enum class Target : uint8_t {
  kEsp32p4,
  kEsp32s3,
  kEsp32,
  kOfFile = 255,  // in ModelOptions: the chip that the file names
};
// The chip where neither a file nor the user names one.
inline constexpr Target kDefaultTarget = Target::kEsp32p4;

enum class Rounding : uint8_t { kHalfEven, kHalfUp };

Rounding rounding_of(Target target);

// esp32s3 accumulates most 8-bit channels in 20-bit lanes that saturate after every multiply-add
// (spec/numerics.md 3.3). kWide replaces them by 32-bit sums, to show what the lanes cost.
enum class Accumulators : uint8_t { kExactChip, kWide };

// Numbers as stored in the file (spec/espdl-format.md section 2).
enum class DataType : uint8_t {
  kUndefined = 0,
  kFloat32 = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kUint32 = 12,
  kUint64 = 13,
};

constexpr uint32_t size_of(DataType type) {
  switch (type) {
    case DataType::kUint8:
    case DataType::kInt8:
    case DataType::kBool:
      return 1;
    case DataType::kUint16:
    case DataType::kInt16:
      return 2;
    case DataType::kFloat32:
    case DataType::kInt32:
    case DataType::kUint32:
      return 4;
    case DataType::kInt64:
    case DataType::kUint64:
      return 8;
    default:
      return 0;
  }
}

constexpr int kMaxRank = 6;

// Stored order, e.g. [N, H, W, C] around convolutions. Every dimension is >= 1; rank 0 is a scalar.
struct Shape {
  int32_t rank = 0;
  int32_t dims[kMaxRank] = {};

  int64_t elements() const {
    int64_t count = 1;
    for (int32_t i = 0; i < rank; ++i) count *= dims[i];
    return count;
  }
  bool operator==(const Shape& other) const {
    if (rank != other.rank) return false;
    for (int32_t i = 0; i < rank; ++i) {
      if (dims[i] != other.dims[i]) return false;
    }
    return true;
  }
};

// Text inside the file: not NUL-terminated.
struct Text {
  const char* data = "";
  uint32_t size = 0;

  bool operator==(const char* other) const {
    uint32_t i = 0;
    for (; i < size; ++i) {
      if (other[i] == '\0' || other[i] != data[i]) return false;
    }
    return other[i] == '\0';
  }
  bool operator==(Text other) const {
    if (size != other.size) return false;
    for (uint32_t i = 0; i < size; ++i) {
      if (data[i] != other.data[i]) return false;
    }
    return true;
  }
};

// A tensor as the outside sees it: real value = stored integer * 2^exponent. `data` is owned by the model's
// arena (or the file) and, unless all tensors are kept, valid only as model.h says.
struct TensorView {
  Text name;
  DataType type = DataType::kUndefined;
  Shape shape;
  int32_t exponent = 0;
  void* data = nullptr;
  uint64_t bytes = 0;
};

}  // namespace shrike
