#include "toolchain/system/file.h"

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <utility>

#include "toolchain/support/error.h"
#include "toolchain/system/calls.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;

constexpr int kStandardOutput = 1, kStandardError = 2;
constexpr int kLongestChain = 40;  // of symbolic links, as in the kernel

template <typename Container>
void read_into(const std::string& path, Container& bytes) {
  const Descriptor file = calls::open(path, calls::Opening::kRead);
  if (file.get() < 0) fail("cannot open '{}': {}", path, reason(errno));
  const std::optional<calls::OpenFile> info = calls::look_at(file.get());
  using Kind = calls::OpenFile::Kind;
  if (!info) fail("cannot read '{}': {}", path, reason(errno));
  if (info->kind == Kind::kFolder) fail("cannot read '{}': it is a folder, a file was expected", path);
  const bool device = info->kind == Kind::kDevice;  // gives bytes for ever, or none at all
  bytes.clear();
  bytes.resize(static_cast<size_t>(info->bytes));
  size_t done = 0;
  // Pipes have no size and files may grow: what comes behind the size goes here first, so that the end of a
  // large file is found without moving it.
  char more[4096];
  for (;;) {
    const bool full = done == bytes.size();
    void* const place = full ? static_cast<void*>(more) : bytes.data() + done;
    const int64_t count = calls::read(file.get(), place, full ? sizeof more : bytes.size() - done);
    if (count < 0) fail("cannot read '{}': {}", path, reason(errno));
    if (count == 0) break;
    if (device) fail("cannot read '{}': it is a device, a file was expected", path);
    if (full) bytes.insert(bytes.end(), more, more + count);
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
}

}  // namespace

Descriptor::~Descriptor() {
  if (number_ >= 0) calls::close(number_);
}
Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const int64_t count = calls::write(file, bytes.data(), bytes.size());
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().generic_string();
  return folder.empty() ? "." : folder;
}

int descriptor_named(const std::string& path) {
  if (path == "/dev/stdout") return kStandardOutput;
  if (path == "/dev/stderr") return kStandardError;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(folder)) continue;
    int number = -1;
    const char* end = path.data() + path.size();
    const auto [rest, error] = std::from_chars(path.data() + folder.size(), end, number);
    if (error == std::errc() && rest == end) return number;
  }
  return -1;
}

std::string behind_links(const std::string& path) {
  fs::path file = path;
  for (int i = 0; i < kLongestChain; ++i) {
    std::error_code error;
    const fs::path target = fs::read_symlink(file, error);
    if (error) return file.generic_string();
    file = target.is_absolute() ? target : file.parent_path() / target;
  }
  fail("cannot write '{}': its symbolic links lead in a circle", path);
}

std::optional<FileIdentity> identity_of(const Descriptor& file) {
  const std::optional<calls::OpenFile> info = calls::look_at(file.get());
  return info ? std::optional(info->identity) : std::nullopt;
}

void read_whole(const std::string& path, std::string& bytes) {
  read_into(path, bytes);
}

void read_whole(const std::string& path, std::vector<uint8_t>& bytes) {
  read_into(path, bytes);
}

}  // namespace shrike
