#include "toolchain/host/companions.h"

#include <filesystem>
#include <fstream>

#include "toolchain/support/files.h"

namespace shrike::host {
namespace {

constexpr size_t kBeginning = 512;  // of a companion: its hash stands there
constexpr size_t kDigits = 64;

// The hash that a companion states; empty: none.
std::string stated_hash(const std::string& path) {
  std::ifstream file = open_bytes(path);
  std::string text(kBeginning, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  const std::string key = "espdl_sha256";
  const size_t at = text.find(key);
  if (at == std::string::npos) return "";
  const size_t first = text.find_first_of("0123456789abcdef", at + key.size());
  return first == std::string::npos ? "" : text.substr(first, kDigits);
}

}  // namespace

std::vector<std::string> strange_companions(const IntegerModel& model) {
  namespace fs = std::filesystem;
  std::vector<std::string> strange;
  const fs::path path = model.name();
  if (path.extension() != ".espdl") return strange;
  std::string hash;  // computed once a companion states one
  for (const char* extension : {".info", ".json"}) {
    const std::string companion = fs::path(path).replace_extension(extension).generic_string();
    std::error_code ignored;
    if (!fs::is_regular_file(companion, ignored)) continue;
    const std::string stated = stated_hash(companion);
    if (stated.empty()) continue;
    if (hash.empty()) hash = model.file_sha256();
    if (stated != hash) strange.push_back(companion);
  }
  return strange;
}

}  // namespace shrike::host
