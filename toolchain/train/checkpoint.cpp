#include "toolchain/train/checkpoint.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>
#include <filesystem>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/sha256.h"

namespace shrike::train {
namespace {

// The file: kMagic, the SHA-256 of the rest as text, the rest. Everything is a 64-bit count and that many
// elements, in the machine's byte order.
constexpr const char* kMagic = "shrike training checkpoint 1\n";
constexpr size_t kDigest = 64;

class Writer {
 public:
  void count(uint64_t value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(const std::string& value) {
    count(value.size());
    bytes += value;
  }
  void number(double value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void floats(const std::vector<float>& values) {
    count(values.size());
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  std::string bytes;
};

class Reader {
 public:
  Reader(const char* data, size_t size) : at_(data), end_(data + size) {}
  uint64_t count() {
    uint64_t value = 0;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::string text() {
    const uint64_t size = count();
    return {take(size), static_cast<size_t>(size)};
  }
  double number() {
    double value = 0;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  std::vector<float> floats() {
    const uint64_t size = count();
    if (size > static_cast<uint64_t>(end_ - at_) / sizeof(float)) throw Error("short");
    std::vector<float> values(size);
    std::memcpy(values.data(), take(size * sizeof(float)), size * sizeof(float));
    return values;
  }

 private:
  const char* take(uint64_t size) {
    if (size > static_cast<uint64_t>(end_ - at_)) throw Error("short");
    const char* const here = at_;
    at_ += size;
    return here;
  }
  const char *at_, *end_;
};

}  // namespace

void save_checkpoint(const Checkpoint& checkpoint, const std::string& path) {
  Writer writer;
  writer.count(checkpoint.texts.size());
  for (const auto& [name, value] : checkpoint.texts) {
    writer.text(name);
    writer.text(value);
  }
  writer.count(checkpoint.values.size());
  for (const auto& [name, values] : checkpoint.values) {
    writer.text(name);
    writer.count(values.size());
    for (const std::vector<float>& each : values) writer.floats(each);
  }
  writer.count(checkpoint.numbers.size());
  for (const auto& [name, value] : checkpoint.numbers) {
    writer.text(name);
    writer.number(value);
  }
  write_file_atomically(path, kMagic + sha256(writer.bytes.data(), writer.bytes.size()) + writer.bytes);
}

Checkpoint load_checkpoint(const std::string& path) {
  return parse_checkpoint(read_text(path), path);
}

Checkpoint parse_checkpoint(const std::string& file, const std::string& path) {
  const size_t head = std::strlen(kMagic);
  if (file.compare(0, head, kMagic) != 0 || file.size() < head + kDigest)
    fail("{}: this is no checkpoint of `shrike train`; start without --resume", path);
  const char* const body = file.data() + head + kDigest;
  const size_t size = file.size() - head - kDigest;
  if (sha256(body, size) != file.substr(head, kDigest))
    fail("{}: the checkpoint is damaged; start without --resume", path);
  Reader reader(body, size);
  Checkpoint checkpoint;
  for (uint64_t i = reader.count(); i > 0; --i) {
    const std::string name = reader.text();
    checkpoint.texts[name] = reader.text();
  }
  for (uint64_t i = reader.count(); i > 0; --i) {
    Values& values = checkpoint.values[reader.text()];
    for (uint64_t k = reader.count(); k > 0; --k) values.push_back(reader.floats());
  }
  for (uint64_t i = reader.count(); i > 0; --i) {
    const std::string name = reader.text();
    checkpoint.numbers[name] = reader.number();
  }
  return checkpoint;
}

void require_checkpoint(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) return;
  fail("'{}' does not exist: the run was not evaluated yet, or had another -o; start it without --resume",
       path);
}

void say_interrupted(int64_t steps) {
  fmt::print(stderr, "interrupted behind step {}; the same command with --resume goes on\n", steps);
}

}  // namespace shrike::train
