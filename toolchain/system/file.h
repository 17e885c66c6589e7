// Open files, and what the system knows of a path.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace shrike {

// An open file's number, closed when the object dies. -1: none.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  int get() const { return number_; }

 private:
  int number_;
};

// The system's reason as a user reads it.
std::string reason(int error);
std::string reason(const std::error_code& error);
// False when something could not be written; errno says why.
bool write_all(int file, std::string_view bytes);
// What stands between the paths of a list in the environment.
char between_paths();
// The folder that holds the file; "." for a bare name.
std::string folder_of(const std::string& path);
// The number of the descriptor that a path like /dev/stdout means, or -1. Opened by its path it would be
// written from its beginning again.
int descriptor_named(const std::string& path);
// The file that a path means when its last part is a symbolic link, or a chain of them.
std::string behind_links(const std::string& path);
// Makes names in the folder of `path` survive a power cut.
void sync_folder_of(const std::string& path);

// What tells a file from all others of this machine, and what it is.
struct FileIdentity {
  uint64_t device = 0, inode = 0;
  auto operator<=>(const FileIdentity&) const = default;
};
struct FoundFile {
  FileIdentity identity;
  enum class Kind { kRegular, kFolder, kOther } kind = Kind::kRegular;
  uint32_t owner = 0, group = 0, mode = 0;
};
// Behind symbolic links; nothing when there is none.
std::optional<FoundFile> find_file(const std::string& path);
std::optional<FileIdentity> identity_of(const Descriptor& file);

// The whole file in `bytes`. Throws Error naming the file and the reason.
void read_whole(const std::string& path, std::string& bytes);
void read_whole(const std::string& path, std::vector<uint8_t>& bytes);

}  // namespace shrike
