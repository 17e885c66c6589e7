// What the files of this folder ask the system for, a function a call: posix/ and windows/ have one each. A
// call that failed (false, or a Descriptor of nothing) leaves the reason in errno.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "toolchain/system/file.h"

namespace shrike::calls {

enum class Opening {
  kRead,
  kReadName,  // the name itself, a symbolic link is refused; never waits for a pipe's other end
  kCreate,    // for writing from the beginning; what is there stays
  kAppend,    // for reading, and for writing at the end; created where missing
  kInto,      // for writing into what is there: a device, a pipe
};
// No program that is started inherits it.
Descriptor open(const std::string& path, Opening how);
// Another number for the open file, to be closed by itself.
Descriptor duplicate(int file);
// An open file that has no name, or that loses it when it is closed, whatever ends the process.
Descriptor open_nameless();
void close(int file);

struct OpenFile {
  FileIdentity identity;
  enum class Kind { kFile, kFolder, kDevice, kOther } kind = Kind::kFile;  // kOther: a pipe
  uint64_t bytes = 0;
};
std::optional<OpenFile> look_at(int file);

// As read(2), write(2), pread(2) and pwrite(2): how many bytes it were, negative when none could be moved.
// They go on where a signal has interrupted them.
int64_t read(int file, void* bytes, size_t count);
int64_t write(int file, const void* bytes, size_t count);
int64_t read_at(int file, void* bytes, size_t count, int64_t place);
int64_t write_at(int file, const void* bytes, size_t count, int64_t place);

bool cut(int file, uint64_t bytes);
// Does not return before content and size, or everything about the file, are on the disk.
bool sync_content(int file);
bool sync(int file);

// Locks that other processes see, and other openings in this one; gone with the last Descriptor of the
// opening.
enum class Lock { kTaken, kSomebodys, kImpossible };  // kImpossible: the file system has none
Lock lock(int file);

bool may_be_written(const std::string& path);
bool remove(const std::string& path);
// The file gets that name; what had it is gone. One step: at any time the name means one of the two.
bool rename(const std::string& from, const std::string& to);
// Each file gets the other's name; `second` means one of the two at any time. Not all file systems can do it.
bool exchange(const std::string& first, const std::string& second);
// Gives an open file owner and mode of another, as far as the system lets us.
void make_like(int file, const FoundFile& other);

}  // namespace shrike::calls
