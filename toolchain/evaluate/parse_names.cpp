// Names of classes in a model's metadata. The page in the browser (web/) reads them with this too: nothing
// but the C++ library is needed for it.
#include <cctype>

#include "toolchain/evaluate/class_names.h"

namespace shrike::evaluate {
namespace {

// Reads tokens of a Python dictionary literal.
class Reader {
 public:
  explicit Reader(const std::string& text) : text_(text) {}

  bool take(char wanted) {
    skip_spaces();
    if (at_ >= text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  std::optional<size_t> number() {
    skip_spaces();
    size_t value = 0, digits = 0;
    for (; at_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[at_])) && digits < 7;
         ++at_, ++digits) {
      value = value * 10 + static_cast<size_t>(text_[at_] - '0');
    }
    if (digits == 0) return std::nullopt;
    return value;
  }
  std::optional<std::string> quoted() {
    skip_spaces();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return std::nullopt;
    const char quote = text_[at_++];
    std::string value;
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      value += text_[at_];
    }
    if (at_ >= text_.size()) return std::nullopt;
    ++at_;
    return value;
  }
  bool done() {
    skip_spaces();
    return at_ == text_.size();
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  const std::string& text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<std::vector<std::string>> parse_names(const std::string& text) {
  Reader reader(text);
  std::vector<std::string> names;
  if (!reader.take('{')) return std::nullopt;
  while (!reader.take('}')) {
    if (!names.empty() && !reader.take(',')) return std::nullopt;
    const auto key = reader.number();
    if (!key || *key != names.size() || !reader.take(':')) return std::nullopt;
    auto name = reader.quoted();
    if (!name) return std::nullopt;
    names.push_back(std::move(*name));
  }
  if (!reader.done()) return std::nullopt;
  return names;
}

}  // namespace shrike::evaluate
