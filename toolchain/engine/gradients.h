// A network with gradients: forward, a loss of the caller's, and backward. No LibTorch in here.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/graph/graph.h"

namespace shrike::engine {

struct GradientOptions {
  // kFakeQuantized: parameters and node outputs are rounded to their formats on the way forward; backwards
  // the rounding lets gradients pass where it does not clip, and activations have the slope of their table.
  Precision precision = Precision::kFloat;
  bool half_even = true;                // rounding of activations and biases; weights round half to even
  std::vector<std::string> parameters;  // constants of floats whose values change and whose gradients matter
  std::vector<std::string> outputs;     // variables that the loss looks at
  // BatchNormalization by the statistics of the pictures at hand instead of the stored ones.
  bool batch_statistics = false;
};

// Of one BatchNormalization, over the pictures of a run: mean, and variance by n - 1.
struct ChannelStatistics {
  std::vector<float> mean, variance;
};

struct Gradients {
  std::vector<std::vector<float>> parameters;  // in the order of GradientOptions::parameters
  // By tensor with a format, by the real-valued exponent (TQT, Jain et al., MLSys 2020: the rounding of the
  // exponent itself passes gradients): one number, or one a channel. Only when asked for.
  std::map<std::string, std::vector<double>> exponents;
  std::vector<ChannelStatistics> statistics;  // by BatchNormalization node, in graph order
};

// Given the outputs in the order of GradientOptions::outputs; fills in the derivatives, which come zeroed and
// in the same shapes.
using OutputLoss = std::function<void(const std::vector<Array>& outputs, std::vector<Array>& derivatives)>;

// Of a network, by name.
using Inputs = std::map<std::string, Array>;

class DifferentiableNetwork {
 public:
  virtual ~DifferentiableNetwork() = default;
  // May be called from several threads at once: each runs on the calling thread alone while
  // engine::set_threads(1) holds, so that results depend on nothing but the arguments.
  virtual Gradients run(const Inputs& inputs, const std::vector<std::vector<float>>& parameters,
                        const OutputLoss& loss, bool exponents_too) const = 0;
  // The way forward alone: the outputs in the order of GradientOptions::outputs. Threads as with run().
  virtual std::vector<Array> outputs(const Inputs& inputs,
                                     const std::vector<std::vector<float>>& parameters) const = 0;
  // Other formats for tensors of the graph; not while a run is under way.
  virtual void set_formats(const std::map<std::string, graph::Format>& formats) = 0;
};

// Inputs may hold other batches than the graph says, all the same. Throws Error naming the operator that has
// no gradient.
std::unique_ptr<DifferentiableNetwork> make_differentiable(const graph::Graph& graph,
                                                           const GradientOptions& options);

}  // namespace shrike::engine
