#include "toolchain/data/samples.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <sstream>

#include <fmt/ranges.h>

#include "toolchain/data/npy.h"
#include "toolchain/operators/operator.h"
#include "toolchain/support/error.h"

namespace shrike::data {
namespace {

namespace fs = std::filesystem;

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ","));
}

bool is_array(const std::string& path) {
  return kind_of_file(path) == FileKind::kArray;
}

std::vector<int64_t> without_ones(const std::vector<int64_t>& shape) {
  std::vector<int64_t> rest;
  std::copy_if(shape.begin(), shape.end(), std::back_inserter(rest), [](int64_t dim) { return dim != 1; });
  return rest;
}

// [H,W,C] -> [C,H,W]
std::vector<float> channels_first(const std::vector<float>& values, int64_t channels) {
  const int64_t cells = static_cast<int64_t>(values.size()) / channels;
  std::vector<float> result(values.size());
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < cells; ++i) {
      result[static_cast<size_t>(c * cells + i)] = values[static_cast<size_t>(i * channels + c)];
    }
  }
  return result;
}

// The array with its channels, the second axis, moved behind the others; and the way back.
std::vector<int64_t> channels_behind(const std::vector<int64_t>& shape) {
  std::vector<int64_t> turned = shape;
  if (shape.size() > 2) std::rotate(turned.begin() + 1, turned.begin() + 2, turned.end());
  return turned;
}

std::vector<float> load_array(const std::string& path, const Port& port) {
  NpyArray array = load_npy(path);
  const std::vector<int64_t> found = without_ones(array.shape);
  if (found == without_ones(port.shape)) return std::move(array.values);
  if (port.shape.size() == 3 || port.shape.size() == 4) {
    if (found == without_ones(channels_behind(port.shape)))
      return channels_first(array.values, port.shape[1]);
    // A file's own order has the channels last already: [C,H,W] arrays are turned to it.
    std::vector<int64_t> forward = port.shape;
    std::rotate(forward.begin() + 1, forward.end() - 1, forward.end());
    if (found == without_ones(forward)) {
      return channels_first(array.values, static_cast<int64_t>(array.values.size()) / port.shape.back());
    }
  }
  const int64_t expected = graph::element_count(port.shape);
  const bool several = array.shape.size() > 1 && array.shape[0] > 1 &&
                       expected * array.shape[0] == static_cast<int64_t>(array.values.size());
  fail("{}: an array of the shape {} was expected for input '{}', found {}{}", path, shape_text(port.shape),
       port.name, shape_text(array.shape), several ? "; save each sample as a file of its own" : "");
}

std::vector<float> load_port(const std::string& path, const Port& port) {
  if (is_array(path)) return load_array(path, port);
  if (!port.picture) {
    fail("{}: input '{}' of shape {} is no picture; give arrays of that shape as .npy files", path, port.name,
         shape_text(port.shape));
  }
  return to_network(load_image(path), *port.picture, nullptr);
}

// By what is left of their names, the files of one input.
std::map<std::string, std::string> files_of(const Port& port, const std::string& place) {
  std::map<std::string, std::string> files;
  std::error_code ignored;
  const fs::path folder = fs::path(place) / port.name;
  if (fs::is_directory(folder, ignored)) {
    for (const std::string& path : list_files(folder.generic_string(), Listed::kPicturesAndArrays)) {
      files[fs::path(path).lexically_relative(folder).replace_extension().generic_string()] = path;
    }
    return files;
  }
  for (const std::string& path : list_files(place, Listed::kPicturesAndArrays)) {
    const std::string stem = fs::path(path).stem().generic_string();
    const bool ours = stem.size() > port.name.size() && stem.starts_with(port.name) &&
                      (stem[port.name.size()] == '_' || stem[port.name.size()] == '-');
    if (ours) files[stem.substr(port.name.size() + 1)] = path;
  }
  return files;
}

// The line that the input meets first, with the constant as the model has it.
struct First {
  std::string op;
  float value = 0;
  operators::Line line;
};
std::optional<First> first_arithmetic(const graph::Graph& graph, const std::string& input) {
  const std::vector<int> users = graph.consumers(input);
  if (users.size() != 1) return std::nullopt;
  const graph::Node& node = graph.nodes[static_cast<size_t>(users[0])];
  const operators::Operator* row = operators::find(node.op);
  if (row == nullptr) return std::nullopt;
  if (row->role == operators::Role::kConversion) return first_arithmetic(graph, node.outputs[0]);
  if (row->with_constant == nullptr || node.inputs.size() != 2) return std::nullopt;
  const graph::Tensor& constant = graph.tensor(node.inputs[1]);
  if (!constant.constant || constant.values.empty()) return std::nullopt;
  return First{node.op, constant.values[0], row->with_constant(constant.values[0])};
}

}  // namespace

std::vector<std::string> paths_of(const std::string& sample) {
  std::vector<std::string> lines;
  std::istringstream stream(sample);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

void require_readable(const std::string& sample) {
  for (const std::string& path : paths_of(sample)) {
    if (is_array(path)) {
      load_npy(path);
    } else {
      load_image(path);
    }
  }
}

bool is_picture(const std::string& sample) {
  return sample.find('\n') == std::string::npos && !is_array(sample);
}

std::vector<Port> ports_of(const graph::Graph& graph) {
  const auto metadata = graph.metadata.find(kInputKey);
  std::vector<Port> ports;
  for (const std::string& name : graph.inputs) {
    const std::vector<int64_t>& shape = graph.tensor(name).shape;
    ports.push_back(
        {name, shape, input_spec(shape, metadata == graph.metadata.end() ? "" : metadata->second)});
  }
  return ports;
}

void decide_input(graph::Graph& graph, const InputOptions& options) {
  const auto metadata = graph.metadata.find(kInputKey);
  const std::string said = metadata == graph.metadata.end() ? "" : metadata->second;
  bool any = false;
  for (const std::string& name : graph.inputs) {
    const auto spec = input_spec(graph.tensor(name).shape, said, options);
    if (!spec) continue;
    any = true;
    graph.metadata.erase(kInputKey);
    if (const std::string text = to_text(*spec); !text.empty()) graph.metadata[kInputKey] = text;
  }
  if (!any && options != InputOptions{}) {
    fail(
        "none of the model's inputs is a picture ([1,C,H,W] or [1,H,W,C], C 1 or 3): leave --mean, --std, "
        "--scale, "
        "--color, --layout and --preprocess out");
  }
}

std::vector<std::string> input_warnings(const graph::Graph& graph, size_t samples) {
  std::vector<std::string> warnings;
  for (const Port& port : ports_of(graph)) {
    if (!port.picture) continue;
    const auto [low, high] = port.picture->range();
    const float largest = std::max(high, -low);
    const auto first = first_arithmetic(graph, port.name);
    const bool wants_bytes =
        first && ((first->line.scale > 0 && first->line.scale <= 0.02) || first->line.shift <= -20);
    if (wants_bytes && largest <= 20) {
      warnings.push_back(
          fmt::format("the network begins with {} by {:g}, so it expects pixels of 0 to 255, but it is fed "
                      "{:.4g} to {:.4g}: its "
                      "outputs will be wrong; add --scale 1",
                      first->op, first->value, low, high));
    }
    if (first && !wants_bytes && largest > 20 && first->line.shift < 0 && first->line.shift >= -1) {
      warnings.push_back(
          fmt::format("the network subtracts {:g} first, so it expects pixels of 0 to 1, but it is fed "
                      "{:.4g} to {:.4g}; leave --scale out",
                      -first->line.shift, low, high));
    }
  }
  if (samples == 1) {
    warnings.push_back("one sample only: ranges of one picture fit no other; a few hundred are enough");
  }
  return warnings;
}

std::vector<std::string> list_samples(const std::string& place, const std::vector<Port>& ports,
                                      std::vector<std::string>* notes) {
  if (ports.size() == 1) {
    std::vector<std::string> files = list_files(place, Listed::kPicturesAndArrays, notes);
    const auto arrays = std::count_if(files.begin(), files.end(), is_array);
    if (arrays == 0 || static_cast<size_t>(arrays) == files.size()) {
      // What can't be fed is told before the long work.
      if (!ports[0].picture && arrays == 0) load_port(files.at(0), ports[0]);
      return files;
    }
    std::erase_if(files,
                  [&](const std::string& path) { return is_array(path) == ports[0].picture.has_value(); });
    return files;
  }
  std::vector<std::map<std::string, std::string>> files;
  for (const Port& port : ports) {
    files.push_back(files_of(port, place));
    if (files.back().empty()) {
      fail(
          "{}: the model has {} inputs; for '{}' {}, a sub-folder '{}' or files called '{}_*' were expected "
          "(.npy, or "
          "pictures for a picture input)",
          place, ports.size(), port.name, shape_text(port.shape), port.name, port.name);
    }
  }
  std::vector<std::string> samples;
  for (const auto& [stem, path] : files[0]) {
    std::string sample = path;
    for (size_t i = 1; i < ports.size(); ++i) {
      const auto other = files[i].find(stem);
      if (other == files[i].end()) fail("{}: input '{}' has no file that goes with it", path, ports[i].name);
      sample += "\n" + other->second;
    }
    samples.push_back(sample);
  }
  return samples;
}

std::vector<std::vector<float>> load_sample(const std::string& sample, const std::vector<Port>& ports) {
  const std::vector<std::string> paths = paths_of(sample);
  if (paths.size() != ports.size()) {
    fail("'{}': the model has {} inputs, {} files were given", sample, ports.size(), paths.size());
  }
  std::vector<std::vector<float>> values;
  for (size_t i = 0; i < ports.size(); ++i) values.push_back(load_port(paths[i], ports[i]));
  return values;
}

}  // namespace shrike::data
