// What the page in the browser (web/) says about tensors too: nothing but the C++ library is needed for it.
#include <cstring>

#include "toolchain/host/tensors.h"

namespace shrike::host {
namespace {

uint64_t splitmix64(uint64_t& state) {
  uint64_t z = state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

std::string to_string(Text text) {
  return {text.data, text.size};
}

std::string type_name(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return "float32";
    case DataType::kUint8:
      return "uint8";
    case DataType::kInt8:
      return "int8";
    case DataType::kUint16:
      return "uint16";
    case DataType::kInt16:
      return "int16";
    case DataType::kInt32:
      return "int32";
    case DataType::kInt64:
      return "int64";
    case DataType::kBool:
      return "bool";
    case DataType::kUint32:
      return "uint32";
    case DataType::kUint64:
      return "uint64";
    case DataType::kUndefined:
      break;
  }
  return "absent";
}

void fill_inputs(const Model& model, uint64_t seed) {
  uint64_t state = seed;
  for (int32_t i = 0; i < model.input_count(); ++i) {
    const TensorView input = model.input(i);
    const int64_t count = input.shape.elements();
    for (int64_t j = 0; j < count; ++j) {
      const uint64_t random = splitmix64(state);
      uint8_t* place = static_cast<uint8_t*>(input.data) + static_cast<uint64_t>(j) * size_of(input.type);
      if (input.type == DataType::kFloat32) {
        const float value = static_cast<float>(random >> 40) * 0x1p-23f - 1.0f;
        std::memcpy(place, &value, sizeof value);
      } else {
        std::memcpy(place, &random, size_of(input.type));
      }
    }
  }
}

}  // namespace shrike::host
