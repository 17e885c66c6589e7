// The raw detection head whose loss is trained.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/data/input_spec.h"
#include "toolchain/engine/engine.h"
#include "toolchain/heads/head.h"
#include "toolchain/train/loss.h"

namespace shrike::train {

struct DetectionHead {
  heads::Head head;
  std::vector<std::string> outputs;  // box and score of every level, in turn
  data::InputSpec input;             // what the network is fed with
};

// Nothing when the graph does not end in boxes with a distribution per side, or has another input than one
// picture [1,C,H,W].
std::optional<DetectionHead> trainable_head(const graph::Graph& graph);
// The same; throws Error saying why there is none.
DetectionHead find_head(const graph::Graph& graph);

// The loss of outputs in the order of DetectionHead::outputs; adds `options.weight` times its gradients (of B
// * total) to `derivatives`. Classes and bins are the head's.
LossTerms head_loss(const DetectionHead& head, const std::vector<engine::Array>& outputs,
                    const std::vector<std::vector<Truth>>& truths, LossOptions options,
                    std::vector<engine::Array>& derivatives);

}  // namespace shrike::train
