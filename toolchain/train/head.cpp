#include "toolchain/train/head.h"

#include "toolchain/support/error.h"

namespace shrike::train {

DetectionHead find_head(const graph::Graph& graph) {
  const graph::Shape& input = graph.tensor(graph.inputs.at(0)).shape;
  if (graph.inputs.size() != 1 || input.size() != 4 || input[1] != 3)
    fail("'{}': training needs a network with one picture [1,3,H,W] as input", graph.name);
  DetectionHead head;
  head.height = input[2];
  head.width = input[3];
  for (int level = 0;; ++level) {
    const std::string box = fmt::format("box{}", level), score = fmt::format("score{}", level);
    if (!graph.is_output(box) || !graph.is_output(score)) break;
    const graph::Shape &boxes = graph.tensor(box).shape, &scores = graph.tensor(score).shape;
    if (boxes.size() != 4 || scores.size() != 4 || boxes[1] % 4 != 0 || boxes[1] < 8 || boxes[2] != scores[2] ||
        boxes[3] != scores[3]) {
      fail("'{}': the outputs {} and {} are no level of a detection head with a distribution per side", graph.name,
           box, score);
    }
    head.bins = static_cast<int>(boxes[1] / 4);
    head.classes = static_cast<int>(scores[1]);
    head.outputs.push_back(box);
    head.outputs.push_back(score);
  }
  if (head.outputs.empty())
    fail("'{}': training needs a detection head (outputs box0, score0, ...), found none", graph.name);
  return head;
}

LossTerms head_loss(const DetectionHead& head, const std::vector<engine::Array>& outputs,
                    const std::vector<std::vector<Truth>>& truths, double weight,
                    std::vector<engine::Array>& derivatives) {
  std::vector<LossLevel> levels;
  for (size_t i = 0; i + 1 < head.outputs.size(); i += 2) {
    const graph::Shape& shape = outputs[i].shape;
    levels.push_back({outputs[i].values.data(), outputs[i + 1].values.data(), derivatives[i].values.data(),
                      derivatives[i + 1].values.data(), shape[2], shape[3],
                      static_cast<double>(head.height) / static_cast<double>(shape[2])});
  }
  LossOptions options;
  options.classes = head.classes;
  options.bins = head.bins;
  options.weight = weight;
  return detection_loss(levels, truths, options);
}

}  // namespace shrike::train
