#include "toolchain/train/head.h"

#include "toolchain/data/samples.h"
#include "toolchain/support/error.h"

namespace shrike::train {

namespace {

bool is_one_picture(const std::vector<data::Port>& ports) {
  return ports.size() == 1 && ports[0].picture && !ports[0].picture->channels_last;
}

bool has_distributions(const heads::Head& head) {
  return head.row->result == heads::Result::kBoxes && head.row->code == heads::BoxCode::kDistances &&
         head.bins >= 2;
}

}  // namespace

std::optional<DetectionHead> trainable_head(const graph::Graph& graph) {
  const std::vector<data::Port> ports = data::ports_of(graph);
  const std::optional<heads::Head> found = heads::named(graph);
  if (!is_one_picture(ports) || !found || !has_distributions(*found)) return std::nullopt;
  return DetectionHead{*found, found->outputs(), *ports[0].picture};
}

DetectionHead find_head(const graph::Graph& graph) {
  if (std::optional<DetectionHead> head = trainable_head(graph)) return *std::move(head);
  if (!is_one_picture(data::ports_of(graph)))
    fail("'{}': training in float needs a network with one picture [1,C,H,W] as input", graph.name);
  const std::optional<heads::Head> found = heads::named(graph);
  fail(
      "'{}': training in float needs a detection head with a distribution for every side of a box (YOLOv8, "
      "YOLO11); {}; --target trains any network for a chip",
      graph.name, found ? "this is another: " + heads::describe(*found) : std::string("none was recognised"));
}

LossTerms head_loss(const DetectionHead& head, const std::vector<engine::Array>& outputs,
                    const std::vector<std::vector<Truth>>& truths, LossOptions options,
                    std::vector<engine::Array>& derivatives) {
  std::vector<LossLevel> levels;
  for (size_t i = 0; i < head.head.levels.size(); ++i) {
    const engine::Array &box = outputs[2 * i], &score = outputs[2 * i + 1];
    levels.push_back({box.values.data(), score.values.data(), derivatives[2 * i].values.data(),
                      derivatives[2 * i + 1].values.data(), box.shape[2], box.shape[3],
                      static_cast<double>(head.head.levels[i].stride)});
  }
  options.classes = static_cast<int>(head.head.classes);
  options.bins = static_cast<int>(head.head.bins);
  return detection_loss(levels, truths, options);
}

}  // namespace shrike::train
