#include "toolchain/system/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <utility>

#include "toolchain/support/error.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;

constexpr int kLongestChain = 40;  // of symbolic links, as in the kernel

FileIdentity identity_of(const struct stat& info) {
  return {static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino)};
}

template <typename Container>
void read_into(const std::string& path, Container& bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail("cannot open '{}': {}", path, reason(errno));
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) fail("cannot read '{}': {}", path, reason(errno));
  if (S_ISDIR(info.st_mode)) fail("cannot read '{}': it is a folder, a file was expected", path);
  const bool device = S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode);  // gives bytes for ever, or none at all
  bytes.clear();
  bytes.resize(info.st_size > 0 ? static_cast<size_t>(info.st_size) : 0);
  size_t done = 0;
  // Pipes have no size and files may grow: what comes behind the size goes here first, so that the end of a
  // large file is found without moving it.
  char more[4096];
  for (;;) {
    const bool full = done == bytes.size();
    void* const place = full ? static_cast<void*>(more) : bytes.data() + done;
    const ssize_t count = ::read(file.get(), place, full ? sizeof more : bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
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
  if (number_ >= 0) ::close(number_);
}
Descriptor::Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(number_, other.number_);
  return *this;
}

std::string reason(int error) {
  if (error == ENOSPC || error == EDQUOT) return "the disk is full";
  return std::strerror(error);
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

int descriptor_named(const std::string& path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
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
    if (error) return file.string();
    file = target.is_absolute() ? target : file.parent_path() / target;
  }
  fail("cannot write '{}': its symbolic links lead in a circle", path);
}

void sync_folder_of(const std::string& path) {
  const Descriptor folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() >= 0) ::fsync(folder.get());
}

std::optional<FoundFile> find_file(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  using Kind = FoundFile::Kind;
  const Kind kind = S_ISREG(info.st_mode)   ? Kind::kRegular
                    : S_ISDIR(info.st_mode) ? Kind::kFolder
                                            : Kind::kOther;
  return FoundFile{identity_of(info), kind};
}

std::optional<FileIdentity> identity_of(const Descriptor& file) {
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) return std::nullopt;
  return identity_of(info);
}

void read_whole(const std::string& path, std::string& bytes) {
  read_into(path, bytes);
}

void read_whole(const std::string& path, std::vector<uint8_t>& bytes) {
  read_into(path, bytes);
}

}  // namespace shrike
