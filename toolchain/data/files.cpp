// Image files and folders.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "toolchain/data/decode.h"
#include "toolchain/data/samples.h"
#include "toolchain/data/yolo_set.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/system/file.h"

namespace shrike::data {
namespace {

namespace fs = std::filesystem;

constexpr int kJpegQuality = 92;

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().generic_string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool starts_with(const std::vector<uint8_t>& bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
}

}  // namespace

FileKind kind_of_file(const std::string& path) {
  const std::string extension = lower_extension(path);
  if (extension == ".jpg" || extension == ".jpeg" || extension == ".png") return FileKind::kPicture;
  return extension == ".npy" ? FileKind::kArray : FileKind::kOther;
}

Image load_image(const std::string& path) {
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status))
    fail("{}: a picture file was expected, this is a device or a pipe", path);
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

namespace {

bool is_hidden(const fs::path& path) {
  return path.filename().generic_string().starts_with('.');
}

// Pictures that other programs read.
bool is_other_picture(const fs::path& path) {
  static const std::set<std::string> extensions = {".bmp",  ".webp", ".tif", ".tiff", ".gif", ".heic",
                                                   ".avif", ".jp2",  ".jxl", ".ppm",  ".pgm"};
  return extensions.count(lower_extension(path)) > 0;
}

struct Listing {
  std::vector<std::string> paths;
  std::map<std::string, int> others;  // by extension
};

Listing in_folder(const std::string& folder, Listed listed) {
  Listing listing;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    const fs::path& path = entry->path();
    if (is_hidden(path)) {
      if (entry->is_directory(ignored)) entry.disable_recursion_pending();
      continue;
    }
    if (!entry->is_regular_file(ignored)) continue;
    const FileKind kind = kind_of_file(path.generic_string());
    const bool wanted =
        kind == FileKind::kPicture || (kind == FileKind::kArray && listed == Listed::kPicturesAndArrays);
    if (wanted) listing.paths.push_back(path.generic_string());
    if (is_other_picture(path)) ++listing.others[lower_extension(path)];
  }
  if (error) fail("{}: the folder can't be read: {}", folder, reason(error));
  std::sort(listing.paths.begin(), listing.paths.end());
  return listing;
}

Listing in_list(const std::string& list) {
  Listing listing;
  std::istringstream lines(read_text(list));
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    const fs::path beside = fs::path(list).parent_path() / line;
    std::error_code ignored;
    const fs::path path = fs::exists(beside, ignored) ? beside : fs::path(line);
    if (!fs::is_regular_file(path, ignored)) fail("{}: it lists '{}', and there is no such file", list, line);
    listing.paths.push_back(path.generic_string());
  }
  return listing;
}

}  // namespace

std::vector<std::string> list_files(const std::string& place, Listed listed,
                                    std::vector<std::string>* notes) {
  const char* wanted = listed == Listed::kPictures ? ".jpg, .jpeg or .png" : ".jpg, .jpeg, .png or .npy";
  std::error_code error;
  const bool is_file = fs::is_regular_file(place, error);
  const bool is_list = is_file && lower_extension(place) == ".txt";
  if (is_file && (lower_extension(place) == ".yaml" || lower_extension(place) == ".yml")) {
    const YoloYaml set = load_yolo_yaml(place);
    const std::vector<std::string>& pictures = set.train.empty() ? set.val : set.train;
    if (pictures.empty()) fail("{}: neither its `train` nor its `val` has a picture", place);
    return pictures;
  }
  if (!is_list && !fs::is_directory(place, error)) {
    fail(
        "{}: there is no such folder of images; give one that holds {} files, a .txt file that lists them, "
        "or a data.yaml",
        place, wanted);
  }
  Listing listing = is_list ? in_list(place) : in_folder(place, listed);
  std::string others;
  int count = 0;
  for (const auto& [extension, number] : listing.others) {
    others += (others.empty() ? "" : ", ") + extension;
    count += number;
  }
  if (listing.paths.empty()) {
    fail("{}: the folder holds no {} file{}", place, wanted,
         count == 0 ? "" : fmt::format(", but {} that can't be read ({}); convert them", count, others));
  }
  if (count > 0 && notes != nullptr) {
    notes->push_back(
        fmt::format("{}: {} picture{} left out, because {} can't be read; convert to JPEG or PNG", place,
                    count, count == 1 ? "" : "s", others));
  }
  return listing.paths;
}

std::vector<std::string> list_images(const std::string& place, std::vector<std::string>* notes) {
  return list_files(place, Listed::kPictures, notes);
}

}  // namespace shrike::data
