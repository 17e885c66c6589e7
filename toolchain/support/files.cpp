#include "toolchain/support/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <list>

#include "toolchain/support/error.h"
#include "toolchain/support/interrupt.h"

namespace shrike {
namespace {

std::string reason(int error) {
  if (error == ENOSPC || error == EDQUOT) return "the disk is full";
  return std::strerror(error);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  // Closing can report a write error (network file systems).
  bool close() {
    const int number = number_;
    number_ = -1;
    return ::close(number) == 0;
  }

 private:
  int number_;
};

template <typename Container>
Container read_whole(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail("cannot open '{}': {}", path, reason(errno));
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) fail("cannot read '{}': {}", path, reason(errno));
  if (S_ISDIR(info.st_mode)) fail("cannot read '{}': it is a folder, a file was expected", path);
  Container bytes;
  bytes.resize(info.st_size > 0 ? static_cast<size_t>(info.st_size) : 0);
  size_t done = 0;
  for (;;) {
    if (done == bytes.size()) bytes.resize(bytes.size() + 65536);  // pipes have no size, files may grow
    const ssize_t count = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("cannot read '{}': {}", path, reason(errno));
    if (count == 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string beside_of(const std::string& path) {
  return fmt::format("{}.{}.partial", path, ::getpid());
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

// A file's new content under another name, beside the old one; removed again unless it takes its place.
class Partial {
 public:
  explicit Partial(const NamedBytes& file) : path_(file.path), beside_(beside_of(path_)), guard_(beside_) {
    if (std::filesystem::is_directory(path_))
      fail("cannot write '{}': a folder of that name is in the way", path_);
    Descriptor descriptor(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (descriptor.get() < 0) fail("cannot write '{}': {}", path_, reason(errno));
    if (!write_all(descriptor.get(), file.bytes) || ::fsync(descriptor.get()) != 0 || !descriptor.close()) {
      const int error = errno;
      ::unlink(beside_.c_str());
      fail("cannot write '{}': {}", path_, reason(error));
    }
  }
  ~Partial() {
    if (!renamed_) ::unlink(beside_.c_str());
  }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  void take_place() {
    if (::rename(beside_.c_str(), path_.c_str()) != 0) fail("cannot write '{}': {}", path_, reason(errno));
    renamed_ = true;
  }

 private:
  std::string path_;
  std::string beside_;
  TemporaryFile guard_;
  bool renamed_ = false;
};

}  // namespace

std::vector<uint8_t> read_file(const std::string& path) {
  return read_whole<std::vector<uint8_t>>(path);
}

std::string read_text(const std::string& path) {
  return read_whole<std::string>(path);
}

void write_files_atomically(const std::vector<NamedBytes>& files) {
  std::list<Partial> partials;
  for (const NamedBytes& file : files) partials.emplace_back(file);
  const SignalsWait wait;
  for (Partial& partial : partials) partial.take_place();
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  write_files_atomically({{path, std::string(bytes)}});
}

void write_file_atomically(const std::string& path, const std::vector<uint8_t>& bytes) {
  write_file_atomically(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail("cannot create the folder '{}': {}", path, error.message());
  if (!std::filesystem::is_directory(path))
    fail("cannot create the folder '{}': a file of that name exists", path);
}

void require_writable(const std::string& path) {
  const std::string folder = folder_of(path);
  if (!std::filesystem::is_directory(folder))
    fail("cannot write '{}': there is no folder '{}'", path, folder);
  // Permissions don't tell everything (the superuser, /proc, read-only mounts), creating a file does.
  const Partial partial({path, ""});
}

}  // namespace shrike
