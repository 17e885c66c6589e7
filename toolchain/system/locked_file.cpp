#include "toolchain/system/locked_file.h"

#include <cerrno>
#include <set>

#include "toolchain/support/error.h"
#include "toolchain/system/calls.h"

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
    Descriptor opened = calls::open(path_, calls::Opening::kAppend);
    const std::optional<FileIdentity> identity = opened.get() < 0 ? std::nullopt : identity_of(opened);
    if (!identity) fail("cannot write '{}': {}", path_, reason(errno));
    const bool somebodys = calls::lock(opened.get()) == calls::Lock::kSomebodys;
    if (somebodys && !held_here.contains(*identity)) fail("{}", busy_);
    file_ = std::move(opened);
    held_.emplace(*identity);
    // It may have been replaced before it was locked.
    const std::optional<FoundFile> named = find_file(path_);
    if (named && named->identity == *identity) return;
  }
}

void LockedFile::cut(uint64_t bytes) {
  if (!calls::cut(file_.get(), bytes)) fail("cannot write '{}': {}", path_, reason(errno));
}

void LockedFile::append(std::string_view text) {
  if (!write_all(file_.get(), text) || !calls::sync_content(file_.get()))
    fail("cannot write '{}': {}", path_, reason(errno));
}

}  // namespace shrike
