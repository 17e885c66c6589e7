#include "toolchain/system/partial.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <set>

#include "toolchain/support/error.h"
#include "toolchain/system/calls.h"
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
  const std::string name = file.filename().generic_string();
  return (file.parent_path() / (name.substr(0, kLongestName - suffix.size()) + suffix)).generic_string();
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
  const Descriptor file = calls::open(path, calls::Opening::kReadName);
  if (file.get() < 0 || calls::lock(file.get()) != calls::Lock::kTaken || !is_still(file, path)) return false;
  return calls::remove(path);
}

}  // namespace

Partial::Partial(const NamedBytes& file) : path_(file.path), through_number_(descriptor_named(path_)) {
  if (path_.empty()) fail("cannot write a file without a name; an output option is empty");
  using Kind = FoundFile::Kind;
  const std::optional<FoundFile> old = find_file(path_);
  if (old && old->kind == Kind::kFolder)
    fail("cannot write '{}': a folder of that name is in the way", path_);
  if (through_number_ >= 0 || (old && old->kind != Kind::kRegular)) {
    if (through_number_ < 0 && !calls::may_be_written(path_))
      fail("cannot write '{}': {}", path_, reason(errno));
    through_ = file.bytes;
    return;
  }
  target_ = behind_links(path_);
  open_beside();
  if (old) calls::make_like(descriptor_.get(), *old);
  if (!write_all(descriptor_.get(), file.bytes) || !calls::sync(descriptor_.get())) {
    const int error = errno;
    calls::remove(beside_);
    fail("cannot write '{}': {}", path_, reason(error));
  }
}

void Partial::open_beside() {
  constexpr int kAttempts = 100;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    beside_ = beside_of(target_, attempt);
    guard_.emplace(beside_);
    descriptor_ = calls::open(beside_, calls::Opening::kCreate);
    if (descriptor_.get() < 0) break;
    // A file system without locks loses no more than the removal of what killed runs leave.
    const bool somebodys = calls::lock(descriptor_.get()) == calls::Lock::kSomebodys;
    const bool ours = !somebodys && is_still(descriptor_, beside_);
    if (ours && (calls::cut(descriptor_.get(), 0) || errno == EINVAL)) return;  // a device has no end
    guard_.reset();
  }
  const int error = errno;
  beside_.clear();
  guard_.reset();
  fail("cannot write '{}': {}", path_, reason(error));
}

Partial::~Partial() {
  if (!beside_.empty() && place_ != Place::kTaken) calls::remove(beside_);
}

// The old content takes the new one's name, so that it is still there if a later file of the set fails. Not
// all file systems can do that.
void Partial::take_place() {
  if (beside_.empty()) return write_through();
  if (calls::exchange(beside_, target_)) {
    place_ = Place::kExchanged;
    descriptor_ = Descriptor();  // on Windows an open file could not be exchanged again
    return;
  }
  const bool impossible = errno == ENOENT || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP;
  if (!impossible || !calls::rename(beside_, target_)) fail("cannot write '{}': {}", path_, reason(errno));
  place_ = Place::kTaken;
  descriptor_ = Descriptor();
}

void Partial::give_back() {
  if (place_ == Place::kBeside) return;
  const bool given =
      place_ == Place::kExchanged ? calls::exchange(beside_, target_) : calls::rename(target_, beside_);
  if (given) place_ = Place::kBeside;
}

void Partial::sync_folder() const {
  if (!target_.empty()) sync_folder_of(target_);
}

void Partial::write_through() const {
  std::fflush(stdout);  // what was printed before stays before
  const Descriptor opened =
      through_number_ >= 0 ? calls::duplicate(through_number_) : calls::open(path_, calls::Opening::kInto);
  if (opened.get() < 0 || !write_all(opened.get(), through_))
    fail("cannot write '{}': {}", path_, reason(errno));
}

void remove_abandoned_partials(const std::vector<std::string>& outputs) {
  std::map<std::string, std::set<std::string, std::less<>>> names;  // by folder
  for (const std::string& path : outputs) {
    if (descriptor_named(path) >= 0) continue;
    const std::string target = behind_links(path);
    names[folder_of(target)].insert(fs::path(target).filename().generic_string());
  }
  for (const auto& [folder, wanted] : names) {
    std::error_code error;
    fs::directory_iterator entry(folder, error), end;
    for (; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().generic_string();
      const std::string_view stem = stem_of_partial(name);
      if (stem.empty()) continue;
      const auto output = wanted.lower_bound(stem);
      // A long name was cut to leave room for the suffix.
      const bool cut = name.size() == kLongestName && output != wanted.end() && output->starts_with(stem);
      if (cut || wanted.contains(stem)) remove_if_abandoned(entry->path().generic_string());
    }
  }
}

}  // namespace shrike
