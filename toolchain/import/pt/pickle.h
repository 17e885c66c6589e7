// Internal to the .pt import: a Python pickle as data. Opcodes build values in an arena; nothing is looked
// up, imported, called or executed: a class is the text of its name, a call that is not one of a few
// constructors an opaque value (spec/importers.md section A2).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shrike::graph::pt {

using Ref = uint32_t;  // index into Pickle::values

struct Value {
  enum class Kind : uint8_t {
    kNone,
    kBool,      // integer
    kInteger,   // integer
    kReal,      // real
    kText,      // text
    kBytes,     // text
    kTuple,     // items
    kList,      // items
    kSet,       // items
    kDict,      // items: key, value, key, value, ...
    kSymbol,    // text: "module name"
    kInstance,  // items: symbol, state (None until BUILD)
    kStorage,   // integer: index into storages
    kTensor,    // integer: index into tensors
    kOpaque,    // text: what made it; has no content
  };
  Kind kind = Kind::kNone;
  int64_t integer = 0;
  double real = 0;
  std::string text = {};
  std::vector<Ref> items = {};
};

enum class Element : uint8_t { kF16, kF32, kF64, kBf16, kI64, kI32, kI16, kI8, kU8, kBool };
uint64_t element_size(Element element);

struct Storage {
  std::string key;  // the archive's entry data/<key>
  Element element = Element::kF32;
  int64_t count = 0;
};

// Offset and strides in elements.
struct TensorView {
  Ref storage = 0;  // index into Pickle::storages
  int64_t offset = 0;
  std::vector<int64_t> shape, stride;
};

struct Pickle {
  std::vector<Value> values;
  std::vector<Storage> storages;
  std::vector<TensorView> tensors;
  Ref root = 0;
};

// Protocols 2 to 5. Throws Error naming `where` and the byte for anything malformed, beyond the limits
// (support/model_limits.h), or that names functions of the system (os, subprocess, eval, ...).
Pickle read_pickle(std::string_view bytes, const std::string& where);

}  // namespace shrike::graph::pt
