// Finds the head in front of a decoder by its structure: how many convolutions a level has, their channels,
// and what the decoder does with them (spec/heads.md 1.3). Names of outputs are no evidence: exporters mix
// them up.
#include <algorithm>
#include <cmath>

#include "toolchain/graph/edit.h"
#include "toolchain/graph/passes.h"
#include "toolchain/heads/frontier.h"
#include "toolchain/heads/head.h"
#include "toolchain/heads/split_conv.h"
#include "toolchain/support/error.h"

namespace shrike::heads {
namespace {

using graph::Graph;
using graph::Node;

// Anchors of YOLOv5 and YOLOv7-tiny at strides 8, 16 and 32, in pixels (spec/heads.md 2.1).
const std::vector<float> kUsualAnchors = {10, 13, 16,  30,  33, 23,  30,  61,  62,
                                          45, 59, 119, 116, 90, 156, 198, 373, 326};

using Group = std::vector<RawConv>;  // the convolutions of one level

struct Found {
  Head head;
  std::vector<std::string> notes;
};

const Row* row_named(const std::string& name) {
  for (const Row& row : rows()) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

std::string metadata(const Graph& graph, const std::string& key) {
  const auto entry = graph.metadata.find(key);
  return entry == graph.metadata.end() ? "" : entry->second;
}

// Levels from the finest to the coarsest with as many convolutions each; empty when that can't be.
std::vector<Group> levels_of(std::vector<RawConv> convs) {
  std::stable_sort(convs.begin(), convs.end(),
                   [](const RawConv& a, const RawConv& b) { return a.pixels() > b.pixels(); });
  std::vector<Group> groups;
  for (const RawConv& conv : convs) {
    const bool same =
        !groups.empty() && groups.back()[0].height == conv.height && groups.back()[0].width == conv.width;
    if (!same) groups.emplace_back();
    groups.back().push_back(conv);
  }
  for (const Group& group : groups) {
    if (group.size() != groups[0].size() || groups.size() > kMaxLevels) return {};
  }
  return groups;
}

// `first` comes before `second` in the file's Concat or outputs. Where the two are decoded apart, the
// operators tell; where they are joined before the decoder (or not decoded at all), channel counts and the
// order do.
bool is_box_first(const RawConv& first, const RawConv& second) {
  if (first.feeds_bins != second.feeds_bins) return first.feeds_bins;
  if (first.feeds_sigmoid != second.feeds_sigmoid) return second.feeds_sigmoid;
  const bool first_fits = first.channels % kSides == 0;
  const bool second_fits = second.channels % kSides == 0;
  return first_fits == second_fits || first_fits;
}

class Recogniser {
 public:
  explicit Recogniser(Graph& graph) : graph_(graph) {
    const graph::Shape& input = graph.tensor(graph.inputs.at(0)).shape;
    if (input.size() == 4) input_height_ = input[2];
  }

  std::optional<Found> run() {
    if (input_height_ < 1) return std::nullopt;
    // Prototypes are an output of their own, made by the network without a decoder.
    for (const std::string& output : graph_.outputs) {
      const graph::Shape& shape = graph_.tensor(output).shape;
      if (shape.size() != 4 || graph_.outputs.size() < 2) continue;
      std::vector<std::string> others;
      for (const std::string& other : graph_.outputs) {
        if (other != output) others.push_back(other);
      }
      auto found = head_behind(others, output, shape[1]);
      if (found && found->head.row->result == Result::kMasks) return found;
    }
    return head_behind(graph_.outputs, "", 0);
  }

 private:
  std::optional<Found> head_behind(const std::vector<std::string>& outputs, const std::string& prototypes,
                                   int64_t prototype_channels) {
    const auto frontier = find_frontier(graph_, outputs);
    if (!frontier) return std::nullopt;
    frontier_ = *frontier;
    prototype_channels_ = prototype_channels;
    const std::vector<Group> groups = levels_of(frontier_.convs);
    if (groups.empty()) return std::nullopt;
    std::optional<Found> found;
    if (groups[0].size() == 1) found = one_a_level(groups);
    if (groups[0].size() == 2) found = two_a_level(groups);
    if (groups[0].size() == 3) found = three_a_level(groups);
    if (!found) return std::nullopt;
    if (found->head.row->result == Result::kMasks) {
      found->head.shared = prototypes;
      if (prototypes.empty()) {
        found->notes.push_back(
            "the head has mask coefficients but the graph has no output with prototypes: boxes only");
      }
    }
    return found;
  }

  bool tail_has(const char* op) const { return frontier_.tail.count(op) > 0; }

  // Selection of the best 300 instead of a suppression of overlaps.
  bool is_end_to_end() const { return tail_has("TopK") && !tail_has("NonMaxSuppression"); }

  Level level_of(const Group& group) const {
    Level level;
    level.height = group[0].height;
    level.width = group[0].width;
    level.stride = std::max<int64_t>(1, (input_height_ + level.height / 2) / level.height);
    return level;
  }

  // Box and score of every level, with the rest of the level's convolutions behind them.
  std::optional<std::vector<Group>> ordered(const std::vector<Group>& groups, size_t third) const {
    std::vector<Group> result;
    for (const Group& group : groups) {
      Group rest;
      for (size_t i = 0; i < group.size(); ++i) {
        if (i != third) rest.push_back(group[i]);
      }
      if (!is_box_first(rest[0], rest[1])) std::swap(rest[0], rest[1]);
      if (third < group.size()) rest.push_back(group[third]);
      if (!result.empty()) {
        for (size_t i = 0; i < rest.size(); ++i) {
          if (rest[i].channels != result[0][i].channels) return std::nullopt;
        }
      }
      result.push_back(rest);
    }
    if (result[0][0].channels % kSides != 0) return std::nullopt;
    return result;
  }

  // Boxes of distances need evidence: a distribution, or arithmetic on plain distances, or three levels of
  // raw convolutions as ESP-DL's detectors have them.
  bool decodes_distances(const std::vector<Group>& groups) const {
    const RawConv& box = groups[0][kBox];
    if (box.feeds_bins) return true;
    if (frontier_.is_raw()) return groups.size() == 3 || (groups.size() > 1 && box.channels == 64);
    return tail_has("Sigmoid") && (tail_has("Sub") || tail_has("Add"));
  }

  Found make(const char* row, const std::vector<Group>& groups) const {
    Found found;
    Head& head = found.head;
    head.row = row_named(row);
    for (const Group& group : groups) {
      head.levels.push_back(level_of(group));
      for (const RawConv& conv : group) head.levels.back().tensors.push_back(conv.tensor);
    }
    head.bins = groups[0][kBox].channels / kSides;
    head.classes = groups[0][kScore].channels;
    head.one_to_one = is_end_to_end();
    head.raw_third = head.one_to_one && head.bins == 1;
    return found;
  }

  std::optional<Found> two_a_level(const std::vector<Group>& groups) const {
    const auto levels = ordered(groups, SIZE_MAX);
    if (!levels || !decodes_distances(*levels)) return std::nullopt;
    Found found = make("detect", *levels);
    // YOLOv10's outputs go through ESP-DL's yolo11; YOLO26 has a class and names of its own.
    if (found.head.one_to_one && found.head.bins == 1) found.head.row = row_named("end-to-end");
    return found;
  }

  std::optional<Found> three_a_level(const std::vector<Group>& groups) const {
    if (auto found = with_objectness(groups)) return found;
    const size_t third = third_of(groups[0]);
    const auto levels = ordered(groups, third);
    if (!levels || !decodes_distances(*levels)) return std::nullopt;
    const int64_t channels = (*levels)[0][kThird].channels;
    const std::string task = metadata(graph_, "task");
    const bool turns = tail_has("Cos") && tail_has("Sin");
    if (task == "obb" || (turns && channels == 1)) return make("rotated", *levels);
    if (task == "segment" || channels == prototype_channels_ || (task.empty() && channels == 32)) {
      Found found = make("segment", *levels);
      found.head.coefficients = channels;
      return found;
    }
    if (task == "pose" || channels >= 4) return with_key_points(*levels, channels);
    return std::nullopt;
  }

  std::optional<Found> with_key_points(const std::vector<Group>& levels, int64_t channels) const {
    // "[17, 3]": points and numbers a point.
    const std::string shape = metadata(graph_, "kpt_shape");
    long points = 0, values = 0;
    if (std::sscanf(shape.c_str(), "[%ld, %ld]", &points, &values) != 2 || points * values != channels) {
      values = channels % 3 == 0 ? 3 : 2;
      points = channels / values;
    }
    if (points * values != channels || (values != 2 && values != 3)) return std::nullopt;
    Found found = make("pose", levels);
    found.head.key_points = points;
    found.head.key_point_values = values;
    return found;
  }

  // Which of three convolutions is neither box nor score: the angle, or the one that the distributions leave
  // out, or the last.
  static size_t third_of(const Group& group) {
    for (size_t i = 0; i < group.size(); ++i) {
      if (group[i].feeds_turn && group[i].channels == 1) return i;
    }
    const auto softmax = [](const RawConv& conv) { return conv.feeds_softmax; };
    const auto count = std::count_if(group.begin(), group.end(), softmax);
    if (count == 2) {
      return static_cast<size_t>(std::find_if_not(group.begin(), group.end(), softmax) - group.begin());
    }
    return 2;
  }

  // YOLOX: box and objectness read one tensor, the classes another (spec/heads.md 2.2).
  std::optional<Found> with_objectness(const std::vector<Group>& groups) const {
    std::vector<Group> levels;
    for (const Group& group : groups) {
      Group level;
      for (size_t box = 0; box < 3 && level.empty(); ++box) {
        for (size_t objectness = 0; objectness < 3; ++objectness) {
          const size_t score = 3 - box - objectness;
          if (box == objectness || score > 2 || score == box || score == objectness) continue;
          if (group[box].channels != kSides || group[objectness].channels != 1) continue;
          if (group[box].input != group[objectness].input || group[score].input == group[box].input) continue;
          level = {group[box], group[score], group[objectness]};
          break;
        }
      }
      if (level.empty() || level[0].feeds_softmax) return std::nullopt;
      levels.push_back(level);
    }
    Found found = make("objectness", levels);
    found.head.bins = 1;
    found.head.cell_offset = 0;
    return found;
  }

  // Everything of a level comes out of one convolution: NanoDet's classes and distributions, or YOLOv5's
  // anchors. It is taken apart, because boxes and scores need formats of their own.
  std::optional<Found> one_a_level(const std::vector<Group>& groups) {
    for (const Group& group : groups) {
      if (group[0].channels != groups[0][0].channels) return std::nullopt;
    }
    if (auto found = classes_and_bins(groups)) return found;
    return with_anchors(groups);
  }

  const Node* first_user(const std::string& tensor, const std::string& op) const {
    for (const int user : graph_.consumers(tensor)) {
      const Node& node = graph_.nodes[static_cast<size_t>(user)];
      if (node.op == op) return &node;
    }
    return nullptr;
  }

  static std::vector<int64_t> range(int64_t first, int64_t count) {
    std::vector<int64_t> list(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) list[static_cast<size_t>(i)] = first + i;
    return list;
  }

  std::optional<Found> classes_and_bins(const std::vector<Group>& groups) {
    const Node* split = first_user(groups[0][0].tensor, "Split");
    if (split == nullptr || split->outputs.size() != 2) return std::nullopt;
    const graph::Shape& score = graph_.tensor(split->outputs[0]).shape;
    const graph::Shape& box = graph_.tensor(split->outputs[1]).shape;
    if (score.size() != 4 || box.size() != 4 || box[1] % kSides != 0 || box[1] / kSides < 2)
      return std::nullopt;
    const int64_t classes = score[1], bins = box[1] / kSides;
    if (first_user(split->outputs[0], "Sigmoid") == nullptr) return std::nullopt;
    Found found;
    found.head.row = row_named("detect");
    for (const Group& group : groups) {
      Level level = level_of(group);
      level.tensors = split_conv(graph_, group[0].tensor, {range(classes, kSides * bins), range(0, classes)});
      if (level.tensors.empty()) return std::nullopt;
      found.head.levels.push_back(level);
    }
    found.head.bins = bins;
    found.head.classes = classes;
    // NanoDet-Plus has a fourth level and counts cells from their corners (spec/heads.md 2.6).
    if (groups.size() == 4) found.head.cell_offset = 0;
    return found;
  }

  // Boxes a cell, from the Reshape to [1, anchors, 5 + classes, ...] behind the convolution; 0: none.
  int64_t anchors_of(const RawConv& conv) const {
    const Node* reshape = first_user(conv.tensor, "Reshape");
    if (reshape != nullptr) {
      const graph::Shape& shape = graph_.tensor(reshape->outputs[0]).shape;
      if (shape.size() >= 4 && shape[1] >= 1 && shape[1] <= 4 && shape[1] * shape[2] == conv.channels &&
          shape[2] > 5) {
        return shape[1];
      }
      return 0;
    }
    // Raw: 3 * (5 + 80) is YOLOv5's number for COCO, others need the file's word for it.
    const bool says_so = metadata(graph_, "task") == "detect" || conv.channels == 255;
    return frontier_.is_raw() && says_so && conv.channels % 3 == 0 && conv.channels / 3 > 5 ? 3 : 0;
  }

  // Sizes that the decoder multiplies by: a constant [1, anchors, 1 or H, 1 or W, 2] behind this convolution.
  std::vector<float> sizes_behind(const RawConv& conv, int64_t anchors) const {
    const graph::Links links(graph_);
    std::vector<std::string> open = {conv.tensor};
    std::set<std::string> seen;
    while (!open.empty()) {
      const std::string tensor = open.back();
      open.pop_back();
      const auto users = links.consumers.find(tensor);
      if (!seen.insert(tensor).second || users == links.consumers.end()) continue;
      for (const int user : users->second) {
        const Node& node = graph_.nodes[static_cast<size_t>(user)];
        if (node.op == "Concat") continue;  // other levels join
        if (node.op == "Mul" && node.inputs.size() == 2) {
          for (const std::string& input : node.inputs) {
            std::vector<float> sizes = sizes_in(graph_.tensor(input), anchors);
            if (!sizes.empty()) return sizes;
          }
        }
        open.insert(open.end(), node.outputs.begin(), node.outputs.end());
      }
    }
    return {};
  }

  static std::vector<float> sizes_in(const graph::Tensor& constant, int64_t anchors) {
    const graph::Shape& shape = constant.shape;
    const auto fits = [&] {
      return constant.constant && shape.size() >= 4 && shape.back() == 2 && shape[1] == anchors &&
             !constant.values.empty();
    };
    if (!fits()) return {};
    const int64_t step = constant.elements() / anchors;  // every cell holds the same sizes
    std::vector<float> sizes;
    for (int64_t a = 0; a < anchors; ++a) {
      sizes.push_back(constant.values[static_cast<size_t>(a * step)]);
      sizes.push_back(constant.values[static_cast<size_t>(a * step + 1)]);
    }
    return sizes;
  }

  std::optional<Found> with_anchors(const std::vector<Group>& groups) {
    const int64_t anchors = anchors_of(groups[0][0]);
    if (anchors == 0 || !(frontier_.is_raw() || tail_has("Sigmoid"))) return std::nullopt;
    const int64_t each = groups[0][0].channels / anchors;
    Found found;
    Head& head = found.head;
    head.row = row_named("anchors");
    head.anchors = anchors;
    head.classes = each - 5;
    for (const Group& group : groups) {
      for (const float size : sizes_behind(group[0], anchors)) head.anchor_sizes.push_back(size);
    }
    const auto wanted = groups.size() * static_cast<size_t>(anchors) * 2;
    if (head.anchor_sizes.size() != wanted) {
      if (wanted != kUsualAnchors.size()) return std::nullopt;
      head.anchor_sizes = kUsualAnchors;
      found.notes.push_back(
          "the file does not hold the sizes of its anchors: YOLOv5's are assumed, which is a guess for a "
          "network "
          "trained with others");
    }
    for (const Group& group : groups) {
      std::vector<std::vector<int64_t>> channels(3);  // box, score, objectness of all anchors
      for (int64_t a = 0; a < anchors; ++a) {
        for (int64_t c = 0; c < each; ++c) {
          channels[c < kSides ? kBox : c == kSides ? kThird : kScore].push_back(a * each + c);
        }
      }
      Level level = level_of(group);
      level.tensors = split_conv(graph_, group[0].tensor, channels);
      if (level.tensors.empty()) return std::nullopt;
      head.levels.push_back(level);
    }
    return found;
  }

  Graph& graph_;
  int64_t input_height_ = 0, prototype_channels_ = -1;
  Frontier frontier_;
};

// Two steps, so that a file that uses one of the names for another tensor does no harm.
void rename_outputs(Graph& graph, const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); ++i)
    rename_tensor(graph, graph.outputs[i], graph.fresh_name("head_output"));
  for (size_t i = 0; i < names.size(); ++i) {
    if (graph.tensors.count(names[i]) > 0)
      rename_tensor(graph, names[i], graph.fresh_name(names[i] + "_inner"));
    rename_tensor(graph, graph.outputs[i], names[i]);
  }
}

// A classifier: one vector of probabilities. It keeps its own output, Softmax included.
bool ends_in_classes(const Graph& graph) {
  if (graph.outputs.size() != 1) return false;
  const graph::Tensor& output = graph.tensor(graph.outputs[0]);
  const int last = graph.producer(output.name);
  if (last < 0 || output.shape.size() < 2 || output.elements() < 2) return false;
  const bool is_vector = output.elements() == output.shape[1];
  return is_vector &&
         (graph.nodes[static_cast<size_t>(last)].op == "Softmax" || metadata(graph, "task") == "classify");
}

std::vector<std::string> remarks(const Head& head) {
  if (head.row->name == "detect" && !head.one_to_one && !espdl_postprocessor(head).empty()) return {};
  const std::string fits = espdl_postprocessor(head);
  return {fmt::format("the outputs are a head, {}; {}", describe(head),
                      fits.empty() ? "ESP-DL has no postprocessor for it, Shrike's runtime has"
                                   : fmt::format("ESP-DL's '{}' decodes it", fits))};
}

}  // namespace

std::optional<CutReport> cut(Graph& graph) {
  if (const auto names = in_head_order(graph.outputs); !names.empty()) {
    graph.outputs = names;
    return CutReport{};
  }
  auto found = Recogniser(graph).run();
  if (!found) {
    if (!ends_in_classes(graph)) return std::nullopt;
    graph.metadata[kMetadataKey] =
        fmt::format("classify classes={}", graph.tensor(graph.outputs[0]).elements());
    return CutReport{};
  }
  Head& head = found->head;
  graph.outputs = head.outputs();
  remove_dead_nodes(graph);
  Head renamed = head;
  for (size_t i = 0; i < head.levels.size(); ++i)
    renamed.levels[i].tensors = level_names(*head.row, i, head.levels[i].stride);
  if (!head.shared.empty()) renamed.shared = head.row->shared;
  rename_outputs(graph, renamed.outputs());
  const std::string text = metadata_text(renamed);
  if (!text.empty()) graph.metadata[kMetadataKey] = text;
  CutReport report{remarks(renamed)};
  report.notes.insert(report.notes.end(), found->notes.begin(), found->notes.end());
  return report;
}

}  // namespace shrike::heads
