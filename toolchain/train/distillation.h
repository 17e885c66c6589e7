// What the float network knows, as a loss for the quantised one: features, and class scores and box
// distributions of a detector (spec/training.md section 6.3; Zheng et al., "Localization distillation", CVPR
// 2022) or the numbers that any other network ends in.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"
#include "toolchain/train/head.h"

namespace shrike::train {

struct DistillationOptions {
  double feature_gain = 1.0, class_gain = 0.5, box_gain = 1.5, output_gain = 2.0;
};

struct DistillationTerms {
  double features = 0, classes = 0, boxes = 0, outputs = 0;
  double total() const { return features + classes + boxes + outputs; }  // gains applied
};

// What the network is for.
struct Results {
  std::optional<DetectionHead> head;
  std::vector<std::string> outputs;  // the head's, else the graph's
  // Without a trainable head, of every output: what lies below is background, whatever it is. Minus infinity
  // of all but class logits.
  std::vector<float> floors;
};
Results results_of(const graph::Graph& graph);

// Outputs of activations that several nodes read: where the network branches.
std::vector<std::string> branching_features(const graph::Graph& graph);

// `teacher` and `student` hold the results in order, then the features. Adds `weight` times the gradients of
// the total to `derivatives`.
DistillationTerms distillation_loss(const Results& results, const std::vector<engine::Array>& teacher,
                                    const std::vector<engine::Array>& student,
                                    const DistillationOptions& options, double weight,
                                    std::vector<engine::Array>& derivatives);

}  // namespace shrike::train
