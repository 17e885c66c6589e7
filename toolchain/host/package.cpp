#include "toolchain/host/package.h"

#include <algorithm>
#include <cstring>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/format.h"

namespace shrike::host {
namespace {

constexpr size_t kEntryBytes = 12;      // offset, offset of the name, length of the name
constexpr size_t kSmallestHeader = 12;  // of a model: EDL1's
constexpr uint32_t kMostModels = 4096;  // more are no package

struct Entry {
  std::string name;
  size_t begin = 0;
};

class Reader {
 public:
  Reader(const std::vector<uint8_t>& bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::vector<Entry> entries() const {
    const bool third = bytes_[3] == '3';
    const size_t counted = third ? 56 : 4;
    const uint32_t count = number(counted);
    if (count == 0 || count > kMostModels || (bytes_.size() - counted - 4) / kEntryBytes < count)
      damaged(fmt::format("it says that it holds {} models", count), counted);
    std::vector<Entry> result;
    for (uint32_t i = 0; i < count; ++i) {
      const size_t place = counted + 4 + i * kEntryBytes;
      const size_t begin = number(place), name = number(place + 4), length = number(place + 8);
      if (begin + kSmallestHeader > bytes_.size() || name > bytes_.size() || length > bytes_.size() - name)
        damaged(fmt::format("model {} lies outside the file", i), place);
      result.push_back({std::string(reinterpret_cast<const char*>(bytes_.data()) + name, length), begin});
    }
    return result;
  }

  // Up to the end of the payload, or of the file where the header says more; loading tells.
  std::vector<uint8_t> model(const Entry& entry) const {
    const uint8_t* const begin = bytes_.data() + entry.begin;
    const size_t rest = bytes_.size() - entry.begin;
    const size_t header = std::memcmp(begin, "EDL1", 4) == 0 ? 12 : 16;
    return {begin, begin + std::min<uint64_t>(rest, uint64_t{header} + number(entry.begin + 8))};
  }

 private:
  uint32_t number(size_t offset) const {
    if (bytes_.size() < 4 || offset > bytes_.size() - 4) damaged("it was cut short", offset);
    uint32_t value;
    std::memcpy(&value, bytes_.data() + offset, sizeof value);  // little-endian
    return value;
  }
  [[noreturn]] void damaged(const std::string& what, size_t offset) const {
    fail("'{}': a package of .espdl models was expected, but {} (byte {}); copy or pack it again", file_,
         what, offset);
  }

  const std::vector<uint8_t>& bytes_;
  const std::string& file_;
};

std::string names_of(const std::vector<Entry>& entries) {
  std::string names;
  for (const Entry& entry : entries) names += fmt::format("{}'{}'", names.empty() ? "" : ", ", entry.name);
  return names;
}

}  // namespace

bool is_package(const std::vector<uint8_t>& bytes) {
  return bytes.size() >= 4 && std::memcmp(bytes.data(), "PDL", 3) == 0 && bytes[3] >= '1' && bytes[3] <= '3';
}

std::vector<uint8_t> select_model(std::vector<uint8_t> bytes, const std::string& file,
                                  const std::string& model) {
  if (!is_package(bytes)) {
    if (!model.empty()) fail("'{}' is no package of several models; leave --model out", file);
    return bytes;
  }
  const Reader reader(bytes, file);
  const std::vector<Entry> entries = reader.entries();
  if (model.empty()) {
    if (entries.size() > 1)
      fail("'{}' holds {} models: {}; choose one with --model NAME", file, entries.size(), names_of(entries));
    return reader.model(entries[0]);
  }
  for (const Entry& entry : entries) {
    if (entry.name == model) return reader.model(entry);
  }
  fail("'{}' holds no model '{}'; --model takes one of {}", file, model, names_of(entries));
}

std::vector<uint8_t> read_model_file(const std::string& path, const std::string& model) {
  return select_model(read_file(path), path, model);
}

}  // namespace shrike::host
