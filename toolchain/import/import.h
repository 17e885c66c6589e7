// The one door through which float networks come in.
#pragma once
#include <string>

#include "toolchain/graph/graph.h"

namespace shrike::graph {

// Reads the model file at `path` into the IR: float tensors in ONNX order, shapes not yet inferred, nothing
// folded (graph/passes.h goes on from there). The format is told by the file's content, never by its name:
// ONNX (with its weights inside or beside it), Ultralytics checkpoints (.pt) and TensorFlow Lite (.tflite).
// Everything else that people try (TorchScript, SavedModel, Keras, other runtimes' files, pictures, pages) is
// refused with what it is and the command that converts it. Limits: support/model_limits.h.
// Throws Error naming the file and what can be done about it.
Graph import_model(const std::string& path);

// The same for bytes in memory; `path` is for messages and for the folder that may hold weights.
Graph import_model_bytes(const std::string& bytes, const std::string& path);

// True unless the file is one that Shrike or ESP-PPQ wrote for the chip (.espdl, alone or packed). Throws
// Error when it cannot be read.
bool is_float_model(const std::string& path);

}  // namespace shrike::graph
