// Image files and folders.
#include <algorithm>
#include <filesystem>

#include "toolchain/data/decode.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::data {
namespace {

namespace fs = std::filesystem;

constexpr int kJpegQuality = 92;

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool starts_with(const std::vector<uint8_t>& bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

bool is_image_name(const fs::path& path) {
  const std::string extension = lower_extension(path);
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

}  // namespace

Image load_image(const std::string& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  if (starts_with(bytes, {0xFF, 0xD8})) return decode_jpeg(bytes, path);
  if (starts_with(bytes, {0x89, 'P', 'N', 'G'})) return decode_png(bytes, path);
  if (bytes.empty()) fail("{}: the file is empty; a JPEG or PNG picture was expected", path);
  fail("{}: the file starts like neither a JPEG nor a PNG picture; convert it to one of them", path);
}

void save_image(const Image& image, const std::string& path) {
  const std::string extension = lower_extension(path);
  std::vector<uint8_t> bytes;
  if (extension == ".png") {
    bytes = encode_png(image);
  } else if (extension == ".jpg" || extension == ".jpeg") {
    bytes = encode_jpeg(image, kJpegQuality);
  } else {
    fail("{}: pictures are written as .jpg or .png; choose a name that ends so", path);
  }
  write_file_atomically(path, bytes);
}

std::vector<std::string> list_images(const std::string& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    fail("{}: there is no such folder of images; give one that holds .jpg or .png files", folder);
  }
  std::vector<std::string> paths;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (is_image_name(entry->path()) && entry->is_regular_file(ignored))
      paths.push_back(entry->path().string());
  }
  if (error) fail("{}: the folder can't be read: {}", folder, error.message());
  if (paths.empty()) fail("{}: the folder holds no .jpg, .jpeg or .png file", folder);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace shrike::data
