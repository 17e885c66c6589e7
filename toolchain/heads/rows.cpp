#include <algorithm>
#include <bit>
#include <cmath>
#include <set>
#include <sstream>

#include <fmt/ranges.h>

#include "toolchain/heads/head.h"
#include "toolchain/support/error.h"

namespace shrike::heads {
namespace {

// Rows whose names contain those of another come first: a head is the first row all of whose names are there.
std::vector<Row> make_rows() {
  return {
      {"pose", Result::kKeyPoints, BoxCode::kDistances, {"box#", "score#", "kpt#"}, ""},
      {"segment", Result::kMasks, BoxCode::kDistances, {"box#", "score#", "mc#"}, "p"},
      {"rotated", Result::kRotatedBoxes, BoxCode::kDistances, {"box#", "score#", "angle#"}, ""},
      {"objectness", Result::kBoxes, BoxCode::kCentreSize, {"box#", "score#", "obj#"}, ""},
      {"anchors", Result::kBoxes, BoxCode::kAnchors, {"box#", "score#", "obj#"}, ""},
      {"detect", Result::kBoxes, BoxCode::kDistances, {"box#", "score#"}, ""},
      {"end-to-end", Result::kBoxes, BoxCode::kDistances, {"one2one_p%_box", "one2one_p%_cls"}, ""},
      {"classify", Result::kClasses, BoxCode::kDistances, {}, ""},
  };
}

std::string tensor_name(const std::string& pattern, size_t level, int64_t stride) {
  const size_t mark = pattern.find_first_of("#%");
  const int64_t number =
      pattern[mark] == '#' ? static_cast<int64_t>(level) : std::countr_zero(static_cast<uint64_t>(stride));
  return pattern.substr(0, mark) + std::to_string(number) + pattern.substr(mark + 1);
}

// Level names of a row among `outputs`, finest first; the strides that names count in are tried from 4 up.
std::vector<Level> levels_among(const Row& row, const std::set<std::string>& outputs) {
  std::vector<Level> levels;
  for (size_t i = 0; i < kMaxLevels; ++i) {
    Level level;
    level.stride = int64_t{4} << i;
    for (const std::string& name : level_names(row, i, level.stride)) {
      if (outputs.contains(name)) level.tensors.push_back(name);
    }
    if (level.tensors.size() == row.tensors.size()) levels.push_back(level);
  }
  return levels;
}

// A row and the levels whose names, with the shared one where it is there, are just these. Where two rows
// share names, the metadata (`preferred`) decide, else the first of them.
std::optional<Head> match(const std::vector<std::string>& outputs, const std::string& preferred) {
  const std::set<std::string> wanted(outputs.begin(), outputs.end());
  std::optional<Head> found;
  for (const Row& row : rows()) {
    if (row.tensors.empty() || (found && row.name != preferred)) continue;
    Head head;
    head.row = &row;
    head.levels = levels_among(row, wanted);
    if (head.levels.empty()) continue;
    if (!row.shared.empty() && wanted.contains(row.shared)) head.shared = row.shared;
    const std::vector<std::string> names = head.outputs();
    if (std::set<std::string>(names.begin(), names.end()) == wanted) found = head;
  }
  return found;
}

bool is_single_class_vector(const graph::Graph& graph) {
  return graph.outputs.size() == 1 && graph.tensor(graph.outputs[0]).elements() > 1;
}

// Fields of a metadata text: a first word, then key=value.
struct Fields {
  explicit Fields(const std::string& text) : stream(text) { stream >> row; }
  bool next(std::string& key, std::string& value) {
    std::string word;
    if (!(stream >> word)) return false;
    const size_t equals = word.find('=');
    key = word.substr(0, equals);
    value = equals == std::string::npos ? "" : word.substr(equals + 1);
    return true;
  }
  std::string row;
  std::istringstream stream;
};

std::vector<double> numbers(const std::string& text) {
  std::vector<double> result;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    char* end = nullptr;
    result.push_back(std::strtod(part.c_str(), &end));
    if (end == part.c_str() || *end != '\0' || !std::isfinite(result.back())) {
      fail("metadata \"{}\": numbers with commas between them were expected, found '{}'", kMetadataKey, text);
    }
  }
  return result;
}

}  // namespace

const std::vector<Row>& rows() {
  static const std::vector<Row> table = make_rows();
  return table;
}

std::vector<std::string> level_names(const Row& row, size_t level, int64_t stride) {
  std::vector<std::string> names;
  for (const std::string& pattern : row.tensors) names.push_back(tensor_name(pattern, level, stride));
  return names;
}

std::vector<std::string> Head::outputs() const {
  std::vector<std::string> names;
  for (const Level& level : levels) names.insert(names.end(), level.tensors.begin(), level.tensors.end());
  if (!shared.empty()) names.push_back(shared);
  return names;
}

std::vector<std::string> in_head_order(const std::vector<std::string>& outputs) {
  const auto head = match(outputs, "");
  return head ? head->outputs() : std::vector<std::string>{};
}

std::optional<Head> named(const graph::Graph& graph) {
  const auto metadata = graph.metadata.find(kMetadataKey);
  const std::string text = metadata == graph.metadata.end() ? "" : metadata->second;
  std::optional<Head> head = match(graph.outputs, Fields(text).row);
  if (!head && text.starts_with("classify") && is_single_class_vector(graph)) {
    head.emplace();
    head->row = &rows().back();
    head->classes = graph.tensor(graph.outputs[0]).elements();
    return head;
  }
  if (!head) return std::nullopt;
  const graph::Shape input = graph.inputs.empty() ? graph::Shape{} : graph.tensor(graph.inputs[0]).shape;
  for (Level& level : head->levels) {
    const graph::Shape& box = graph.tensor(level.tensors[kBox]).shape;
    const graph::Shape& score = graph.tensor(level.tensors[kScore]).shape;
    if (box.size() != 4 || score.size() != 4 || box[1] % 4 != 0 || box[2] != score[2] || box[3] != score[3]) {
      return std::nullopt;
    }
    level.height = box[2];
    level.width = box[3];
    // Maps may be rounded up or down: the stride is what fits best.
    if (input.size() == 4) level.stride = std::max<int64_t>(1, (input[2] + level.height / 2) / level.height);
  }
  const auto channels = [&](size_t role) { return graph.tensor(head->levels[0].tensors[role]).shape.at(1); };
  const bool fractions = head->row->code != BoxCode::kDistances;
  if (fractions) head->anchors = channels(kThird);
  head->bins = fractions ? 1 : channels(kBox) / 4;
  head->classes = channels(kScore) / head->anchors;
  if (head->row->code == BoxCode::kCentreSize) head->cell_offset = 0;
  if (head->row->result == Result::kKeyPoints) {
    head->key_point_values = channels(kThird) % 3 == 0 ? 3 : 2;
    head->key_points = channels(kThird) / head->key_point_values;
  }
  if (head->row->result == Result::kMasks) head->coefficients = channels(kThird);
  // ESP-DL's outputs of this name are a network without suppression (spec/runtime-and-vision.md 7).
  head->one_to_one = head->row->name == "end-to-end";
  if (!text.empty()) read_metadata(text, *head);
  return head;
}

std::string metadata_text(const Head& head) {
  const bool plain = head.row->name == "detect" && !head.one_to_one && head.cell_offset == 0.5f;
  if (plain) return "";
  std::string text = head.row->name;
  if (head.row->result == Result::kClasses) return fmt::format("{} classes={}", text, head.classes);
  std::vector<int64_t> strides;
  for (const Level& level : head.levels) strides.push_back(level.stride);
  text += fmt::format(" levels={} strides={} bins={} classes={} offset={}", head.levels.size(),
                      fmt::join(strides, ","), head.bins, head.classes, head.cell_offset);
  if (head.one_to_one) text += " one_to_one=1";
  if (head.key_points > 0) text += fmt::format(" key_points={},{}", head.key_points, head.key_point_values);
  if (head.coefficients > 0) text += fmt::format(" coefficients={}", head.coefficients);
  if (head.raw_third) text += " raw_third=1";
  if (!head.anchor_sizes.empty()) text += fmt::format(" anchors={}", fmt::join(head.anchor_sizes, ","));
  return text;
}

void read_metadata(const std::string& text, Head& head) {
  Fields fields(text);
  if (fields.row != head.row->name) return;  // the outputs were named anew by hand
  for (std::string key, value; fields.next(key, value);) {
    const std::vector<double> list = numbers(value);
    if (list.empty()) continue;
    if (key == "offset") head.cell_offset = static_cast<float>(list[0]);
    if (key == "one_to_one") head.one_to_one = list[0] != 0;
    if (key == "raw_third") head.raw_third = list[0] != 0;
    if (key == "anchors") head.anchor_sizes.assign(list.begin(), list.end());
    if (key == "key_points" && list.size() == 2) {
      head.key_points = static_cast<int64_t>(list[0]);
      head.key_point_values = static_cast<int64_t>(list[1]);
    }
  }
}

std::string describe(const Head& head) {
  if (head.row->result == Result::kClasses)
    return fmt::format("{}: {} classes", head.row->name, head.classes);
  std::vector<int64_t> strides;
  for (const Level& level : head.levels) strides.push_back(level.stride);
  std::string text =
      fmt::format("{}: {} level{} of stride{} {}, {} class{}", head.row->name, head.levels.size(),
                  head.levels.size() == 1 ? "" : "s", head.levels.size() == 1 ? "" : "s",
                  fmt::join(strides, ", "), head.classes, head.classes == 1 ? "" : "es");
  if (head.bins > 1) text += fmt::format(", {} bins", head.bins);
  if (head.anchors > 1) text += fmt::format(", {} anchors", head.anchors);
  if (head.key_points > 0) text += fmt::format(", {} key points", head.key_points);
  if (head.coefficients > 0) text += fmt::format(", {} mask coefficients", head.coefficients);
  if (head.one_to_one) text += ", one box an object";
  return text;
}

std::string espdl_postprocessor(const Head& head) {
  const bool three = head.levels.size() == 3 && head.levels[0].stride == 8 && head.levels[1].stride == 16 &&
                     head.levels[2].stride == 32;
  const bool yolo11 = three && head.cell_offset == 0.5f && head.bins == 16;
  const std::string& name = head.row->name;
  if (name == "classify") return "ImageClassification";
  if (name == "detect" && yolo11) return "yolo11";
  if (name == "detect" && three && head.bins == 1) return "espdet";
  if (name == "end-to-end" && three && head.bins == 1) return "YOLO26";
  if (name == "pose" && yolo11 && head.key_points == 17 && head.key_point_values == 3 && !head.raw_third) {
    return "yolo11pose";
  }
  if (name == "segment" && yolo11 && head.coefficients == 32 && !head.shared.empty()) return "yolo11seg";
  return "";
}

}  // namespace shrike::heads
