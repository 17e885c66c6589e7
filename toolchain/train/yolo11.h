// The YOLO11 detectors as graphs to be trained: spec/training.md section 1.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::train {

struct Yolo11Options {
  double width = 0.25, depth = 0.5;  // of channels and repeats; 0.25 and 0.5 are YOLO11n
  int64_t max_channels = 1024;
  bool deep_blocks = false;  // C3k in every C3k2, as scales m, l and x have it
  int classes = 80;
  int bins = 16;  // of a box side's distribution: the farthest side is bins - 1 cells away
  int64_t image_size = 640;
  uint64_t seed = 0;  // of the first weights
};

// Input `images` [1,3,S,S], raw outputs box0, score0 .. box2, score2. Convolutions without bias are followed
// by BatchNormalization (momentum 0.03, see trainer.h); constants are named as in the published weights.
// Throws Error for sizes that are no multiple of 32.
graph::Graph build_yolo11(const Yolo11Options& options);

// Numbers that training changes or keeps: weights, biases, normalisation, and the projection of the
// distribution that the published counts include.
int64_t parameter_count(const graph::Graph& graph, const Yolo11Options& options);

}  // namespace shrike::train
