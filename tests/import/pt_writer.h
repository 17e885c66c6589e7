// Checkpoints as torch.save writes them, for tests. A pickle is put together from pieces of text, each of
// which leaves one value on the stack; nothing is remembered, so that pieces may be used anywhere and twice.
#pragma once
#include <bit>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/import/zip_writer.h"

namespace shrike::tests::py {

inline std::string number(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

using Entries = std::vector<std::pair<std::string, std::string>>;  // key -> piece

inline std::string none() {
  return "N";
}
inline std::string boolean(bool value) {
  return value ? "\x88" : "\x89";
}
inline std::string integer(int64_t value) {
  return "J" + number(static_cast<uint64_t>(value), 4);
}
inline std::string real(double value) {
  return "G" + number(__builtin_bswap64(std::bit_cast<uint64_t>(value)), 8);
}
inline std::string text(const std::string& value) {
  return "X" + number(value.size(), 4) + value;
}
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

inline std::string tuple(const std::vector<std::string>& items) {
  std::string result = "(";
  for (const std::string& item : items) result += item;
  return result + "t";
}
inline std::string sizes(const std::vector<int64_t>& items) {
  std::vector<std::string> pieces;
  for (const int64_t item : items) pieces.push_back(integer(item));
  return tuple(pieces);
}
inline std::string list(const std::vector<std::string>& items) {
  std::string result = "](";
  for (const std::string& item : items) result += item;
  return result + "e";
}
inline std::string dict(const Entries& entries) {
  std::string result = "}(";
  for (const auto& [key, value] : entries) result += text(key) + value;
  return result + "u";
}
inline std::string ordered_dict(const Entries& entries) {
  std::string result = global("collections", "OrderedDict") + ")R(";
  for (const auto& [key, value] : entries) result += text(key) + value;
  return result + "u";
}
inline std::string object(const std::string& module, const std::string& name, const Entries& state) {
  return global(module, name) + ")\x81" + dict(state) + "b";
}
inline std::string pickle(const std::string& piece) {
  return "\x80\x02" + piece + ".";
}

}  // namespace shrike::tests::py

namespace shrike::tests {

class CheckpointWriter {
 public:
  // A float32 parameter with a storage of its own.
  std::string tensor(const std::vector<int64_t>& shape, const std::vector<float>& values) {
    const std::string key = std::to_string(storages_.size());
    storages_.emplace_back(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    std::vector<int64_t> strides(shape.size(), 1);
    for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
    const std::string storage =
        py::tuple({py::text("storage"), py::global("torch", "FloatStorage"), py::text(key), py::text("cpu"),
                   py::integer(static_cast<int64_t>(values.size()))}) +
        "Q";
    return py::global("torch._utils", "_rebuild_tensor_v2") +
           py::tuple({storage, py::integer(0), py::sizes(shape), py::sizes(strides), py::boolean(false),
                      py::ordered_dict({})}) +
           "R";
  }

  // The file: the pickle of `root` and the storages.
  std::string bytes(const std::string& root, bool deflated = false) const {
    ZipWriter zip;
    zip.add("best/data.pkl", py::pickle(root), deflated).add("best/byteorder", "little");
    for (size_t i = 0; i < storages_.size(); ++i)
      zip.add("best/data/" + std::to_string(i), storages_[i], deflated);
    return zip.add("best/version", "3\n").bytes();
  }

 private:
  std::vector<std::string> storages_;
};

// A module with its own attributes; children, parameters and buffers in their dictionaries.
struct ModulePieces {
  std::string module, name;
  py::Entries attributes, parameters, buffers, children;

  std::string piece() const {
    py::Entries state = {{"training", py::boolean(false)},
                         {"_parameters", py::ordered_dict(parameters)},
                         {"_buffers", py::ordered_dict(buffers)},
                         {"_modules", py::ordered_dict(children)}};
    state.insert(state.end(), attributes.begin(), attributes.end());
    return py::object(module, name, state);
  }
};

}  // namespace shrike::tests
