#include "toolchain/import/pt/module.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "toolchain/import/float16.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph::pt {
namespace {

using Kind = Value::Kind;

template <typename T>
float number_at(const std::string& bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return static_cast<float>(value);
}

float element_at(const std::string& bytes, Element element, int64_t index) {
  const auto half = [&] {
    uint16_t bits;
    std::memcpy(&bits, bytes.data() + static_cast<size_t>(index) * 2, 2);
    return bits;
  };
  switch (element) {
    case Element::kF16:
      return from_half(half());
    case Element::kBf16:
      return from_bfloat16(half());
    case Element::kF32:
      return number_at<float>(bytes, index);
    case Element::kF64:
      return number_at<double>(bytes, index);
    case Element::kI64:
      return number_at<int64_t>(bytes, index);
    case Element::kI32:
      return number_at<int32_t>(bytes, index);
    case Element::kI16:
      return number_at<int16_t>(bytes, index);
    case Element::kI8:
      return number_at<int8_t>(bytes, index);
    default:
      return number_at<uint8_t>(bytes, index);
  }
}

bool is_plain_text(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) - 0x20u < 0x5fu; });
}

// The one folder that holds data.pkl.
std::string find_folder(const ZipArchive& archive, const std::string& file) {
  std::vector<std::string> folders;
  for (const ZipEntry& entry : archive.entries()) {
    const size_t at = entry.name.rfind("data.pkl");
    const bool ends = at != std::string::npos && at + 8 == entry.name.size();
    if (ends && (at == 0 || entry.name[at - 1] == '/')) folders.push_back(entry.name.substr(0, at));
  }
  if (folders.size() != 1)
    fail("{}: one data.pkl was expected in the archive, found {}; the file is damaged", file, folders.size());
  return folders[0];
}

}  // namespace

Checkpoint::Checkpoint(const std::string& bytes, const std::string& file)
    : file_(file), archive_(bytes, file), folder_(find_folder(archive_, file)) {
  if (const ZipEntry* order = archive_.find(folder_ + "byteorder");
      order != nullptr && archive_.read(*order) != "little")
    fail("{}: little-endian weights were expected; save the checkpoint on another machine", file_);
  const ZipEntry& pickle = *archive_.find(folder_ + "data.pkl");
  if (pickle.size > model_limits::kPickleBytes)
    fail("{}: a pickle of at most {} bytes was expected, found {}; is this a detector?", file_,
         model_limits::kPickleBytes, pickle.size);
  pickle_ = read_pickle(archive_.read(pickle), file_);
}

std::optional<Ref> Checkpoint::entry_ref(const Value& dict, const std::string& key) const {
  if (dict.kind != Kind::kDict) return std::nullopt;
  if (dict.items.size() > 2 * model_limits::kModuleEntries) {
    fail("{}: dictionaries of at most {} entries were expected, found {}; is this a detector?", file_,
         model_limits::kModuleEntries, dict.items.size() / 2);
  }
  for (size_t i = dict.items.size(); i >= 2; i -= 2) {  // a key set twice: the last one counts
    const Value& found = value(dict.items[i - 2]);
    if (found.kind == Kind::kText && found.text == key) return dict.items[i - 1];
  }
  return std::nullopt;
}

const Value* Checkpoint::entry(const Value& dict, const std::string& key) const {
  const auto ref = entry_ref(dict, key);
  return ref ? &value(*ref) : nullptr;
}

std::vector<float> Checkpoint::floats(const TensorView& tensor, const std::string& path) const {
  const Storage& storage = pickle_.storages[tensor.storage];
  const ZipEntry* entry = archive_.find(folder_ + "data/" + storage.key);
  if (entry == nullptr)
    fail("{}: the weights '{}' of '{}' are missing in the archive; the file is damaged", file_,
         is_plain_text(storage.key) ? storage.key : "?", path);
  const uint64_t wanted = static_cast<uint64_t>(storage.count) * element_size(storage.element);
  if (entry->size != wanted) {
    fail("{}: the weights of '{}' were expected to have {} bytes, found {}; the file is damaged", file_, path,
         wanted, entry->size);
  }
  int64_t count = 1;
  for (const int64_t size : tensor.shape) count *= size;
  count_elements(count);
  if (open_storage_ != storage.key || open_bytes_.size() != wanted) {
    count_elements(storage.count);
    open_bytes_ = archive_.read(*entry);
    open_storage_ = storage.key;
  }
  const std::string& bytes = open_bytes_;
  const size_t rank = tensor.shape.size();
  std::vector<int64_t> index(rank, 0);
  std::vector<float> values;
  values.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = tensor.offset;
    for (size_t axis = 0; axis < rank; ++axis) at += index[axis] * tensor.stride[axis];
    values.push_back(element_at(bytes, storage.element, at));
    if (!std::isfinite(values.back()))
      fail("{}: finite weights were expected in '{}', found {}; train or save the model again", file_, path,
           values.back());
    for (size_t axis = rank; axis-- > 0;) {
      if (++index[axis] < tensor.shape[axis]) break;
      index[axis] = 0;
    }
  }
  return values;
}

void Checkpoint::count_elements(int64_t count) const {
  read_ += count;
  if (read_ > model_limits::kWeightElements)
    fail("{}: the weights have more than {} elements; is this a detector?", file_,
         model_limits::kWeightElements);
}

Module::Module(const Checkpoint& checkpoint, Ref ref, std::string path)
    : checkpoint_(&checkpoint), ref_(ref), path_(std::move(path)) {
  const Value& value = checkpoint.value(ref);
  if (value.kind != Kind::kInstance) {
    fail(
        "{}: a module was expected as layer '{}', found something else{}; the file is damaged or not a model",
        checkpoint.file(), path_,
        value.kind == Kind::kOpaque && is_plain_text(value.text) ? " (" + value.text + ")" : "");
  }
  type_ = checkpoint.value(value.items[0]).text;
  std::replace(type_.begin(), type_.end(), ' ', '.');
  if (!is_plain_text(type_))
    fail("{}: the class of layer '{}' has no printable name", checkpoint.file(), path_);
  if (std::count(path_.begin(), path_.end(), '.') > model_limits::kModuleDepth)
    fail("{}: modules are nested too deeply; the file is damaged", checkpoint.file());
}

std::string Module::kind() const {
  return type_.substr(type_.rfind('.') + 1);
}

// BUILD's argument: the attributes, or (None, attributes).
const Value& Module::state() const {
  const Value* state = &checkpoint_->value(checkpoint_->value(ref_).items[1]);
  if (state->kind == Kind::kTuple && state->items.size() == 2) state = &checkpoint_->value(state->items[1]);
  if (state->kind != Kind::kDict) refuse("it has no attributes; the file is damaged");
  return *state;
}

const Value* Module::attribute(const std::string& name) const {
  return checkpoint_->entry(state(), name);
}

bool Module::has_child(const std::string& name) const {
  const Value* modules = attribute("_modules");
  const Value* found = modules == nullptr ? nullptr : checkpoint_->entry(*modules, name);
  return found != nullptr && found->kind != Kind::kNone;
}

Module Module::child(const std::string& name) const {
  const Value* modules = attribute("_modules");
  const auto found = modules == nullptr ? std::nullopt : checkpoint_->entry_ref(*modules, name);
  if (!found)
    refuse("a part named '{}' was expected; the file comes from a version of its library that is not known",
           name);
  return Module(*checkpoint_, *found, path_ + "." + name);
}

std::vector<Module> Module::children() const {
  std::vector<Module> result;
  const Value* modules = attribute("_modules");
  if (modules == nullptr || modules->kind != Kind::kDict) return result;
  for (size_t i = 0; i + 1 < modules->items.size(); i += 2) {
    const Value& name = checkpoint_->value(modules->items[i]);
    if (name.kind != Kind::kText || !is_plain_text(name.text) || name.text.size() > 200)
      refuse("its parts were expected to have names; the file is damaged");
    if (checkpoint_->value(modules->items[i + 1]).kind == Kind::kNone) continue;
    result.emplace_back(*checkpoint_, modules->items[i + 1], path_ + "." + name.text);
  }
  return result;
}

bool Module::has(const std::string& name) const {
  const Value* value = attribute(name);
  return value != nullptr && value->kind != Kind::kNone;
}

double Module::number(const std::string& name) const {
  const Value* value = attribute(name);
  if (value != nullptr && (value->kind == Kind::kInteger || value->kind == Kind::kBool))
    return static_cast<double>(value->integer);
  if (value != nullptr && value->kind == Kind::kReal) return value->real;
  refuse("the attribute '{}' was expected to be a number", name);
}

double Module::real(const std::string& name) const {
  const double value = number(name);
  if (!std::isfinite(value)) refuse("the attribute '{}' was expected to be a finite number", name);
  return value;
}

int64_t Module::integer(const std::string& name) const {
  const double value = real(name);
  if (value != std::floor(value) || std::abs(value) > 1e9)
    refuse("the attribute '{}' was expected to be a whole number, found {}", name, value);
  return static_cast<int64_t>(value);
}

int64_t Module::integer(const std::string& name, int64_t fallback) const {
  return has(name) ? integer(name) : fallback;
}

bool Module::flag(const std::string& name, bool fallback) const {
  return has(name) ? number(name) != 0 : fallback;
}

std::string Module::text(const std::string& name, const std::string& fallback) const {
  const Value* value = attribute(name);
  return value != nullptr && value->kind == Kind::kText && is_plain_text(value->text) ? value->text
                                                                                      : fallback;
}

std::vector<int64_t> Module::list(const std::string& name) const {
  const Value* value = attribute(name);
  if (value == nullptr || (value->kind != Kind::kTuple && value->kind != Kind::kList)) return {integer(name)};
  std::vector<int64_t> result;
  for (const Ref item : value->items) {
    const Value& entry = checkpoint_->value(item);
    if (entry.kind != Kind::kInteger || std::abs(static_cast<double>(entry.integer)) > 1e9)
      refuse("the attribute '{}' was expected to hold whole numbers", name);
    result.push_back(entry.integer);
  }
  return result;
}

std::vector<int64_t> Module::integers(const std::string& name, size_t count) const {
  std::vector<int64_t> result = list(name);
  if (result.size() == 1) result.assign(count, result[0]);
  if (result.size() != count) refuse("the attribute '{}' was expected to hold {} numbers", name, count);
  return result;
}

std::optional<Weights> Module::find_weights(const std::string& name) const {
  const Value* found = nullptr;
  for (const char* place : {"_parameters", "_buffers"}) {
    const Value* dict = attribute(place);
    if (found == nullptr && dict != nullptr) found = checkpoint_->entry(*dict, name);
  }
  if (found == nullptr) found = attribute(name);
  if (found == nullptr || found->kind == Kind::kNone) return std::nullopt;
  if (found->kind != Kind::kTensor) refuse("'{}' was expected to be a tensor; the file is damaged", name);
  const TensorView& view = checkpoint_->pickle().tensors[static_cast<size_t>(found->integer)];
  return Weights{view.shape, checkpoint_->floats(view, path_ + "." + name)};
}

Weights Module::weights(const std::string& name) const {
  auto found = find_weights(name);
  if (!found) refuse("the weights '{}' are missing; the file is damaged", name);
  return std::move(*found);
}

}  // namespace shrike::graph::pt
