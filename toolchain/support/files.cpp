#include "toolchain/support/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <list>

#include "toolchain/support/error.h"
#include "toolchain/support/interrupt.h"
#include "toolchain/support/partial.h"

namespace shrike {
namespace {

template <typename Container>
Container read_whole(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail("cannot open '{}': {}", path, reason(errno));
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) fail("cannot read '{}': {}", path, reason(errno));
  if (S_ISDIR(info.st_mode)) fail("cannot read '{}': it is a folder, a file was expected", path);
  const bool device = S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode);  // gives bytes for ever, or none at all
  Container bytes;
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
  return bytes;
}

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
  try {
    for (Partial& partial : partials) partial.take_place();
  } catch (...) {
    for (Partial& partial : partials) partial.give_back();
    throw;
  }
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
