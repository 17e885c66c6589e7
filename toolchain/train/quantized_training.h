// Quantisation-aware training: a plan of the quantiser, made better by what it does to the network's results.
// Any network is trained to say what it says in floats; a detection head that has a loss (head.h) learns from
// labels besides.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/formats/plan.h"
#include "toolchain/pipeline/settings.h"
#include "toolchain/train/distillation.h"
#include "toolchain/train/judge.h"
#include "toolchain/train/pictures.h"
#include "toolchain/train/processes.h"

namespace shrike::train {

struct QuantizedOptions {
  std::string output;  // .espdl; OUT.ckpt and OUT.train.jsonl stand beside it
  int64_t steps = 0;   // 0: `epochs` through the training pictures
  double epochs = 2;
  int batch = 16;
  int part = 0;  // pictures that go through a detector together; 0: four, above 448x448 two. Else it is one
  // Highest step of a weight, in its own units, and of a bias, in units of the node's output; 0: such that
  // the whole run could move them by two, but no more than what a network stands (kLargestStep).
  double rate = 0;
  double warm_up = 0.1;        // share of the steps: the first ones all go the way of one batch
  double start_within = 0.25;  // of its integer, in units, a weight starts on the float network's side
  double final_rate = 0.01;
  double exponent_rate = 0.01;  // of the real exponents, until a third of the run; 0: they stay
  double distill_weight = 1, label_weight = 0.3;  // labels count only where there are any
  DistillationOptions distillation;
  double clip = 10;
  Augmentation augmentation{.mosaic = 0,
                            .scale = 0.2,
                            .translate = 0.1,
                            .hue = 0.015,
                            .saturation = 0.3,
                            .value = 0.2,
                            .flip = 0.5};
  double held_out = 0.2;
  int64_t judging_pictures = 200;  // at most
  int evaluations = 5;
  uint64_t seed = 0;
  int threads = 0;      // 0: all cores; never changes the result
  Processes processes;  // that share the run
  bool resume = false;
  int64_t stop_after = 0;  // > 0: interrupted behind this step, as by Ctrl-C
};

// What is trained: the float graph as the quantiser left it, and its plan.
struct QuantizedStart {
  graph::Graph graph;
  quantize::Plan plan;
};

struct QuantizedJudgement {
  int64_t step = 0;
  DistillationTerms distillation;  // mean losses since the judgement before
  double labels = 0;
  Verdict verdict;           // on the integer file, by the pictures that judge
  double map_deviation = 0;  // standard error of its mAP's difference to the start's
  int changed_exponents = 0;
  int64_t moved_weights = 0;  // that round to another value than the start's
};

struct QuantizedReport {
  // The start's losses are those of the first batch. best.step 0: nothing was better than the start, which
  // was written.
  QuantizedJudgement start, best;
  // Of the outputs, the start's formats with the float network's weights: what no training of weights can be
  // expected to beat.
  double error_with_float_weights = 0;
  std::vector<QuantizedJudgement> judgements;
  int64_t steps = 0;
  size_t training_pictures = 0, judging_pictures = 0;
  bool detects = false;  // a head with a loss: terms of its own, and labels where there are any
  bool labelled = false, interrupted = false;
  double seconds = 0;
};

// The default recipe up to its plan, on the training pictures.
QuantizedStart quantized_start(const std::string& model, const Parts& parts,
                               const quantize::Settings& settings);

// Trains weights, biases and exponents; the integer runtime judges on the held-out pictures. Writes the best
// file, and the start's where nothing is better. The same options give the same bytes, resumed or not.
QuantizedReport train_quantized(const QuantizedStart& start, const Parts& parts,
                                const quantize::Settings& settings, const QuantizedOptions& options);

}  // namespace shrike::train
