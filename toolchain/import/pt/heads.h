// Internal to the .pt import: the heads of Ultralytics' networks, decoded as their ONNX export decodes them
// (spec/importers.md section A7), so that whoever recognises heads sees the same structure whatever the file.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/import/pt/layers.h"

namespace shrike::graph::pt {

struct PictureSize {
  int64_t height = 640;
  int64_t width = 640;
};

// "detect", "segment", "pose", "obb", "classify"; "" for a class that is no head.
std::string task_of(const Module& head);
// The classes of heads, sorted.
std::vector<std::string> head_classes();

// Writes the head behind the feature maps `xs`, finest first, and makes its results the graph's outputs
// output0 (and output1, a segmentation's prototypes): boxes [1, 4 + classes + ..., places] in pixels, centre
// and size, scores as probabilities; a classifier's [1, classes].
void write_head(Layers& layers, const Module& head, const std::vector<std::string>& xs, PictureSize picture);

}  // namespace shrike::graph::pt
