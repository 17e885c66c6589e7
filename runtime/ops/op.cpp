// What Prepare and Attributes offer to the operators, on top of the loader.
#include "ops/op.h"

#include "format/schema.h"
#include "model/loader.h"

namespace shrike {
namespace {

using namespace format;

NodeContext& context_of(const Prepare& prepare) {
  return *static_cast<NodeContext*>(prepare.internal);
}

// The attribute's table, absent when there is none. One of another kind counts as absent and fails the node.
Table find_attribute(const Attributes& attributes, const char* name, int32_t kind, int value_slot) {
  NodeContext& context = context_of(*attributes.owner);
  const Vector all = context.node->table.vector(node_slot::kAttributes);
  for (uint32_t i = 0; i < all.size; ++i) {
    const Table attribute = all.table(i);
    if (!(attribute.text(attribute_slot::kName) == name)) continue;
    if (kind == 0) return attribute;
    if (attribute.scalar<int32_t>(attribute_slot::kKind) == kind && attribute.field(value_slot) != nullptr) {
      return attribute;
    }
    context.loader->bad_attribute = "attribute of another kind than the operator expects";
    return {};
  }
  return {};
}

}  // namespace

bool Attributes::has(const char* name) const {
  return find_attribute(*this, name, 0, 0).present();
}

int64_t Attributes::integer(const char* name, int64_t fallback) const {
  const Table attribute = find_attribute(*this, name, kAttributeInt, attribute_slot::kInt);
  return attribute.present() ? attribute.scalar<int64_t>(attribute_slot::kInt) : fallback;
}

float Attributes::real(const char* name, float fallback) const {
  const Table attribute = find_attribute(*this, name, kAttributeFloat, attribute_slot::kFloat);
  return attribute.present() ? attribute.scalar<float>(attribute_slot::kFloat) : fallback;
}

Text Attributes::text(const char* name) const {
  // A byte vector without terminator (spec/espdl-format.md section 2), hence not Table::text's verified
  // string.
  const Vector bytes =
      find_attribute(*this, name, kAttributeString, attribute_slot::kString).vector(attribute_slot::kString);
  return bytes.data == nullptr ? Text{} : Text{reinterpret_cast<const char*>(bytes.data), bytes.size};
}

int32_t Attributes::integers(const char* name, int64_t* values, int32_t capacity) const {
  const Table attribute = find_attribute(*this, name, kAttributeInts, attribute_slot::kInts);
  if (!attribute.present()) return -1;
  const Vector entries = attribute.vector(attribute_slot::kInts);
  for (uint32_t i = 0; i < entries.size && static_cast<int64_t>(i) < capacity; ++i)
    values[i] = entries.int64(i);
  return entries.size > INT32_MAX ? INT32_MAX : static_cast<int32_t>(entries.size);
}

void* Prepare::allocate(size_t bytes, size_t alignment) {
  Loader& loader = *context_of(*this).loader;
  void* memory = loader.arena.keep(bytes, alignment);
  if (memory == nullptr) loader.exhausted = true;
  return memory;
}

void* Prepare::allocate_packed(size_t bytes) {
  if (!measuring) return allocate(bytes, Arena::kAlignment);
  context_of(*this).loader->arena.count(bytes, Arena::kAlignment);
  return nullptr;
}

Status Prepare::arena_status() const {
  Status status = context_of(*this).loader->out_of_memory();
  status.node = context_of(*this).index;
  return status;
}

Status Prepare::error(StatusCode code, const char* detail) const {
  return make_status(code, detail, context_of(*this).index);
}

const Tensor* Prepare::table() const {
  const Text name = attributes.text("lut");
  if (name.size == 0) return nullptr;
  const Loader& loader = *context_of(*this).loader;
  const int32_t index = loader.names.find(name);
  return index >= loader.state->variable_count ? loader.state->tensors + index : nullptr;
}

}  // namespace shrike
