// The main job: from a float model and a folder of images to a lowered program.
#pragma once
#include <string>
#include <vector>

#include "toolchain/espdl/writer.h"
#include "toolchain/pipeline/settings.h"
#include "toolchain/pipeline/steps.h"

namespace shrike::quantize {

struct Result {
  graph::Graph float_graph;      // prepared, with the outputs of the file
  graph::Graph quantized_graph;  // materialized
  espdl::Program program;
  std::vector<std::string> output_names;
  std::vector<double> output_noise;  // noise-to-signal power per output, over a few calibration images
  int requantize_nodes = 0;
  std::vector<std::string> notes;     // sentences about the transformations, for the user
  std::vector<std::string> warnings;  // the file is of little use: to be said last
  std::vector<Phase> phases;
};

// Throws Error with a sentence for the user.
Result quantize(const std::string& model_path, const std::string& calibration_folder,
                const Settings& settings, const PhaseProgress& progress);

// RequantizeLinear nodes of a materialized graph.
int count_requantize_nodes(const graph::Graph& materialized);

// Adds the image, prepared as for calibration, and the outputs that the integer runtime computes for it to
// the program, which was made from `float_graph`.
void embed_test_values(espdl::Program& program, const graph::Graph& float_graph, const std::string& image,
                       const Settings& settings);

}  // namespace shrike::quantize
