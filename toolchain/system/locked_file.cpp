#include "toolchain/system/locked_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "toolchain/support/error.h"

namespace shrike {
namespace {

std::multiset<FileIdentity> held_here;  // by this process

}  // namespace

LockedFile::Held::Held(const FileIdentity& file) : file_(file) {
  held_here.insert(file_);
}
LockedFile::Held::~Held() {
  held_here.erase(held_here.find(file_));
}

LockedFile::LockedFile(const std::string& path, const std::string& busy) : path_(path), busy_(busy) {
  open_again();
}

void LockedFile::open_again() {
  held_.reset();
  for (;;) {
    Descriptor opened(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    const std::optional<FileIdentity> identity = opened.get() < 0 ? std::nullopt : identity_of(opened);
    if (!identity) fail("cannot write '{}': {}", path_, reason(errno));
    const bool locked = ::flock(opened.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    if (!locked && !held_here.contains(*identity)) fail("{}", busy_);
    file_ = std::move(opened);
    held_.emplace(*identity);
    // It may have been replaced before it was locked.
    const std::optional<FoundFile> named = find_file(path_);
    if (named && named->identity == *identity) return;
  }
}

void LockedFile::cut(uint64_t bytes) {
  if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0)
    fail("cannot write '{}': {}", path_, reason(errno));
}

void LockedFile::append(std::string_view text) {
  if (!write_all(file_.get(), text) || ::fdatasync(file_.get()) != 0)
    fail("cannot write '{}': {}", path_, reason(errno));
}

}  // namespace shrike
