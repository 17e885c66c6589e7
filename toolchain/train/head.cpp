#include "toolchain/train/head.h"

#include "toolchain/data/samples.h"
#include "toolchain/support/error.h"

namespace shrike::train {

DetectionHead find_head(const graph::Graph& graph) {
  const std::vector<data::Port> ports = data::ports_of(graph);
  if (ports.size() != 1 || !ports[0].picture || ports[0].picture->channels_last)
    fail("'{}': training needs a network with one picture [1,C,H,W] as input", graph.name);
  const std::optional<heads::Head> found = heads::named(graph);
  if (!found || found->row->result != heads::Result::kBoxes ||
      found->row->code != heads::BoxCode::kDistances || found->bins < 2) {
    fail(
        "'{}': training needs a detection head with a distribution for every side of a box (YOLOv8, YOLO11); "
        "{}",
        graph.name,
        found ? "this is another: " + heads::describe(*found) : std::string("none was recognised"));
  }
  return {*found, found->outputs(), *ports[0].picture};
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
