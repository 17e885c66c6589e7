#include "toolchain/support/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <list>
#include <optional>

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

constexpr size_t kLongestName = 255;  // NAME_MAX of every file system that matters

// The number of the descriptor that a path like /dev/stdout means, or -1. Opened by its path it would be
// written from its beginning again.
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

// The file that a path means when its last part is a symbolic link, or a chain of them.
std::string behind_links(const std::string& path) {
  constexpr int kLongestChain = 40;  // as in the kernel
  std::filesystem::path file = path;
  for (int i = 0; i < kLongestChain; ++i) {
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(file, error);
    if (error) return file.string();
    file = target.is_absolute() ? target : file.parent_path() / target;
  }
  fail("cannot write '{}': its symbolic links lead in a circle", path);
}

std::string beside_of(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string suffix = fmt::format(".{}.partial", ::getpid());
  const std::string name = file.filename().string();
  return (file.parent_path() / (name.substr(0, kLongestName - suffix.size()) + suffix)).string();
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

// A file's new content under another name, beside the old one, with the old one's owner and mode; removed
// again unless it takes its place. What is no regular file (a device, a pipe) is not replaced: the content
// goes into it.
class Partial {
 public:
  explicit Partial(const NamedBytes& file) : path_(file.path), descriptor_(descriptor_named(path_)) {
    if (path_.empty()) fail("cannot write a file without a name; an output option is empty");
    struct stat old = {};
    const bool exists = ::stat(path_.c_str(), &old) == 0;
    if (exists && S_ISDIR(old.st_mode)) fail("cannot write '{}': a folder of that name is in the way", path_);
    if (descriptor_ >= 0 || (exists && !S_ISREG(old.st_mode))) {
      if (descriptor_ < 0 && ::access(path_.c_str(), W_OK) != 0)
        fail("cannot write '{}': {}", path_, reason(errno));
      through_ = file.bytes;
      return;
    }
    target_ = behind_links(path_);
    beside_ = beside_of(target_);
    guard_.emplace(beside_);
    Descriptor descriptor(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    if (descriptor.get() < 0) fail("cannot write '{}': {}", path_, reason(errno));
    if (exists) {
      // Only the superuser may give files away; anybody else's file then simply is his.
      [[maybe_unused]] const int given = ::fchown(descriptor.get(), old.st_uid, old.st_gid);
      ::fchmod(descriptor.get(), old.st_mode & 07777);
    }
    if (!write_all(descriptor.get(), file.bytes) || ::fsync(descriptor.get()) != 0 || !descriptor.close()) {
      const int error = errno;
      ::unlink(beside_.c_str());
      fail("cannot write '{}': {}", path_, reason(error));
    }
  }
  ~Partial() {
    if (!beside_.empty()) ::unlink(beside_.c_str());
  }
  Partial(const Partial&) = delete;
  Partial& operator=(const Partial&) = delete;

  void take_place() {
    if (beside_.empty()) return write_through();
    if (::rename(beside_.c_str(), target_.c_str()) != 0) fail("cannot write '{}': {}", path_, reason(errno));
    beside_.clear();
  }
  // Makes the new name survive a power cut.
  void sync_folder() const {
    if (target_.empty()) return;
    const Descriptor folder(::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() >= 0) ::fsync(folder.get());
  }

 private:
  void write_through() const {
    std::fflush(stdout);  // what was printed before stays before
    const Descriptor opened(descriptor_ >= 0 ? ::dup(descriptor_)
                                             : ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
    if (opened.get() < 0 || !write_all(opened.get(), through_))
      fail("cannot write '{}': {}", path_, reason(errno));
  }

  std::string path_;    // as it was given
  int descriptor_;      // that it names, or -1
  std::string target_;  // behind symbolic links
  std::string beside_;  // the new content's name until it takes its place
  std::string through_;
  std::optional<TemporaryFile> guard_;
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
  for (const Partial& partial : partials) partial.sync_folder();
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
