// How far the integers of a written file are from the float network it was made from, tensor by tensor and
// layer by layer (spec/quantizer.md section 15). The quantised side is always the integer runtime on the
// file's bytes.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "toolchain/analyze/measure.h"
#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"
#include "toolchain/graph/passes.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/measure/feed.h"

namespace shrike::analyze {

struct Options {
  bool layerwise = true;
  bool every_tensor = false;  // tables beyond Conv, ConvTranspose, Gemm and MatMul
  int threads = 0;            // 0: all cores. Never changes the result
  host::IntegerOptions integer;
};

struct TensorReport {
  std::string tensor;  // the file's variable
  std::string layer, op;
  bool computing = false;
  std::vector<int64_t> shape;  // logical order
  int bits = 0, exponent = 0;
  Distribution distribution;  // noise_to_signal(): accumulated from the input to here
};

// Where the noise of a layer comes from when only this layer is quantised, seen behind its activation
// function. The parts are measured by rounding one thing at a time and add up to 1.
struct NoiseShares {
  double input = 0, weights = 0, output = 0;
};

struct LayerReport {
  std::string layer, op, tensor;
  bool computing = false;
  std::vector<double> noise_to_signal;  // at each graph output; 0 where the layer leads nowhere
  double local = 0;                     // behind the layer's own activation function
  NoiseShares shares;
  double output_bit_keeps = 0;  // part of the output rounding's noise that one more bit leaves

  double mean() const;  // over the graph outputs
  // What one more bit takes off mean(), to first order: noise at the outputs is proportional to noise here.
  double gain_of_output_bit() const;
  double gain_of_weight_bit() const;
  double gain_of_input_bit() const;
  double gain_of_bit() const;  // all three
};

// An input of the network.
struct InputReport {
  std::string name;
  graph::Shape shape;  // logical order
};

struct Analysis {
  std::string model, file, target;
  std::vector<InputReport> inputs;
  size_t samples = 0;
  int threads = 0;
  double seconds = 0;
  std::vector<std::string> outputs;
  std::vector<double> output_noise;   // accumulated, per graph output
  std::vector<TensorReport> tensors;  // every tensor that both networks have, in file order
  std::vector<LayerReport> layers;    // in file order; empty without Options::layerwise
  std::vector<std::string> not_compared;

  double mean_output_noise() const;
};

// What both networks are run on; asked from several threads at once.
struct Samples {
  size_t count = 0;
  std::function<std::map<std::string, engine::Array>(size_t index)> load;  // every input, by name
};

// `file` are the bytes of an .espdl file that has the graph's tensors by name; `file_name` stands for it in
// messages. Throws Error when its outputs are not the graph's.
Analysis analyze(const graph::Graph& graph, const std::vector<uint8_t>& file, const std::string& file_name,
                 const Samples& samples, const Options& options, const quantize::ProgressCallback& progress);

}  // namespace shrike::analyze
