#include "toolchain/system/calls.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace shrike {
namespace {

FileIdentity identity_in(const struct stat& info) {
  return {static_cast<uint64_t>(info.st_dev), static_cast<uint64_t>(info.st_ino)};
}

template <typename Call>
int64_t unless_interrupted(const Call& call) {
  for (;;) {
    const ssize_t count = call();
    if (count >= 0 || errno != EINTR) return count;
  }
}

}  // namespace

std::string reason(int error) {
  if (error == ENOSPC || error == EDQUOT) return "the disk is full";
  return std::strerror(error);
}

std::string reason(const std::error_code& error) {
  return error.message();
}

char between_paths() {
  return ':';
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
  return FoundFile{identity_in(info), kind, info.st_uid, info.st_gid, info.st_mode & 07777u};
}

namespace calls {

Descriptor open(const std::string& path, Opening how) {
  int flags = O_RDONLY;
  switch (how) {
    case Opening::kRead:
      break;
    case Opening::kReadName:
      flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
      break;
    case Opening::kCreate:
      flags = O_WRONLY | O_CREAT;
      break;
    case Opening::kAppend:
      flags = O_RDWR | O_CREAT | O_APPEND;
      break;
    case Opening::kInto:
      flags = O_WRONLY | O_NOCTTY;
  }
  return Descriptor(::open(path.c_str(), flags | O_CLOEXEC, 0666));
}

Descriptor duplicate(int file) {
  return Descriptor(::dup(file));
}

Descriptor open_nameless() {
  const char* const folder = std::getenv("TMPDIR");
  std::string path = folder != nullptr && *folder != '\0' ? folder : "/var/tmp";
#ifdef O_TMPFILE
  Descriptor made(::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (made.get() >= 0) return made;
#endif
  path += "/shrike_XXXXXX";
  Descriptor named(::mkstemp(path.data()));
  if (named.get() >= 0) ::unlink(path.c_str());
  return named;
}

void close(int file) {
  ::close(file);
}

std::optional<OpenFile> look_at(int file) {
  struct stat info = {};
  if (::fstat(file, &info) != 0) return std::nullopt;
  using Kind = OpenFile::Kind;
  Kind kind = Kind::kOther;
  if (S_ISREG(info.st_mode)) kind = Kind::kFile;
  if (S_ISDIR(info.st_mode)) kind = Kind::kFolder;
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) kind = Kind::kDevice;
  return OpenFile{identity_in(info), kind, info.st_size > 0 ? static_cast<uint64_t>(info.st_size) : 0};
}

int64_t read(int file, void* bytes, size_t count) {
  return unless_interrupted([&] { return ::read(file, bytes, count); });
}

int64_t write(int file, const void* bytes, size_t count) {
  return unless_interrupted([&] { return ::write(file, bytes, count); });
}

int64_t read_at(int file, void* bytes, size_t count, int64_t place) {
  return unless_interrupted([&] { return ::pread(file, bytes, count, static_cast<off_t>(place)); });
}

int64_t write_at(int file, const void* bytes, size_t count, int64_t place) {
  return unless_interrupted([&] { return ::pwrite(file, bytes, count, static_cast<off_t>(place)); });
}

bool cut(int file, uint64_t bytes) {
  return ::ftruncate(file, static_cast<off_t>(bytes)) == 0;
}

bool sync_content(int file) {
  return ::fdatasync(file) == 0;
}

bool sync(int file) {
  return ::fsync(file) == 0;
}

Lock lock(int file) {
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return Lock::kTaken;
  return errno == EWOULDBLOCK ? Lock::kSomebodys : Lock::kImpossible;
}

bool may_be_written(const std::string& path) {
  return ::access(path.c_str(), W_OK) == 0;
}

bool remove(const std::string& path) {
  return ::unlink(path.c_str()) == 0;
}

bool rename(const std::string& from, const std::string& to) {
  return ::rename(from.c_str(), to.c_str()) == 0;
}

bool exchange(const std::string& first, const std::string& second) {
  return ::renameat2(AT_FDCWD, first.c_str(), AT_FDCWD, second.c_str(), RENAME_EXCHANGE) == 0;
}

void make_like(int file, const FoundFile& other) {
  // Only the superuser may give files away; anybody else's file then simply is his.
  [[maybe_unused]] const int given = ::fchown(file, other.owner, other.group);
  ::fchmod(file, other.mode);
}

}  // namespace calls
}  // namespace shrike
