#include "toolchain/support/outputs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/system/file.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBeginning = 8192;             // of a file, where its kind shows
constexpr uintmax_t kMostSearched = 256 << 20;  // of a file that may name others

// What tells two files apart: an existing one by itself, another by the folder it would be made in.
struct Identity {
  FileIdentity file;
  std::string name;  // in that folder; empty for an existing file
  auto operator<=>(const Identity&) const = default;
};

// Nothing for what is no regular file.
std::optional<Identity> identity_of(const std::string& path) {
  if (const std::optional<FoundFile> found = find_file(path)) {
    if (found->kind != FoundFile::Kind::kRegular) return std::nullopt;
    return Identity{found->identity, ""};
  }
  const fs::path target = behind_links(path);
  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  if (const std::optional<FoundFile> found = find_file(folder.generic_string()))
    return Identity{found->identity, target.filename().generic_string()};
  return Identity{{}, fs::absolute(target).lexically_normal().generic_string()};
}

std::string beginning_of(const std::string& path) {
  std::ifstream file = open_bytes(path);
  std::string text(kBeginning, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

bool is_json_object(const std::string& beginning) {
  const size_t first = beginning.find_first_not_of(" \t\r\n");
  return first != std::string::npos && beginning[first] == '{';
}

bool has_any(const std::string& text, const std::vector<std::string>& marks) {
  return std::any_of(marks.begin(), marks.end(),
                     [&](const std::string& mark) { return text.find(mark) != std::string::npos; });
}

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().generic_string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool is_picture_or_array(const fs::path& path) {
  static const std::set<std::string> kinds = {".jpg", ".jpeg", ".png", ".npy"};
  return kinds.contains(lower_extension(path));
}

// Pictures, arrays and labels; not what commands of ours leave in such a folder.
bool belongs_to_data(const fs::path& path) {
  const std::string extension = lower_extension(path);
  if (is_picture_or_array(path) || extension == ".txt" || path.filename() == "data.yaml") return true;
  if (extension != ".json") return false;
  const std::string text = beginning_of(path.generic_string());
  return is_json_object(text) && !has_any(text, {"\"espdl_sha256\"", "\"configs\"", "\"tensors\""});
}

// What has been read of the outputs' identities, and what of the files that are read is one of them.
class Guard {
 public:
  explicit Guard(const std::vector<PlannedOutput>& writes) {
    for (const PlannedOutput& output : writes) {
      if (output.path.empty()) fail("{}: a file name was expected, '' was given", output.option);
      const std::optional<Identity> identity = identity_of(output.path);
      if (!identity) continue;
      const auto [other, fresh] = outputs_.emplace(*identity, &output);
      if (!fresh) {
        fail("'{}' ({}) and '{}' ({}) are the same file; give one of them another name", other->second->path,
             other->second->option, output.path, output.option);
      }
      if (identity->name.empty()) existing_.push_back(&output);
    }
  }

  bool anything_to_lose() const { return !existing_.empty(); }

  void read_file(const std::string& path) {
    const std::optional<Identity> identity = identity_of(path);
    if (!identity) return;
    const auto output = outputs_.find(*identity);
    if (output == outputs_.end()) return;
    fail("'{}' ({}) would overwrite '{}', which this command reads; choose another name",
         output->second->path, output->second->option, path);
  }

  // Files of weights beside a model, pictures of a list: what a read file names is read.
  void read_what_it_names(const std::string& path) {
    if (is_picture_or_array(path)) return;
    std::error_code error;
    const uintmax_t bytes = fs::file_size(path, error);
    if (error || bytes > kMostSearched) return;
    std::string text;  // read once there is something to look for
    for (const PlannedOutput* output : existing_) {
      if (is_picture_or_array(output->path)) continue;
      const fs::path folder = fs::weakly_canonical(path, error).parent_path();
      const std::string inside =
          fs::weakly_canonical(output->path, error).lexically_relative(folder).generic_string();
      if (inside.empty() || inside.starts_with("..")) continue;
      if (text.empty()) text = read_text(path);
      if (text.find(fs::path(output->path).filename().generic_string()) == std::string::npos) continue;
      fail("'{}' ({}) would overwrite a file that '{}' names; choose another name", output->path,
           output->option, path);
    }
  }

  void read_folder(const fs::path& folder) {
    std::error_code error;
    fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
    for (; !error && entry != end; entry.increment(error)) read_entry(*entry);
    // images/ of a data set: its labels stand beside it.
    fs::path named = fs::absolute(folder, error).lexically_normal();
    if (!named.has_filename()) named = named.parent_path();
    if (named.filename() != "images") return;
    fs::directory_iterator beside(named.parent_path(), fs::directory_options::skip_permission_denied, error),
        last;
    for (; !error && beside != last; beside.increment(error)) read_entry(*beside);
  }

  // A name that the command made up itself.
  void keep_other_json() const {
    for (const PlannedOutput* output : existing_) {
      if (output->marks.empty()) continue;
      const std::string text = beginning_of(output->path);
      if (!is_json_object(text) || has_any(text, output->marks)) continue;
      fail("'{}' ({}) exists and is a JSON file of another kind; move it, or choose another name for -o",
           output->path, output->option);
    }
  }

 private:
  void read_entry(const fs::directory_entry& entry) {
    std::error_code error;
    if (!entry.is_regular_file(error)) return;
    const std::optional<Identity> identity = identity_of(entry.path().generic_string());
    if (!identity || !outputs_.contains(*identity) || !belongs_to_data(entry.path())) return;
    read_file(entry.path().generic_string());
  }

  std::map<Identity, const PlannedOutput*> outputs_;
  std::vector<const PlannedOutput*> existing_;
};

// The file and what other commands keep beside it.
std::vector<std::string> with_companions(const std::string& path) {
  std::vector<std::string> files = {path};
  const fs::path file(path);
  if (file.extension() == ".espdl") {
    for (const char* extension : {".info", ".json", ".auto.jsonl"})
      files.push_back((file.parent_path() / file.stem()).generic_string() + extension);
  }
  for (const char* extension : {".ckpt", ".train.jsonl"}) files.push_back(path + extension);
  return files;
}

}  // namespace

void guard_outputs(const CommandFiles& files) {
  Guard guard(files.writes);
  if (guard.anything_to_lose()) {
    std::error_code ignored;
    for (const std::string& path : files.reads) {
      if (path.empty()) continue;
      if (fs::is_directory(path, ignored)) {
        guard.read_folder(path);
        continue;
      }
      for (const std::string& file : with_companions(path)) guard.read_file(file);
      if (fs::is_regular_file(path, ignored)) guard.read_what_it_names(path);
    }
    guard.keep_other_json();
  }
  std::vector<std::string> outputs;
  for (const PlannedOutput& output : files.writes) outputs.push_back(output.path);
  remove_abandoned_partials(outputs);
}

bool is_written_through(const std::string& path) {
  const std::optional<FoundFile> found = find_file(path);
  return descriptor_named(path) >= 0 || (found && found->kind == FoundFile::Kind::kOther);
}

}  // namespace shrike
