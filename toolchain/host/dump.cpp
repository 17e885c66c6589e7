#include "toolchain/host/dump.h"

#include <cstring>
#include <filesystem>
#include <set>

#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/json.h"
#include "toolchain/support/sha256.h"

namespace shrike::host {
namespace {

constexpr DataType kDumpedTypes[] = {
    DataType::kFloat32, DataType::kUint8, DataType::kInt8, DataType::kUint16, DataType::kInt16,
    DataType::kInt32,   DataType::kInt64, DataType::kBool, DataType::kUint32, DataType::kUint64};

DumpedTensor take(const TensorView& tensor, const std::string& node) {
  DumpedTensor result;
  result.name = to_string(tensor.name);
  result.node = node;
  result.type = type_name(tensor.type);
  result.shape = tensor.shape;
  result.exponent = tensor.exponent;
  const uint8_t* bytes = static_cast<const uint8_t*>(tensor.data);
  result.bytes.assign(bytes, bytes + tensor.bytes);
  result.sha256 = sha256(result.bytes.data(), result.bytes.size());
  return result;
}

std::string file_name(size_t number, const std::string& tensor) {
  std::string name = fmt::format("{:04}_", number);
  for (const char c : tensor.substr(0, 100)) {
    name += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' ? c : '_';
  }
  return name + ".bin";
}

DataType parse_type(const std::string& folder, const std::string& name) {
  for (const DataType type : kDumpedTypes) {
    if (type_name(type) == name) return type;
  }
  fail("'{}/index.json' names an unknown data type '{}'", folder, name);
}

TensorView as_view(const DumpedTensor& tensor, DataType type) {
  TensorView view;
  view.type = type;
  view.shape = tensor.shape;
  view.data = const_cast<uint8_t*>(tensor.bytes.data());
  view.bytes = tensor.bytes.size();
  return view;
}

std::string kind_text(const DumpedTensor& tensor) {
  return fmt::format("{} {} with exponent {}", tensor.type, shape_text(tensor.shape), tensor.exponent);
}

DumpedTensor parse_tensor(const std::string& folder, const nlohmann::json& json) {
  DumpedTensor tensor;
  tensor.name = json.at("name");
  tensor.node = json.at("node");
  tensor.type = json.at("dtype");
  tensor.exponent = json.at("exponent");
  tensor.sha256 = json.at("sha256");
  tensor.file = json.at("file");
  const std::vector<int32_t> dims = json.at("shape");
  if (dims.size() > kMaxRank)
    fail("'{}/index.json' gives '{}' {} dimensions", folder, tensor.name, dims.size());
  tensor.shape.rank = static_cast<int32_t>(dims.size());
  std::copy(dims.begin(), dims.end(), tensor.shape.dims);
  if (tensor.file.find('/') != std::string::npos)
    fail("'{}/index.json' names '{}', which is not a file of its folder", folder, tensor.file);
  tensor.bytes = read_file(folder + "/" + tensor.file);
  const uint64_t expected =
      static_cast<uint64_t>(tensor.shape.elements()) * size_of(parse_type(folder, tensor.type));
  if (tensor.bytes.size() != expected) {
    fail("'{}/{}' holds {} bytes, but index.json says {} for '{}'", folder, tensor.file, tensor.bytes.size(),
         expected, tensor.name);
  }
  tensor.as_stated = sha256(tensor.bytes.data(), tensor.bytes.size()) == tensor.sha256;
  return tensor;
}

std::optional<std::string> difference(const DumpedTensor& a, const DumpedTensor& b) {
  const std::string where =
      fmt::format("tensor '{}'{}", a.name, a.node.empty() ? "" : fmt::format(" of node '{}'", a.node));
  if (a.type != b.type || !(a.shape == b.shape) || a.exponent != b.exponent) {
    return fmt::format("{} is {} in the first and {} in the second", where, kind_text(a), kind_text(b));
  }
  if (a.bytes == b.bytes) return std::nullopt;
  const DataType type = parse_type("", a.type);
  const size_t size = size_of(type);
  int64_t first = -1, count = 0;
  for (int64_t i = 0; i < a.shape.elements(); ++i) {
    const size_t at = static_cast<size_t>(i) * size;
    if (std::memcmp(a.bytes.data() + at, b.bytes.data() + at, size) == 0) continue;
    if (first < 0) first = i;
    ++count;
  }
  return fmt::format("{} first differs at {}: {} in the first, {} in the second; {} of {} elements differ",
                     where, coordinate_text(a.shape, first), element_text(as_view(a, type), first),
                     element_text(as_view(b, type), first), count, a.shape.elements());
}

}  // namespace

std::vector<DumpedTensor> run_and_dump(IntegerModel& file, Which which) {
  InspectableModel& model = file.model();
  std::vector<DumpedTensor> tensors;
  if (which == Which::kOutputs) {
    file.run();
    for (int32_t i = 0; i < model.output_count(); ++i) tensors.push_back(take(model.output(i), ""));
    return tensors;
  }
  for (int32_t i = 0; i < model.input_count(); ++i) tensors.push_back(take(model.input(i), ""));
  for (int32_t node = 0; node < model.node_count(); ++node) {
    const std::string name = to_string(model.node_name(node));
    const Status status = model.run_node(node);
    if (!status.ok()) throw Error(describe(status, file.name(), name));
    for (int32_t i = 0; i < model.node_output_count(node); ++i) {
      const TensorView output = model.node_output(node, i);
      if (output.type != DataType::kUndefined) tensors.push_back(take(output, name));
    }
  }
  return tensors;
}

namespace {

// Files that an older dump's index names, and that look like ours.
std::set<std::string> files_of_older_dump(const std::string& folder) {
  std::set<std::string> files;
  try {
    const nlohmann::json index = parse_json(read_text(folder + "/index.json"));
    for (const nlohmann::json& tensor : index.at("tensors")) {
      const std::string file = tensor.at("file");
      const bool numbered = file.find_first_not_of("0123456789") == 4 && file[4] == '_';
      if (numbered && file.find('/') == std::string::npos && file.ends_with(".bin")) files.insert(file);
    }
  } catch (const std::exception&) {  // no dump, or one that nobody can read
  }
  return files;
}

}  // namespace

void write_dump(const std::string& folder, const IntegerModel& model, std::vector<DumpedTensor>& tensors) {
  make_folder(folder);
  std::set<std::string> old = files_of_older_dump(folder);
  std::vector<std::string> written = {folder + "/index.json"};
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].file = file_name(i, tensors[i].name);
    written.push_back(folder + "/" + tensors[i].file);
    old.erase(tensors[i].file);
  }
  for (const std::string& file : old) written.push_back(folder + "/" + file);
  remove_abandoned_partials(written);
  nlohmann::ordered_json index;
  index["file"] = model.name();
  index["target"] = target_name(model.target());
  index["tensors"] = nlohmann::ordered_json::array();
  for (const DumpedTensor& tensor : tensors) {
    write_file_atomically(folder + "/" + tensor.file, tensor.bytes);
    index["tensors"].push_back(
        {{"name", tensor.name},
         {"node", tensor.node},
         {"dtype", tensor.type},
         {"shape", std::vector<int32_t>(tensor.shape.dims, tensor.shape.dims + tensor.shape.rank)},
         {"exponent", tensor.exponent},
         {"sha256", tensor.sha256},
         {"file", tensor.file}});
  }
  write_file_atomically(folder + "/index.json", indented_text(index, 1) + "\n");
  for (const std::string& file : old) {
    std::error_code ignored;
    std::filesystem::remove(std::filesystem::path(folder) / file, ignored);
  }
}

std::vector<DumpedTensor> read_dump(const std::string& folder) {
  const std::string path = folder + "/index.json";
  std::vector<DumpedTensor> tensors;
  try {
    const nlohmann::json index = parse_json(read_text(path));
    for (const nlohmann::json& tensor : index.at("tensors")) tensors.push_back(parse_tensor(folder, tensor));
  } catch (const nlohmann::json::exception&) {
    fail("'{}' is not an index written by 'shrike run --output'; write the dump again", path);
  }
  if (tensors.empty()) fail("'{}' names no tensors: there is nothing to compare", path);
  return tensors;
}

void require_as_stated(const std::string& folder, const std::vector<DumpedTensor>& tensors) {
  for (const DumpedTensor& tensor : tensors) {
    if (tensor.as_stated) continue;
    fail(
        "'{}/{}' is not the file that index.json tells of: the dump was interrupted or changed; write it "
        "again "
        "with 'shrike run --output'",
        folder, tensor.file);
  }
}

std::optional<std::string> first_difference(const std::vector<DumpedTensor>& a,
                                            const std::vector<DumpedTensor>& b) {
  auto find = [](const std::vector<DumpedTensor>& list, const std::string& name) {
    for (const DumpedTensor& tensor : list) {
      if (tensor.name == name) return &tensor;
    }
    return static_cast<const DumpedTensor*>(nullptr);
  };
  for (const DumpedTensor& tensor : a) {
    const DumpedTensor* other = find(b, tensor.name);
    if (other == nullptr) return fmt::format("tensor '{}' is only in the first", tensor.name);
    if (auto text = difference(tensor, *other)) return text;
  }
  for (const DumpedTensor& tensor : b) {
    if (find(a, tensor.name) == nullptr) return fmt::format("tensor '{}' is only in the second", tensor.name);
  }
  return std::nullopt;
}

}  // namespace shrike::host
