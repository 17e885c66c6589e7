#include "toolchain/host/tensors.h"

#include <fmt/format.h>

#include <cstring>

#include "toolchain/support/error.h"

namespace shrike::host {
namespace {

template <typename T>
T load_element(const TensorView& tensor, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const uint8_t*>(tensor.data) + index * sizeof(T), sizeof(T));
  return value;
}

// Calls `use` with the element in its own type.
template <typename Use>
auto with_element(const TensorView& tensor, int64_t index, Use use) {
  switch (tensor.type) {
    case DataType::kFloat32:
      return use(load_element<float>(tensor, index));
    case DataType::kUint8:
    case DataType::kBool:
      return use(load_element<uint8_t>(tensor, index));
    case DataType::kInt8:
      return use(load_element<int8_t>(tensor, index));
    case DataType::kUint16:
      return use(load_element<uint16_t>(tensor, index));
    case DataType::kInt16:
      return use(load_element<int16_t>(tensor, index));
    case DataType::kInt32:
      return use(load_element<int32_t>(tensor, index));
    case DataType::kUint32:
      return use(load_element<uint32_t>(tensor, index));
    case DataType::kUint64:
      return use(load_element<uint64_t>(tensor, index));
    default:
      return use(load_element<int64_t>(tensor, index));
  }
}

}  // namespace

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.dims, shape.dims + shape.rank, ", "));
}

double element(const TensorView& tensor, int64_t index) {
  return with_element(tensor, index, [](auto value) { return static_cast<double>(value); });
}

std::string element_text(const TensorView& tensor, int64_t index) {
  return with_element(tensor, index, [](auto value) { return fmt::format("{}", value); });
}

std::string coordinate_text(const Shape& shape, int64_t index) {
  std::vector<int64_t> coordinate(static_cast<size_t>(shape.rank));
  for (int32_t i = shape.rank - 1; i >= 0; --i) {
    coordinate[static_cast<size_t>(i)] = index % shape.dims[i];
    index /= shape.dims[i];
  }
  return fmt::format("[{}]", fmt::join(coordinate, ", "));
}

}  // namespace shrike::host
