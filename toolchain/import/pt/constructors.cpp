#include "toolchain/import/pt/constructors.h"

#include <map>

#include "toolchain/support/error.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph::pt {
namespace {

using Kind = Value::Kind;

constexpr size_t kMostAxes = 8;

const Value& argument(const Pickle& pickle, const std::vector<Ref>& arguments, size_t index, Kind kind) {
  if (index >= arguments.size() || pickle.values[arguments[index]].kind != kind)
    fail("a call whose argument {} does not fit", index);
  return pickle.values[arguments[index]];
}

std::vector<int64_t> sizes(const Pickle& pickle, const Value& tuple) {
  if (tuple.items.size() > kMostAxes) fail("a tensor of {} axes", tuple.items.size());
  std::vector<int64_t> result;
  for (const Ref item : tuple.items) {
    const Value& size = pickle.values[item];
    if (size.kind != Kind::kInteger || size.integer < 0 || size.integer > model_limits::kElements)
      fail("a tensor whose size or stride is not sensible");
    result.push_back(size.integer);
  }
  return result;
}

// (storage, offset, size, stride, ...): everything that is read later lies inside the storage.
Value tensor(Pickle& pickle, const std::vector<Ref>& arguments) {
  TensorView view;
  view.storage = static_cast<Ref>(argument(pickle, arguments, 0, Kind::kStorage).integer);
  view.offset = argument(pickle, arguments, 1, Kind::kInteger).integer;
  view.shape = sizes(pickle, argument(pickle, arguments, 2, Kind::kTuple));
  view.stride = sizes(pickle, argument(pickle, arguments, 3, Kind::kTuple));
  const int64_t available = pickle.storages[view.storage].count;
  if (view.offset < 0 || view.stride.size() != view.shape.size()) fail("a tensor whose strides do not fit");
  int64_t last = view.offset, count = 1;
  for (size_t i = 0; i < view.shape.size(); ++i) {
    if (__builtin_mul_overflow(count, view.shape[i], &count) || count > model_limits::kElements)
      fail("a tensor of more than 2^31 elements");
    int64_t reach = 0;
    const int64_t steps = view.shape[i] > 0 ? view.shape[i] - 1 : 0;
    if (__builtin_mul_overflow(steps, view.stride[i], &reach) || __builtin_add_overflow(last, reach, &last))
      fail("a tensor whose strides do not fit");
  }
  if (count > 0 && last >= available)
    fail("a tensor that reaches beyond its storage of {} elements", available);
  if (count > available) fail("a tensor of {} elements in a storage of {}", count, available);
  pickle.tensors.push_back(std::move(view));
  return {Kind::kTensor, static_cast<int64_t>(pickle.tensors.size() - 1), 0, {}, {}};
}

}  // namespace

Value construct(Pickle& pickle, const std::string& symbol, const std::vector<Ref>& arguments) {
  const auto items_of = [&](size_t index, Kind kind) {
    return argument(pickle, arguments, index, kind).items;
  };
  if (symbol == "collections OrderedDict") {
    Value dict{Kind::kDict};
    if (arguments.empty()) return dict;
    for (const Ref pair : items_of(0, Kind::kList)) {
      const Value& entry = pickle.values[pair];
      const bool is_pair =
          (entry.kind == Kind::kList || entry.kind == Kind::kTuple) && entry.items.size() == 2;
      if (!is_pair) fail("a dictionary of something else than pairs");
      dict.items.insert(dict.items.end(), entry.items.begin(), entry.items.end());
    }
    return dict;
  }
  if (symbol == "__builtin__ set" || symbol == "builtins set" || symbol == "builtins frozenset") {
    Value set{Kind::kSet};
    if (!arguments.empty()) set.items = items_of(0, Kind::kList);
    return set;
  }
  if (symbol == "torch._utils _rebuild_tensor_v2" || symbol == "torch._utils _rebuild_tensor" ||
      symbol == "torch._utils _rebuild_tensor_v3") {
    return tensor(pickle, arguments);
  }
  // Both wrap a tensor; whether it is trained further means nothing here.
  if (symbol == "torch._utils _rebuild_parameter" || symbol == "torch._utils _rebuild_parameter_with_state")
    return argument(pickle, arguments, 0, Kind::kTensor);
  if (symbol == "torch._tensor _rebuild_from_type_v2") {
    const std::string made_by = argument(pickle, arguments, 0, Kind::kSymbol).text;
    const std::vector<Ref> inner = items_of(2, Kind::kTuple);
    if (made_by != symbol) return construct(pickle, made_by, inner);
    fail("a tensor made by itself");
  }
  if (symbol == "torch Size") {
    Value tuple{Kind::kTuple};
    tuple.items = items_of(0, Kind::kTuple);
    return tuple;
  }
  if (symbol == "torch device") {
    Value text{Kind::kText};
    text.text = argument(pickle, arguments, 0, Kind::kText).text;
    return text;
  }
  Value opaque{Kind::kOpaque};
  opaque.text = symbol;
  return opaque;
}

bool storage_element(const std::string& symbol, Element& element) {
  static const std::map<std::string, Element> types = {
      {"HalfStorage", Element::kF16},      {"FloatStorage", Element::kF32}, {"DoubleStorage", Element::kF64},
      {"BFloat16Storage", Element::kBf16}, {"LongStorage", Element::kI64},  {"IntStorage", Element::kI32},
      {"ShortStorage", Element::kI16},     {"CharStorage", Element::kI8},   {"ByteStorage", Element::kU8},
      {"BoolStorage", Element::kBool}};
  const size_t space = symbol.find(' ');
  if (symbol.substr(0, space) != "torch" && symbol.substr(0, space) != "torch.storage") return false;
  const auto found = types.find(symbol.substr(space + 1));
  if (found == types.end()) return false;
  element = found->second;
  return true;
}

}  // namespace shrike::graph::pt
