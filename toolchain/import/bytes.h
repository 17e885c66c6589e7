// Internal to the import: little-endian numbers out of a file in memory. Every read is checked against its
// end.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "toolchain/support/error.h"

namespace shrike::graph {

static_assert(std::endian::native == std::endian::little, "model files are little-endian");

class ByteReader {
 public:
  // `where` is the beginning of an error sentence, normally the file's name. Both must outlive the reader.
  ByteReader(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  uint64_t size() const { return bytes_.size(); }
  const std::string& where() const { return where_; }

  template <typename T>
  T number(uint64_t at) const {
    T value;
    std::memcpy(&value, text(at, sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view text(uint64_t at, uint64_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) {
      fail("{}: {} bytes were expected at offset {}, the file ends at {}; it is truncated or damaged", where_,
           count, at, bytes_.size());
    }
    return bytes_.substr(at, count);
  }

  template <typename... Args>
  [[noreturn]] void damaged(fmt::format_string<Args...> text, Args&&... args) const {
    fail("{}: {}; the file is damaged", where_, fmt::format(text, std::forward<Args>(args)...));
  }

 private:
  std::string_view bytes_;
  const std::string& where_;
};

}  // namespace shrike::graph
