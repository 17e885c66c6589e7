#include "toolchain/import/onnx/tensor.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "toolchain/import/float16.h"
#include "toolchain/support/error.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph {
namespace {

using onnx::TensorProto;

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

// Product of the dims; fails on negative dims and on more elements than any detector holds.
int64_t count_elements(const TensorProto& proto, const std::string& where) {
  constexpr int64_t kMost = model_limits::kElements;
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

void read_floats(Tensor& tensor, const TensorProto& proto, const std::string* raw_data, int64_t count,
                 const std::string& where) {
  const auto half = [](auto bits) { return from_half(static_cast<uint16_t>(bits)); };
  const auto brain = [](auto bits) { return from_bfloat16(static_cast<uint16_t>(bits)); };
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
      tensor.values = raw_data != nullptr ? from_raw<float, float>(*raw_data, count, where, Same{})
                                          : from_list<float>(proto.float_data(), count, where, Same{});
      break;
    case TensorProto::DOUBLE:
      tensor.values = raw_data != nullptr ? from_raw<double, float>(*raw_data, count, where, Same{})
                                          : from_list<float>(proto.double_data(), count, where, Same{});
      break;
    case TensorProto::FLOAT16:
      tensor.values = raw_data != nullptr ? from_raw<uint16_t, float>(*raw_data, count, where, half)
                                          : from_list<float>(proto.int32_data(), count, where, half);
      break;
    default:
      tensor.values = raw_data != nullptr ? from_raw<uint16_t, float>(*raw_data, count, where, brain)
                                          : from_list<float>(proto.int32_data(), count, where, brain);
  }
  for (const float value : tensor.values) {
    if (std::isnan(value)) fail("{}: finite values were expected, found NaN; export the model again", where);
  }
}

template <typename Stored>
void read_integers(Tensor& tensor, const TensorProto& proto, const std::string* raw_data, int64_t count,
                   const std::string& where) {
  tensor.type = ElementType::kInt64;
  if (raw_data != nullptr) {
    tensor.integers = from_raw<Stored, int64_t>(*raw_data, count, where, Same{});
  } else if constexpr (std::is_unsigned_v<Stored> && sizeof(Stored) >= 4) {
    tensor.integers = from_list<int64_t>(proto.uint64_data(), count, where, Same{});
  } else if constexpr (sizeof(Stored) == 8) {
    tensor.integers = from_list<int64_t>(proto.int64_data(), count, where, Same{});
  } else {
    tensor.integers = from_list<int64_t>(proto.int32_data(), count, where, Same{});
  }
}

uint64_t element_bytes(int type) {
  switch (type) {
    case TensorProto::DOUBLE:
    case TensorProto::INT64:
    case TensorProto::UINT64:
      return 8;
    case TensorProto::FLOAT:
    case TensorProto::INT32:
    case TensorProto::UINT32:
      return 4;
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
    case TensorProto::INT16:
    case TensorProto::UINT16:
      return 2;
    default:
      return 1;  // or a type that is refused
  }
}

// A tensor's values stand in one place. With two of them readers of the file differ in what the model is.
void check_one_place(const TensorProto& proto, const std::string& where) {
  const int lists = proto.float_data_size() + proto.int32_data_size() + proto.int64_data_size() +
                    proto.uint64_data_size() + proto.double_data_size() + proto.string_data_size();
  const bool external = proto.data_location() == TensorProto::EXTERNAL;
  const int places =
      (lists > 0 ? 1 : 0) + (proto.has_raw_data() && !proto.raw_data().empty() ? 1 : 0) + (external ? 1 : 0);
  if (places > 1)
    fail("{}: its data were expected in one place, found {}; export the model again", where, places);
  if (external != (proto.external_data_size() > 0))
    fail("{}: it states a file of external data and that there is none; export the model again", where);
  if (proto.has_segment())
    fail("{}: it is a segment of a tensor, which is not supported; export the model again", where);
}

}  // namespace

std::string element_type_name(int type) {
  const std::string& name = onnx::TensorProto_DataType_Name(static_cast<onnx::TensorProto_DataType>(type));
  return name.empty() ? fmt::format("number {}", type) : name;
}

Tensor read_tensor(const TensorProto& proto, const std::string& where, ExternalData& files) {
  check_one_place(proto, where);
  Tensor tensor;
  tensor.name = proto.name();
  tensor.constant = true;
  const int64_t count = count_elements(proto, where);
  tensor.shape.assign(proto.dims().begin(), proto.dims().end());
  std::string external;
  const std::string* raw = proto.raw_data().empty() ? nullptr : &proto.raw_data();
  if (proto.data_location() == TensorProto::EXTERNAL) {
    external = files.read(proto, static_cast<uint64_t>(count) * element_bytes(proto.data_type()), where);
    raw = &external;
  }
  switch (proto.data_type()) {
    case TensorProto::FLOAT:
    case TensorProto::DOUBLE:
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
      read_floats(tensor, proto, raw, count, where);
      break;
    case TensorProto::INT64:
      read_integers<int64_t>(tensor, proto, raw, count, where);
      break;
    case TensorProto::INT32:
      read_integers<int32_t>(tensor, proto, raw, count, where);
      break;
    case TensorProto::INT16:
      read_integers<int16_t>(tensor, proto, raw, count, where);
      break;
    case TensorProto::INT8:
      read_integers<int8_t>(tensor, proto, raw, count, where);
      break;
    case TensorProto::UINT64:
      read_integers<uint64_t>(tensor, proto, raw, count, where);
      break;
    case TensorProto::UINT32:
      read_integers<uint32_t>(tensor, proto, raw, count, where);
      break;
    case TensorProto::UINT16:
      read_integers<uint16_t>(tensor, proto, raw, count, where);
      break;
    case TensorProto::UINT8:
    case TensorProto::BOOL:
      read_integers<uint8_t>(tensor, proto, raw, count, where);
      break;
    default:
      fail("{}: float, integer or boolean elements were expected, found {}; export the model in float32",
           where, element_type_name(proto.data_type()));
  }
  return tensor;
}

}  // namespace shrike::graph
