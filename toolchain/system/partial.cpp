#include "toolchain/system/partial.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "toolchain/support/error.h"
#include "toolchain/system/children.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestName = 255;  // NAME_MAX of every file system that matters
constexpr std::string_view kEnd = ".partial";

// `attempt` 0 is the usual name; others are for processes of the same number in other containers.
std::string beside_of(const std::string& path, int attempt) {
  const fs::path file(path);
  const std::string number = attempt == 0 ? "" : fmt::format("-{}", attempt);
  const std::string suffix = fmt::format(".{}{}{}", process_number(), number, kEnd);
  const std::string name = file.filename().string();
  return (file.parent_path() / (name.substr(0, kLongestName - suffix.size()) + suffix)).string();
}

// Whether the open file still has that name.
bool is_still(const Descriptor& file, const std::string& path) {
  const std::optional<FileIdentity> opened = identity_of(file);
  const std::optional<FoundFile> named = find_file(path);
  return opened && named && named->identity == *opened;
}

// The part of the name that comes from the output, when `name` is one that beside_of() gives; else empty.
std::string_view stem_of_partial(std::string_view name) {
  if (!name.ends_with(kEnd)) return {};
  name.remove_suffix(kEnd.size());
  const size_t digits = name.find_last_not_of("0123456789-");
  if (digits == std::string_view::npos || digits == 0 || name[digits] != '.' || digits + 1 == name.size())
    return {};
  return name.substr(0, digits);
}

bool remove_if_abandoned(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0 || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 || !is_still(file, path)) return false;
  return ::unlink(path.c_str()) == 0;
}

}  // namespace

Partial::Partial(const NamedBytes& file) : path_(file.path), through_number_(descriptor_named(path_)) {
  if (path_.empty()) fail("cannot write a file without a name; an output option is empty");
  struct stat old = {};
  const bool exists = ::stat(path_.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail("cannot write '{}': a folder of that name is in the way", path_);
  if (through_number_ >= 0 || (exists && !S_ISREG(old.st_mode))) {
    if (through_number_ < 0 && ::access(path_.c_str(), W_OK) != 0)
      fail("cannot write '{}': {}", path_, reason(errno));
    through_ = file.bytes;
    return;
  }
  target_ = behind_links(path_);
  open_beside();
  if (exists) {
    // Only the superuser may give files away; anybody else's file then simply is his.
    [[maybe_unused]] const int given = ::fchown(descriptor_.get(), old.st_uid, old.st_gid);
    ::fchmod(descriptor_.get(), old.st_mode & 07777);
  }
  if (!write_all(descriptor_.get(), file.bytes) || ::fsync(descriptor_.get()) != 0) {
    const int error = errno;
    ::unlink(beside_.c_str());
    fail("cannot write '{}': {}", path_, reason(error));
  }
}

void Partial::open_beside() {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    beside_ = beside_of(target_, attempt);
    guard_.emplace(beside_);
    descriptor_ = Descriptor(::open(beside_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    if (descriptor_.get() < 0) break;
    // A file system without locks loses no more than the removal of what killed runs leave.
    const bool locked = ::flock(descriptor_.get(), LOCK_EX | LOCK_NB) == 0;
    const bool somebodys = !locked && errno == EWOULDBLOCK;
    const bool ours = !somebodys && is_still(descriptor_, beside_);
    if (ours && (::ftruncate(descriptor_.get(), 0) == 0 || errno == EINVAL)) return;  // a device has no end
    guard_.reset();
  }
  const int error = errno;
  beside_.clear();
  guard_.reset();
  fail("cannot write '{}': {}", path_, reason(error));
}

Partial::~Partial() {
  if (!beside_.empty() && place_ != Place::kTaken) ::unlink(beside_.c_str());
}

// The old content takes the new one's name, so that it is still there if a later file of the set fails. Not
// all file systems can do that.
void Partial::take_place() {
  if (beside_.empty()) return write_through();
  if (::renameat2(AT_FDCWD, beside_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    place_ = Place::kExchanged;
    return;
  }
  const bool impossible = errno == ENOENT || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
  if (!impossible || ::rename(beside_.c_str(), target_.c_str()) != 0)
    fail("cannot write '{}': {}", path_, reason(errno));
  place_ = Place::kTaken;
}

void Partial::give_back() {
  if (place_ == Place::kBeside) return;
  const unsigned flags = place_ == Place::kExchanged ? RENAME_EXCHANGE : 0;
  if (::renameat2(AT_FDCWD, target_.c_str(), AT_FDCWD, beside_.c_str(), flags) == 0) place_ = Place::kBeside;
}

void Partial::sync_folder() const {
  if (!target_.empty()) sync_folder_of(target_);
}

void Partial::write_through() const {
  std::fflush(stdout);  // what was printed before stays before
  const Descriptor opened(through_number_ >= 0 ? ::dup(through_number_)
                                               : ::open(path_.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (opened.get() < 0 || !write_all(opened.get(), through_))
    fail("cannot write '{}': {}", path_, reason(errno));
}

void remove_abandoned_partials(const std::vector<std::string>& outputs) {
  std::map<std::string, std::set<std::string, std::less<>>> names;  // by folder
  for (const std::string& path : outputs) {
    if (descriptor_named(path) >= 0) continue;
    const std::string target = behind_links(path);
    names[folder_of(target)].insert(fs::path(target).filename().string());
  }
  for (const auto& [folder, wanted] : names) {
    std::error_code error;
    fs::directory_iterator entry(folder, error), end;
    for (; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      const std::string_view stem = stem_of_partial(name);
      if (stem.empty()) continue;
      const auto output = wanted.lower_bound(stem);
      // A long name was cut to leave room for the suffix.
      const bool cut = name.size() == kLongestName && output != wanted.end() && output->starts_with(stem);
      if (cut || wanted.contains(stem)) remove_if_abandoned(entry->path().string());
    }
  }
}

}  // namespace shrike
