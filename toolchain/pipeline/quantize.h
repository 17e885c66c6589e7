// The main job: from an ONNX file and a folder of images to a lowered program.
#pragma once
#include <string>
#include <vector>

#include "toolchain/espdl/writer.h"
#include "toolchain/formats/calibrate.h"
#include "toolchain/formats/formats.h"
#include "toolchain/graph/graph.h"
#include "toolchain/pipeline/settings.h"

namespace shrike::quantize {

struct Phase {
  std::string name;
  double seconds = 0;
};

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

// Told which phase runs and how far it is.
using PhaseProgress = std::function<void(const std::string& phase, size_t done, size_t total)>;

// Throws Error with a sentence for the user.
Result quantize(const std::string& model_path, const std::string& calibration_folder,
                const Settings& settings, const PhaseProgress& progress);

// The float graph exactly as quantize() sees it: imported, prepared, function-preserving transformations
// (split, equalisation) applied. `notes` receives what there is to tell about them.
graph::Graph load_float_graph(const std::string& model_path, const Settings& settings,
                              std::vector<std::string>* notes = nullptr);

// Everything between calibration and writing: chooses formats, rounds weights and moves biases. `images` are
// those that were calibrated on; `phases` receives what each step took.
Plan fit_plan(const graph::Graph& graph, const Statistics& statistics, const std::vector<std::string>& images,
              const Settings& settings, const PhaseProgress& progress, std::vector<Phase>& phases);

// Chooses scales and offsets on the images (rescale.h), applies them and notes them in the metadata. Nothing
// with Settings::rescaling off or at 16 bit.
void rescale_ranges(graph::Graph& graph, const std::vector<std::string>& images, const Settings& settings,
                    const ProgressCallback& progress);

// Adds the image, prepared as for calibration, and the outputs that the integer runtime computes for it to
// the program.
void embed_test_values(espdl::Program& program, const std::string& image, const Settings& settings);

}  // namespace shrike::quantize
