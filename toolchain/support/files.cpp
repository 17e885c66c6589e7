#include "toolchain/support/files.h"

#include <filesystem>
#include <fstream>
#include <list>

#include "toolchain/support/error.h"
#include "toolchain/system/file.h"
#include "toolchain/system/interrupt.h"
#include "toolchain/system/partial.h"

namespace shrike {

std::vector<uint8_t> read_file(const std::string& path) {
  std::vector<uint8_t> bytes;
  read_whole(path, bytes);
  return bytes;
}

std::string read_text(const std::string& path) {
  std::string text;
  read_whole(path, text);
  return text;
}

std::ifstream open_bytes(const std::string& path) {
  return std::ifstream(std::filesystem::path(path), std::ios::binary);
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
  if (error) fail("cannot create the folder '{}': {}", path, reason(error));
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
