// Training a float detector, from nothing or from a model's weights.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/train/optimizer.h"
#include "toolchain/train/pictures.h"
#include "toolchain/train/processes.h"

namespace shrike::train {

struct FloatOptions {
  std::string output;  // .onnx; OUT.ckpt and OUT.train.jsonl stand beside it
  int64_t steps = 0;   // 0: `epochs` through the training pictures
  double epochs = 100;
  int batch = 32;
  int part = 16;  // pictures that go through the network together: normalisation sees that many
  Optimizer::Kind optimizer = Optimizer::Kind::kAdam;
  double rate = 0.002;       // highest
  double final_rate = 0.01;  // share of it at the end of the cosine
  double momentum = 0.9, decay = 5e-4;
  double warm_up = 0.03;  // share of the steps
  double clip = 10;
  Augmentation augmentation;
  double plain_end = 0.15;  // share of the steps without mosaic at the end
  double held_out = 0.1;
  int64_t judging_pictures = 500;  // at most
  int evaluations = 10;
  uint64_t seed = 0;
  int threads = 0;      // 0: all cores; never changes the result
  Processes processes;  // that share the run
  bool resume = false;
  int64_t stop_after = 0;  // > 0: interrupted behind this step, as by Ctrl-C
};

// One line of the table at the end.
struct Judgement {
  int64_t step = 0;
  double box = 0, classes = 0, distribution = 0;  // mean losses since the judgement before
  double map = 0, map50 = 0;                      // on the held-out pictures
};

struct FloatReport {
  std::vector<Judgement> judgements;
  Judgement best;
  int64_t steps = 0;
  size_t training_pictures = 0, judging_pictures = 0;
  bool interrupted = false;
  double seconds = 0;
};

// Trains `graph` (with raw detection outputs; BatchNormalization allowed) on the set and writes the best of
// the evaluated averages as ONNX, normalisation folded. The same options give the same bytes, resumed or not.
// Throws Error.
FloatReport train_float(const graph::Graph& graph, const LabelledSet& set, const FloatOptions& options);

}  // namespace shrike::train
