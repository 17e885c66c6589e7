// JSON written piece by piece: what the page is told.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace shrike::web {

class JsonText {
 public:
  JsonText& open(char bracket) {  // '{' or '['
    separate();
    text_ += bracket;
    first_ = true;
    return *this;
  }
  JsonText& close(char bracket) {  // '}' or ']'
    text_ += bracket;
    first_ = false;
    return *this;
  }
  JsonText& key(const char* name) {
    text(name);
    text_ += ':';
    first_ = true;  // no comma before the value
    return *this;
  }
  JsonText& text(std::string_view value) {
    separate();
    text_ += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') {
        text_ += '\\';
        text_ += c;
      } else if (static_cast<unsigned char>(c) < ' ') {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
        text_ += escaped;
      } else {
        text_ += c;
      }
    }
    text_ += '"';
    return *this;
  }
  JsonText& number(int64_t value) {
    separate();
    text_ += std::to_string(value);
    return *this;
  }
  // Reads back as the same float; what is no number becomes null.
  JsonText& number(float value) {
    separate();
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.9g", static_cast<double>(value));
    text_ += std::isfinite(value) ? digits : "null";
    return *this;
  }
  JsonText& yes_or_no(bool value) {
    separate();
    text_ += value ? "true" : "false";
    return *this;
  }
  const std::string& str() const { return text_; }

 private:
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }

  std::string text_;
  bool first_ = true;
};

}  // namespace shrike::web
