#include "toolchain/import/tflite/metadata.h"

#include <cctype>
#include <optional>

#include "toolchain/import/text.h"
#include "toolchain/import/zip.h"

namespace shrike::graph::tflite {
namespace {

// Scans JSON and Python literals, which have texts, numbers, lists and dictionaries alike.
class Scanner {
 public:
  explicit Scanner(const std::string& text) : text_(text) {}

  // The entries of a dictionary, values as they are written; nullopt when it is none.
  std::optional<std::map<std::string, std::string>> dictionary() {
    std::map<std::string, std::string> entries;
    if (!take('{')) return std::nullopt;
    while (!take('}')) {
      const auto key = scalar();
      if (!key || !take(':')) return std::nullopt;
      skip_space();
      const size_t from = at_;
      if (!skip_value()) return std::nullopt;
      entries[*key] = text_.substr(from, at_ - from);
      take(',');
    }
    return entries;
  }

  // A text without its quotes and escapes, or a bare word.
  std::optional<std::string> scalar() {
    skip_space();
    if (at_ >= text_.size()) return std::nullopt;
    const char quote = text_[at_];
    std::string value;
    if (quote != '\'' && quote != '"') {
      while (at_ < text_.size() &&
             (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.' ||
              text_[at_] == '-' || text_[at_] == '+' || text_[at_] == '_'))
        value += text_[at_++];
      return value.empty() ? std::nullopt : std::optional(value);
    }
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && ++at_ >= text_.size()) return std::nullopt;
      value += text_[at_];
    }
    if (at_ >= text_.size()) return std::nullopt;
    ++at_;
    return value;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
  }

  bool take(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  // Anything up to the comma or bracket that ends it.
  bool skip_value() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\'' || c == '"') {
        if (!scalar()) return false;
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}')) return true;
      if (c == '{' || c == '[' || c == '(') ++depth;
      if (c == '}' || c == ']' || c == ')') --depth;
      ++at_;
    }
    return false;
  }

  const std::string& text_;
  size_t at_ = 0;
};

// {"0": "cat"} and {0: 'cat'} -> {0: 'cat'}.
std::optional<std::string> names_of(const std::string& text) {
  const auto entries = Scanner(text).dictionary();
  if (!entries) return std::nullopt;
  std::map<long, std::string> names;
  for (const auto& [key, value] : *entries) {
    const auto name = Scanner(value).scalar();
    if (!name || key.empty() || key.size() > 6 || key.find_first_not_of("0123456789") != std::string::npos)
      return std::nullopt;
    names[std::stol(key)] = *name;
  }
  std::string result;
  for (const auto& [index, name] : names) {
    std::string escaped;
    for (const char c : name) {
      if (c == '\'' || c == '\\') escaped += '\\';
      escaped += c;
    }
    result += fmt::format("{}{}: '{}'", result.empty() ? "" : ", ", index, escaped);
  }
  return "{" + result + "}";
}

std::map<std::string, std::string> parse(const std::string& text) {
  std::map<std::string, std::string> metadata;
  const auto entries = Scanner(text).dictionary();
  if (!entries) return metadata;
  for (const char* key : {"stride", "task", "imgsz", "kpt_shape", "version", "names"}) {
    const auto found = entries->find(key);
    if (found == entries->end()) continue;
    std::optional<std::string> value = found->second;
    const char first = found->second.empty() ? ' ' : found->second[0];
    if (std::string(key) == "names") value = names_of(found->second);
    if (first == '\'' || first == '"') value = Scanner(found->second).scalar();
    if (value && is_printable(*value)) metadata[key] = *value;
  }
  return metadata;
}

}  // namespace

std::map<std::string, std::string> read_metadata(const std::string& bytes, const std::string& file) {
  constexpr uint64_t kMost = 1 << 20;
  try {
    const ZipArchive archive(bytes, file);
    for (const char* name : {"metadata.json", "temp_meta.txt"}) {
      const ZipEntry* entry = archive.find(name);
      if (entry != nullptr && entry->size <= kMost) return parse(archive.read(*entry));
    }
  } catch (const Error&) {
    // No archive behind the model, or not one of this kind: the model itself is whole.
  }
  return {};
}

}  // namespace shrike::graph::tflite
