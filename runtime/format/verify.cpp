#include "format/verify.h"

#include "format/flat.h"

namespace shrike::format {
namespace {

enum class Kind : uint8_t {
  kInline,  // scalar or struct of `size` bytes, aligned to its size
  kString,
  kInlineVector,  // elements of `size` bytes, aligned to their size
  kStringVector,
  kTable,
  kTableVector,
  kTypeUnion,  // TypeInfo's value; the slot before it is the discriminator
};

enum TableId : uint8_t {
  kModel,
  kGraph,
  kNode,
  kAttribute,
  kTensor,
  kValueInfo,
  kTypeInfo,
  kTensorType,
  kShape,
  kDim,
  kDimValue,
  kElementOnly /* SequenceType, OptionalType */,
  kMapType,
  kKeyValue,
  kOpsetId,
  kAnnotation,
  kFunction,
  kTableIds
};

struct Field {
  Kind kind;
  uint8_t size;
  TableId table;
};

constexpr Field scalar(uint8_t size) {
  return {Kind::kInline, size, kModel};
}
constexpr Field text() {
  return {Kind::kString, 0, kModel};
}
constexpr Field texts() {
  return {Kind::kStringVector, 0, kModel};
}
constexpr Field list(uint8_t size) {
  return {Kind::kInlineVector, size, kModel};
}
constexpr Field one(TableId table) {
  return {Kind::kTable, 0, table};
}
constexpr Field many(TableId table) {
  return {Kind::kTableVector, 0, table};
}

constexpr Field kModelFields[] = {scalar(4), many(kOpsetId), text(),      text(),          text(),
                                  scalar(8), text(),         one(kGraph), many(kKeyValue), many(kFunction)};
constexpr Field kGraphFields[] = {many(kNode),      text(),           many(kTensor),    text(),
                                  many(kValueInfo), many(kValueInfo), many(kValueInfo), many(kAnnotation),
                                  many(kTensor),    many(kTensor)};
constexpr Field kNodeFields[] = {texts(), texts(), text(), text(), text(), many(kAttribute), text()};
constexpr Field kAttributeFields[] = {
    text(),      text(),         text(),  scalar(4), scalar(4), scalar(8),     list(1),      one(kTensor),
    one(kGraph), one(kTypeInfo), list(4), list(8),   texts(),   many(kTensor), many(kGraph), many(kTypeInfo)};
constexpr Field kTensorFields[] = {list(8), scalar(4), list(4),         list(4),   texts(), list(8), text(),
                                   text(),  list(16),  many(kKeyValue), scalar(4), list(8), list(8), list(8)};
constexpr Field kValueInfoFields[] = {text(), one(kTypeInfo), text(), list(8)};
constexpr Field kTypeInfoFields[] = {scalar(1), {Kind::kTypeUnion, 0, kModel}, text()};
constexpr Field kTensorTypeFields[] = {scalar(4), one(kShape)};
constexpr Field kShapeFields[] = {many(kDim)};
constexpr Field kDimFields[] = {one(kDimValue), text()};
constexpr Field kDimValueFields[] = {scalar(1), scalar(8), text()};
constexpr Field kElementOnlyFields[] = {one(kTypeInfo)};
constexpr Field kMapTypeFields[] = {scalar(4), one(kTypeInfo)};
constexpr Field kKeyValueFields[] = {text(), text()};
constexpr Field kOpsetIdFields[] = {text(), scalar(8)};
constexpr Field kAnnotationFields[] = {text(), many(kKeyValue)};
constexpr Field kFunctionFields[] = {text(),      texts(), texts(),        texts(), many(kAttribute),
                                     many(kNode), text(),  many(kOpsetId), text()};

struct TableFields {
  const Field* fields;
  int count;
};

template <int count>
constexpr TableFields fields_of(const Field (&fields)[count]) {
  return {fields, count};
}

constexpr TableFields kSchema[kTableIds] = {
    fields_of(kModelFields),      fields_of(kGraphFields),      fields_of(kNodeFields),
    fields_of(kAttributeFields),  fields_of(kTensorFields),     fields_of(kValueInfoFields),
    fields_of(kTypeInfoFields),   fields_of(kTensorTypeFields), fields_of(kShapeFields),
    fields_of(kDimFields),        fields_of(kDimValueFields),   fields_of(kElementOnlyFields),
    fields_of(kMapTypeFields),    fields_of(kKeyValueFields),   fields_of(kOpsetIdFields),
    fields_of(kAnnotationFields), fields_of(kFunctionFields)};

// A real model nests 9 deep (Model, Graph, ValueInfo, TypeInfo, TensorType, Shape, Dim, DimValue, string).
constexpr int kMaxDepth = 16;

class Verifier {
 public:
  explicit Verifier(const Payload& payload)
      : data_(payload.data), size_(payload.size), budget_(uint64_t{16} * payload.size + 4096) {}

  Status run() {
    uint32_t root = 0;
    if (size_ < 8) return reject("payload too small for a root table", 0);
    if (!follow_offset(0, &root) || !table(root, kModel, 0)) return status_;
    return {};
  }

 private:
  Status reject(const char* detail, uint64_t position) {
    return make_status(StatusCode::kCorrupt, detail, -1, static_cast<uint32_t>(position));
  }
  bool fail(const char* detail, uint64_t position) {
    status_ = reject(detail, position);
    return false;
  }

  // Sharing lets a small file describe a huge tree; the budget keeps the walk linear in the file's size.
  bool spend(uint64_t work, uint32_t position) {
    if (work > budget_) return fail("tables are shared more often than any model needs", position);
    budget_ -= work;
    return true;
  }

  // Reads the forward offset at `position` (in bounds already) and gives its 4-byte aligned target.
  bool follow_offset(uint32_t position, uint32_t* target) {
    const uint64_t to = uint64_t{position} + load<uint32_t>(data_ + position);
    if (to == position) return fail("offset of zero", position);
    if (to + 4 > size_) return fail("offset leaves the payload", position);
    if (to % 4 != 0) return fail("offset target is not aligned", position);
    *target = static_cast<uint32_t>(to);
    return true;
  }

  bool vector(uint32_t position, uint32_t element_size, uint32_t alignment, uint32_t* length) {
    *length = load<uint32_t>(data_ + position);
    const uint64_t begin = uint64_t{position} + 4;
    if (*length > (size_ - begin) / element_size) return fail("vector leaves the payload", position);
    if (*length > 0 && begin % alignment != 0) return fail("vector elements are not aligned", position);
    return spend(16, position);
  }

  bool string(uint32_t position) {
    uint32_t length = 0;
    if (!vector(position, 1, 1, &length) || !spend(length, position)) return false;
    const uint64_t end = uint64_t{position} + 4 + length;
    if (end >= size_ || data_[end] != 0) return fail("string is not terminated", position);
    return true;
  }

  bool offset_vector(uint32_t position, const Field& field, int depth) {
    uint32_t length = 0;
    if (!vector(position, 4, 4, &length)) return false;
    for (uint32_t i = 0; i < length; ++i) {
      uint32_t target = 0;
      if (!follow_offset(position + 4 + 4 * i, &target)) return false;
      if (!(field.kind == Kind::kStringVector ? string(target) : table(target, field.table, depth + 1)))
        return false;
    }
    return true;
  }

  bool type_union(uint32_t position, uint8_t discriminator, int depth) {
    constexpr TableId kMembers[] = {kTensorType, kElementOnly, kMapType, kElementOnly};
    uint32_t target = 0;
    if (discriminator < 1 || discriminator > 4) return fail("unknown type discriminator", position);
    return follow_offset(position, &target) && table(target, kMembers[discriminator - 1], depth + 1);
  }

  bool field(uint32_t position, const Field& field, uint8_t discriminator, int depth) {
    uint32_t target = 0, length = 0;
    switch (field.kind) {
      case Kind::kInline:
        return true;
      case Kind::kTypeUnion:
        return type_union(position, discriminator, depth);
      case Kind::kString:
        return follow_offset(position, &target) && string(target);
      case Kind::kInlineVector:
        return follow_offset(position, &target) && vector(target, field.size, field.size, &length);
      case Kind::kTable:
        return follow_offset(position, &target) && table(target, field.table, depth + 1);
      case Kind::kStringVector:
      case Kind::kTableVector:
        return follow_offset(position, &target) && offset_vector(target, field, depth);
    }
    return false;
  }

  bool table(uint32_t position, TableId id, int depth) {
    if (depth > kMaxDepth) return fail("tables are nested too deeply", position);
    const int64_t vtable = int64_t{position} - load<int32_t>(data_ + position);
    if (vtable < 0 || vtable + 4 > size_ || vtable % 2 != 0)
      return fail("vtable leaves the payload", position);
    const uint16_t vtable_size = load<uint16_t>(data_ + vtable);
    const uint16_t table_size = load<uint16_t>(data_ + vtable + 2);
    if (vtable_size < 4 || vtable_size % 2 != 0 || vtable + vtable_size > size_) {
      return fail("vtable has a wrong size", static_cast<uint64_t>(vtable));
    }
    if (table_size < 4 || uint64_t{position} + table_size > size_)
      return fail("table leaves the payload", position);
    if (!spend(uint64_t{32} + vtable_size, position)) return false;

    const TableFields& schema = kSchema[id];
    const int slots = (vtable_size - 4) / 2;
    uint8_t discriminator = 0;
    for (int slot = 0; slot < slots; ++slot) {
      const uint16_t offset = load<uint16_t>(data_ + vtable + 4 + 2 * slot);
      if (offset == 0) continue;
      // Fields of later schema versions have an unknown size: they are never read, so the start is enough.
      const bool known = slot < schema.count;
      const Field unknown = scalar(1);
      const Field& expected = known ? schema.fields[slot] : unknown;
      const uint32_t size = expected.kind == Kind::kInline ? expected.size : 4;
      if (offset < 4 || uint32_t{offset} + size > table_size) return fail("field leaves its table", position);
      const uint32_t at = position + offset;
      if (at % size != 0) return fail("field is not aligned", at);
      if (!field(at, expected, discriminator, depth)) return false;
      if (id == kTypeInfo && slot == 0) discriminator = data_[at];
    }
    return true;
  }

  const uint8_t* data_;
  uint32_t size_;
  uint64_t budget_;
  Status status_;
};

}  // namespace

Status verify_payload(const Payload& payload) {
  Verifier verifier(payload);
  return verifier.run();
}

}  // namespace shrike::format
