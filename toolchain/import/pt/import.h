// Ultralytics checkpoints (.pt) into the IR.
#pragma once
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Reads a checkpoint that torch.save wrote of a whole Ultralytics model: YOLOv5u, v8, v9-like blocks of v10,
// 11 and ESPDet, with heads for detection, segmentation, pose, oriented boxes and classification. The graph
// is the one that the ONNX export gives (input "images", outputs decoded), with BatchNormalization still in
// it. The picture size is the training's (checkpoints store no other; resize_input changes it), 640 where it
// is not stored. Metadata as in the ONNX export: names, stride, imgsz, task, version, kpt_shape. Never
// executes or opens what the file names. `file` begins the sentences of errors. Throws Error.
Graph import_checkpoint(const std::string& bytes, const std::string& file);
// The classes of layers and of heads that it knows, each sorted.
std::vector<std::string> checkpoint_classes();
std::vector<std::string> checkpoint_heads();

}  // namespace shrike::graph
