#include "model/decode.h"

#include "format/schema.h"

namespace shrike {
namespace {

using namespace format;

bool known_type(int32_t number) {
  return number >= 0 && number <= 13 && size_of(static_cast<DataType>(number)) != 0;
}

bool valid_exponent(int64_t exponent) {
  return exponent >= kMinExponent && exponent <= kMaxExponent;
}

// One extent that may be 0 for initializers.
bool append_dimension(Shape* shape, int64_t extent, int64_t* elements) {
  if (shape->rank == kMaxRank || extent < 0 || extent > kMaxElements) return false;
  shape->dims[shape->rank++] = static_cast<int32_t>(extent);
  *elements *= extent;
  return *elements <= kMaxElements;
}

}  // namespace

bool valid_shape(const Shape& shape) {
  if (shape.rank < 0 || shape.rank > kMaxRank) return false;
  int64_t elements = 1;
  for (int32_t i = 0; i < shape.rank; ++i) {
    if (shape.dims[i] < 1) return false;
    elements *= shape.dims[i];
    if (elements > kMaxElements) return false;
  }
  return true;
}

Status decode_tensor(Table table, Tensor* tensor) {
  tensor->constant = true;
  tensor->name = table.text(tensor_slot::kName);
  const int32_t type = table.scalar<int32_t>(tensor_slot::kDataType);
  if (!known_type(type))
    return make_status(StatusCode::kUnsupportedType, "initializer of an unsupported data type");
  tensor->type = static_cast<DataType>(type);

  int64_t elements = 1;
  const Vector dims = table.vector(tensor_slot::kDims);
  for (uint32_t i = 0; i < dims.size; ++i) {
    if (!append_dimension(&tensor->shape, dims.int64(i), &elements)) {
      return make_status(StatusCode::kBadShape, "initializer with impossible dimensions");
    }
  }
  // Lists of positions (INT64) and of factors (FLOAT) may be empty, numbers to compute with may not.
  if (elements == 0 && tensor->type != DataType::kInt64 && tensor->type != DataType::kFloat32)
    return make_status(StatusCode::kBadShape, "initializer without a single element");
  const Vector raw = table.vector(tensor_slot::kRawData);
  if (uint64_t{raw.size} * kBlockBytes < static_cast<uint64_t>(elements) * size_of(tensor->type)) {
    return make_status(StatusCode::kCorrupt, "initializer has fewer bytes than its dimensions need");
  }
  tensor->data = const_cast<uint8_t*>(raw.data);  // in the file: `constant` says that nobody writes

  const Vector exponents = table.vector(tensor_slot::kExponents);
  for (uint32_t i = 0; i < exponents.size; ++i) {
    if (!valid_exponent(exponents.int64(i))) {
      return make_status(StatusCode::kBadExponent, "initializer with an exponent out of range");
    }
  }
  if (exponents.size > 0) tensor->exponent = static_cast<int32_t>(exponents.int64(0));
  if (exponents.size > static_cast<uint32_t>(kMaxElements)) {
    return make_status(StatusCode::kBadExponent, "initializer with too many exponents");
  }
  if (exponents.size >= 2) {
    tensor->exponents = reinterpret_cast<const int64_t*>(exponents.data);
    tensor->exponent_count = static_cast<int32_t>(exponents.size);
  }
  return {};
}

Status decode_variable(Table value_info, Tensor* tensor) {
  tensor->name = value_info.text(value_slot::kName);
  const Table info = value_info.table(value_slot::kType);
  if (info.scalar<uint8_t>(type_slot::kDiscriminator) != kTypeIsTensor) {
    return make_status(StatusCode::kUnsupportedType, "variable without a tensor type");
  }
  const int32_t type = info.table(type_slot::kValue).scalar<int32_t>(tensor_type_slot::kElementType);
  if (!known_type(type))
    return make_status(StatusCode::kUnsupportedType, "variable of an unsupported data type");
  tensor->type = static_cast<DataType>(type);
  const Vector exponents = value_info.vector(value_slot::kExponents);
  if (exponents.size == 0) return make_status(StatusCode::kBadExponent, "variable without an exponent");
  if (!valid_exponent(exponents.int64(0))) {
    return make_status(StatusCode::kBadExponent, "variable with an exponent out of range");
  }
  tensor->exponent = static_cast<int32_t>(exponents.int64(0));
  return {};
}

Status decode_shape(Table value_info, Shape* shape) {
  const Table info = value_info.table(value_slot::kType);
  if (info.scalar<uint8_t>(type_slot::kDiscriminator) != kTypeIsTensor) {
    return make_status(StatusCode::kUnsupportedType, "graph input without a tensor type");
  }
  const Table stored = info.table(type_slot::kValue).table(tensor_type_slot::kShape);
  if (!stored.present()) return make_status(StatusCode::kBadShape, "graph input without a shape");
  const Vector dims = stored.vector(shape_slot::kDims);
  int64_t elements = 1;
  for (uint32_t i = 0; i < dims.size; ++i) {
    const Table value = dims.table(i).table(dim_slot::kValue);
    if (value.scalar<int8_t>(dim_value_slot::kKind) != kDimensionIsValue) {
      return make_status(StatusCode::kBadShape, "graph input with a dimension that is not fixed");
    }
    if (!append_dimension(shape, value.scalar<int64_t>(dim_value_slot::kValue), &elements) || elements == 0) {
      return make_status(StatusCode::kBadShape, "graph input with impossible dimensions");
    }
  }
  return {};
}

}  // namespace shrike
