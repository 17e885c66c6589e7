// The raw detection head whose loss is trained.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/heads/head.h"
#include "toolchain/train/loss.h"

namespace shrike::train {

struct DetectionHead {
  heads::Head head;
  std::vector<std::string> outputs;  // box and score of every level, in turn
  int64_t width = 0, height = 0;     // of the network's input
};

// Throws Error when the graph does not end in boxes with a distribution per side, or has another input than
// one picture [1,3,H,W].
DetectionHead find_head(const graph::Graph& graph);

// The loss of outputs in the order of DetectionHead::outputs; adds `weight` times its gradients (of B *
// total) to `derivatives`.
LossTerms head_loss(const DetectionHead& head, const std::vector<engine::Array>& outputs,
                    const std::vector<std::vector<Truth>>& truths, double weight,
                    std::vector<engine::Array>& derivatives);

}  // namespace shrike::train
