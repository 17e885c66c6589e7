#include "toolchain/import/import.h"

#include <filesystem>
#include <fstream>

#include "toolchain/import/onnx/import.h"
#include "toolchain/import/pt/import.h"
#include "toolchain/import/recognise.h"
#include "toolchain/import/tflite/import.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph {
namespace {

// Devices and FIFOs have no end, and a folder is no file: told before the first byte is read.
void check_is_file(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return;  // read_file says why
  if (fs::is_directory(status)) refuse_folder(path);
  if (!fs::is_regular_file(status))
    fail("{}: a model file was expected, found a device or a pipe; save the model to a file first", path);
  const uint64_t size = fs::file_size(path, error);
  if (!error && size > model_limits::kFileBytes)
    fail("{}: at most 2 GiB were expected, found {} bytes; is this a detector?", path, size);
}

}  // namespace

Graph import_model_bytes(const std::string& bytes, const std::string& path) {
  switch (recognise(bytes, path)) {
    case ModelFormat::kTorchCheckpoint:
      return import_checkpoint(bytes, path);
    case ModelFormat::kTflite:
      return import_tflite(bytes, path);
    case ModelFormat::kOnnx:
      break;
  }
  return import_onnx_bytes(bytes, path, folder_of(path));
}

Graph import_model(const std::string& path) {
  check_is_file(path);
  const std::vector<uint8_t> bytes = read_file(path);
  return import_model_bytes(std::string(bytes.begin(), bytes.end()), path);
}

bool is_float_model(const std::string& path) {
  check_is_file(path);
  std::ifstream file = open_bytes(path);
  std::string head(4, '\0');
  if (!file.read(head.data(), 4)) return true;  // reading it says what is wrong
  return !(head.starts_with("EDL") || head.starts_with("PDL"));
}

}  // namespace shrike::graph
