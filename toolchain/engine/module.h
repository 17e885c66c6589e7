// The border between the program and the float module. Everything that includes LibTorch (seconds of
// processor time and hundreds of libraries to load) lives in libshrike_float.so; door.cpp opens it when the
// first function of engine.h or linalg.h is called. The classes below are what stands behind those of the
// same job there; their functions mean the same.
//
// Standard containers and Graphs cross the border as they are, so both sides must come from one build: the
// identity says so. Exceptions cross it too: libstdc++ tells their types apart by name.
#pragma once
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "toolchain/engine/collective.h"
#include "toolchain/engine/engine.h"
#include "toolchain/engine/gradients.h"
#include "toolchain/engine/linalg.h"

namespace shrike::engine {

// A graph ready to run; see Engine.
class Execution {
 public:
  virtual ~Execution() = default;
  virtual std::map<std::string, Array> run(const std::map<std::string, Array>& inputs,
                                           const std::vector<std::string>& wanted) = 0;
  virtual void observe(const std::map<std::string, Array>& inputs,
                       const std::function<void(const TensorData&)>& observer) = 0;
  virtual std::map<std::string, Array> run_range(int first, int last,
                                                 const std::map<std::string, Array>& values,
                                                 const std::vector<std::string>& wanted) = 0;
};

// Sums of products of convolution inputs; see GramAccumulator.
class GramSums {
 public:
  virtual ~GramSums() = default;
  virtual void add(const StridedValues& images) = 0;
  virtual int64_t size() const = 0;
  virtual const std::vector<double>& triangles() const = 0;
  virtual std::vector<double> mean() const = 0;
  virtual int64_t rows() const = 0;
};

struct EngineTable {
  std::unique_ptr<Execution> (*prepare)(const graph::Graph& graph, const EngineOptions& options);
  void (*set_threads)(int count);
  void (*check)();  // throws Error where floats are computed wrongly
};

struct LinalgTable {
  std::unique_ptr<GramSums> (*gram_sums)(const ConvSpec& spec, int64_t in_channels, int64_t rows_per_image);
  std::vector<double> (*cholesky_inverse_upper)(std::vector<double> h, int64_t n, double damping);
};

struct GradientTable {
  std::unique_ptr<DifferentiableNetwork> (*differentiate)(const graph::Graph& graph,
                                                          const GradientOptions& options);
};

struct CollectiveTable {
  std::unique_ptr<Collective> (*meet)(const Meeting& meeting);
};

// What the module exports. A new family of functions is a new table at the end.
struct FloatModule {
  const char* identity;  // first, so that it can be read whatever follows
  const EngineTable* engine;
  const LinalgTable* linalg;
  const GradientTable* gradients;
  const CollectiveTable* collective;
};

// Of this build: the version, the compiler, and the sizes of what crosses the border.
inline std::string module_identity() {
  return fmt::format("shrike {}, compiler {}, {}/{}/{}/{}/{}/{}/{}", SHRIKE_VERSION, __VERSION__,
                     sizeof(FloatModule), sizeof(graph::Graph), sizeof(graph::Node), sizeof(graph::Tensor),
                     sizeof(EngineOptions), sizeof(ConvSpec), sizeof(GradientOptions));
}

// The tables of the module in this file. Defined in the module, one file a table.
extern const EngineTable kEngineTable;
extern const LinalgTable kLinalgTable;
extern const GradientTable kGradientTable;
extern const CollectiveTable kCollectiveTable;

// The module, opened by the first call. Throws Error when it can't be; says what to install.
const FloatModule& float_module();

}  // namespace shrike::engine

// The module's only symbol.
extern "C" const shrike::engine::FloatModule* shrike_float_module();
