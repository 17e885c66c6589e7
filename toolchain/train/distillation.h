// What the float network knows, as a loss for the quantised one: features, class scores and box distributions
// (spec/training.md section 6.3; Zheng et al., "Localization distillation", CVPR 2022).
#pragma once
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"
#include "toolchain/train/head.h"

namespace shrike::train {

struct DistillationOptions {
  double feature_gain = 1.0, class_gain = 0.5, box_gain = 1.5;
};

struct DistillationTerms {
  double features = 0, classes = 0, boxes = 0;
  double total() const { return features + classes + boxes; }  // gains applied
};

// Outputs of activations that several nodes read: where the network branches.
std::vector<std::string> branching_features(const graph::Graph& graph);

// `teacher` and `student` hold the head's outputs in order, then the features. Adds `weight` times the
// gradients of the total to `derivatives`.
DistillationTerms distillation_loss(const DetectionHead& head, const std::vector<engine::Array>& teacher,
                                    const std::vector<engine::Array>& student,
                                    const DistillationOptions& options, double weight,
                                    std::vector<engine::Array>& derivatives);

}  // namespace shrike::train
