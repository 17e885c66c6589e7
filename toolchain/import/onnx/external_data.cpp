#include "toolchain/import/onnx/external_data.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph {
namespace {

namespace fs = std::filesystem;

uint64_t parse_number(const std::string& text, const char* what, const std::string& where) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end)
    fail("{}: the {} of its external data was expected to be a number; the file is damaged", where, what);
  return value;
}

}  // namespace

std::string ExternalData::file_of(const std::string& location, const std::string& where) const {
  if (folder_.empty())
    fail("{}: its data lie in a separate file, which is only read beside a model file", where);
  const fs::path relative = location;
  const bool leads_up = std::find(relative.begin(), relative.end(), fs::path("..")) != relative.end();
  const bool printable = std::none_of(location.begin(), location.end(),
                                      [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  if (location.empty() || !printable || relative.has_root_path() || leads_up) {
    fail(
        "{}: its data were expected in a file beside the model, it names a place outside the model's folder; "
        "save "
        "the model as one .onnx file",
        where);
  }
  std::error_code error;
  const fs::path folder = fs::canonical(folder_, error);
  const fs::path file = fs::canonical(fs::path(folder_) / relative, error);
  if (error || !fs::is_regular_file(file, error)) {
    fail("{}: its data are in the file '{}' beside the model, which is not there; copy both files together",
         where, location);
  }
  if (std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first != folder.end()) {
    fail("{}: its data file '{}' is a link that leads out of the model's folder; copy the file itself", where,
         location);
  }
  return file.generic_string();
}

std::string ExternalData::read(const onnx::TensorProto& proto, uint64_t bytes, const std::string& where) {
  std::string location;
  uint64_t offset = 0, length = bytes;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = parse_number(entry.value(), "offset", where);
    if (entry.key() == "length") length = parse_number(entry.value(), "length", where);
  }
  if (length != bytes) {
    fail("{}: {} bytes of external data were expected for its shape, the file states {}; the file is damaged",
         where, bytes, length);
  }
  const std::string path = file_of(location, where);
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  if (error || offset > size || bytes > size - offset) {
    fail(
        "{}: {} bytes were expected at offset {} of '{}', which has {}; the file is truncated, copy it again",
        where, bytes, offset, location, error ? 0 : size);
  }
  total_ += bytes;  // tensors may share bytes of the file: the sum counts
  if (total_ > model_limits::kFileBytes)
    fail("{}: more than 2 GiB of external data; is this a detector?", where);
  std::string data(bytes, '\0');
  std::ifstream file = open_bytes(path);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(data.data(), static_cast<std::streamsize>(bytes));
  if (!file) fail("{}: its data file '{}' cannot be read", where, location);
  return data;
}

}  // namespace shrike::graph
