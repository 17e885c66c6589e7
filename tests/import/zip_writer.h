// Small ZIP archives for tests: entries stored or deflated.
#pragma once
#include <zlib.h>

#include <cstdint>
#include <string>

namespace shrike::tests {

class ZipWriter {
 public:
  ZipWriter& add(const std::string& name, const std::string& content, bool deflated = false) {
    const std::string packed = deflated ? deflate_raw(content) : content;
    const auto crc = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
    std::string common = number(20, 2) + number(0, 2) + number(deflated ? 8 : 0, 2) + number(0, 4) +
                         number(crc, 4) + number(packed.size(), 4) + number(content.size(), 4) +
                         number(name.size(), 2) + number(0, 2);
    directory_ += "PK\x01\x02" + number(20, 2) + common + number(0, 2) + number(0, 2) + number(0, 2) +
                  number(0, 4) + number(body_.size(), 4) + name;
    body_ += "PK\x03\x04" + common + name + packed;
    ++count_;
    return *this;
  }

  std::string bytes() const {
    return body_ + directory_ + "PK\x05\x06" + number(0, 4) + number(count_, 2) + number(count_, 2) +
           number(directory_.size(), 4) + number(body_.size(), 4) + number(0, 2);
  }

 private:
  static std::string number(uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
    return text;
  }

  static std::string deflate_raw(const std::string& content) {
    z_stream stream{};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::string packed(content.size() + 100, '\0');
    std::string input = content;
    stream.next_in = reinterpret_cast<Bytef*>(input.data());
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = static_cast<uInt>(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
  }

  std::string body_, directory_;
  uint64_t count_ = 0;
};

}  // namespace shrike::tests
