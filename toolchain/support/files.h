// Whole files in and out.
#pragma once
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace shrike {

// Throws Error naming the file and the system's reason.
std::vector<uint8_t> read_file(const std::string& path);
std::string read_text(const std::string& path);
// For files of which a part is read. A std::ifstream that is given a text takes it to be in the code page of
// the machine on Windows; names are UTF-8 here.
std::ifstream open_bytes(const std::string& path);

// Writes beside the target, flushes to disk and renames: a killed or failed run leaves the old file or the
// new one, never half. Owner, mode and symbolic links stay as they are; a device, a pipe or /dev/stdout is
// written into instead of being replaced. Creates no folders. Throws Error naming the file and the system's
// reason (disk full, not writable ...).
void write_file_atomically(const std::string& path, std::string_view bytes);
void write_file_atomically(const std::string& path, const std::vector<uint8_t>& bytes);

// Files that belong together: all are written and flushed before the first is renamed, and a signal waits
// until the last one is, so that a failed or interrupted run never mixes old and new. Only a kill (-9) within
// the renames can; the one that matters goes last. Errors as above.
struct NamedBytes {
  std::string path;
  std::string bytes;
};
void write_files_atomically(const std::vector<NamedBytes>& files);
// Removes what killed runs have left beside these outputs; what a living run is writing stays. One look at
// each folder, however many outputs it holds.
void remove_abandoned_partials(const std::vector<std::string>& outputs);

// Creates the folder and its parents where missing; throws Error when that fails or a file is in the way.
void make_folder(const std::string& path);
// Throws Error unless a file could be written in the folder that would hold `path`: to be asked before hours
// of work.
void require_writable(const std::string& path);

}  // namespace shrike
