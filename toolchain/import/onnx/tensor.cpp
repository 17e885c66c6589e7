#include "toolchain/import/onnx/tensor.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "toolchain/support/error.h"

namespace shrike::graph {
namespace {

using onnx::TensorProto;

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

float from_half(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  float magnitude = 0;
  if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), -24);
  } else if (exponent == 31) {
    magnitude = fraction == 0 ? INFINITY : NAN;
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

float from_bfloat16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// Product of the dims; fails on negative dims and on more elements than any detector holds.
int64_t count_elements(const TensorProto& proto, const std::string& where) {
  constexpr int64_t kMost = int64_t{1} << 31;
  int64_t count = 1;
  for (const int64_t dim : proto.dims()) {
    if (dim < 0 || dim > kMost || count * dim > kMost) {
      fail(
          "{}: dimensions between 0 and 2^31 elements were expected, found a size of {}; the file is damaged",
          where, dim);
    }
    count *= dim;
  }
  return count;
}

template <typename Stored, typename Out, typename Convert>
std::vector<Out> from_raw(const std::string& raw, int64_t count, const std::string& where, Convert convert) {
  if (raw.size() != static_cast<size_t>(count) * sizeof(Stored)) {
    fail("{}: {} bytes of data were expected for its shape, found {}; the file is damaged", where,
         count * sizeof(Stored), raw.size());
  }
  std::vector<Out> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, raw.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = static_cast<Out>(convert(stored));
  }
  return values;
}

template <typename Out, typename List, typename Convert>
std::vector<Out> from_list(const List& list, int64_t count, const std::string& where, Convert convert) {
  if (list.size() != count) {
    fail("{}: {} values were expected for its shape, found {}; the file is damaged", where, count,
         list.size());
  }
  std::vector<Out> values;
  values.reserve(static_cast<size_t>(count));
  for (const auto value : list) values.push_back(static_cast<Out>(convert(value)));
  return values;
}

struct Same {
  template <typename T>
  T operator()(T value) const {
    return value;
  }
};

void read_floats(Tensor& tensor, const TensorProto& proto, int64_t count, const std::string& where) {
  const bool raw = proto.has_raw_data();
  const auto half = [](auto bits) { return from_half(static_cast<uint16_t>(bits)); };
  const auto brain = [](auto bits) { return from_bfloat16(static_cast<uint16_t>(bits)); };
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
      tensor.values = raw ? from_raw<float, float>(proto.raw_data(), count, where, Same{})
                          : from_list<float>(proto.float_data(), count, where, Same{});
      break;
    case TensorProto::DOUBLE:
      tensor.values = raw ? from_raw<double, float>(proto.raw_data(), count, where, Same{})
                          : from_list<float>(proto.double_data(), count, where, Same{});
      break;
    case TensorProto::FLOAT16:
      tensor.values = raw ? from_raw<uint16_t, float>(proto.raw_data(), count, where, half)
                          : from_list<float>(proto.int32_data(), count, where, half);
      break;
    default:
      tensor.values = raw ? from_raw<uint16_t, float>(proto.raw_data(), count, where, brain)
                          : from_list<float>(proto.int32_data(), count, where, brain);
  }
  for (const float value : tensor.values) {
    if (std::isnan(value)) fail("{}: finite values were expected, found NaN; export the model again", where);
  }
}

template <typename Stored>
void read_integers(Tensor& tensor, const TensorProto& proto, int64_t count, const std::string& where) {
  tensor.type = ElementType::kInt64;
  if (proto.has_raw_data()) {
    tensor.integers = from_raw<Stored, int64_t>(proto.raw_data(), count, where, Same{});
  } else if constexpr (sizeof(Stored) == 8) {
    tensor.integers = from_list<int64_t>(proto.int64_data(), count, where, Same{});
  } else {
    tensor.integers = from_list<int64_t>(proto.int32_data(), count, where, Same{});
  }
}

}  // namespace

std::string element_type_name(int type) {
  const std::string& name = onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(type));
  return name.empty() ? fmt::format("number {}", type) : name;
}

Tensor read_tensor(const TensorProto& proto, const std::string& where) {
  if (proto.data_location() == TensorProto::EXTERNAL || proto.external_data_size() > 0) {
    fail("{}: its data lie in a separate file, which is not supported; save the model as one .onnx file",
         where);
  }
  Tensor tensor;
  tensor.name = proto.name();
  tensor.constant = true;
  const int64_t count = count_elements(proto, where);
  tensor.shape.assign(proto.dims().begin(), proto.dims().end());
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
    case TensorProto::DOUBLE:
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
      read_floats(tensor, proto, count, where);
      break;
    case TensorProto::INT64:
      read_integers<int64_t>(tensor, proto, count, where);
      break;
    case TensorProto::INT32:
      read_integers<int32_t>(tensor, proto, count, where);
      break;
    case TensorProto::INT16:
      read_integers<int16_t>(tensor, proto, count, where);
      break;
    case TensorProto::INT8:
      read_integers<int8_t>(tensor, proto, count, where);
      break;
    case TensorProto::UINT16:
      read_integers<uint16_t>(tensor, proto, count, where);
      break;
    case TensorProto::UINT8:
    case TensorProto::BOOL:
      read_integers<uint8_t>(tensor, proto, count, where);
      break;
    default:
      fail("{}: float, integer or boolean elements were expected, found {}; export the model in float32",
           where, element_type_name(proto.data_type()));
  }
  return tensor;
}

}  // namespace shrike::graph
