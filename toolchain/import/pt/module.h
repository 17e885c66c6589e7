// Internal to the .pt import: the modules of a checkpoint as objects with attributes (spec/importers.md
// section A4).
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "toolchain/import/pt/pickle.h"
#include "toolchain/import/zip.h"

namespace shrike::graph::pt {

// The archive, its pickle, and the tensors' bytes. Errors begin with the file's name.
class Checkpoint {
 public:
  // `bytes` and `file` must outlive it.
  Checkpoint(const std::string& bytes, const std::string& file);

  const std::string& file() const { return file_; }
  const Pickle& pickle() const { return pickle_; }
  const Value& value(Ref ref) const { return pickle_.values[ref]; }
  // The value of a text key; nullptr when `dict` is none or has no such key.
  const Value* entry(const Value& dict, const std::string& key) const;
  std::optional<Ref> entry_ref(const Value& dict, const std::string& key) const;

  // The elements in row-major order; numbers of all types as float. Throws Error when one is not finite.
  std::vector<float> floats(const TensorView& tensor, const std::string& path) const;

 private:
  void count_elements(int64_t count) const;

  const std::string& file_;
  ZipArchive archive_;
  std::string folder_;  // of the archive: "best/"
  Pickle pickle_;
  mutable int64_t read_ = 0;  // elements so far: modules may share tensors, their copies do not
  mutable std::string open_storage_, open_bytes_;  // the last one read: tensors of a flattened model share it
};

struct Weights {
  std::vector<int64_t> shape;
  std::vector<float> values;
};

// A module and where it stands ("model.8.m.0"), for messages and for the names of nodes.
class Module {
 public:
  Module(const Checkpoint& checkpoint, Ref ref, std::string path);

  const std::string& path() const { return path_; }
  const std::string& type() const { return type_; }  // "ultralytics.nn.modules.conv.Conv"
  std::string kind() const;                          // "Conv"
  Ref ref() const { return ref_; }

  bool has_child(const std::string& name) const;
  Module child(const std::string& name) const;
  // In the order of the file.
  std::vector<Module> children() const;

  bool has(const std::string& attribute) const;
  int64_t integer(const std::string& attribute) const;
  int64_t integer(const std::string& attribute, int64_t fallback) const;
  double real(const std::string& attribute) const;
  bool flag(const std::string& attribute, bool fallback) const;
  std::string text(const std::string& attribute, const std::string& fallback) const;
  // An integer stands for `count` equal ones.
  std::vector<int64_t> integers(const std::string& attribute, size_t count) const;
  // A list of any length; an integer is a list of one.
  std::vector<int64_t> list(const std::string& attribute) const;
  const Value* attribute(const std::string& name) const;

  // A parameter, a buffer or a plain tensor; nullopt when None or absent.
  std::optional<Weights> find_weights(const std::string& name) const;
  Weights weights(const std::string& name) const;

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("{}: layer '{}' ({}): {}", checkpoint_->file(), path_, type_,
         fmt::format(text, std::forward<Args>(args)...));
  }

 private:
  const Value& state() const;
  double number(const std::string& attribute) const;

  const Checkpoint* checkpoint_;
  Ref ref_;
  std::string path_, type_;
};

}  // namespace shrike::graph::pt
