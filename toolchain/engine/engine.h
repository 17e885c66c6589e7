// Float and fake-quantised execution of a Graph. The only part of the project that uses LibTorch; this header
// does not mention it.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::engine {

// Dense row-major float data in logical order ([N, C, H, W]).
struct Array {
  graph::Shape shape;
  std::vector<float> values;
};

enum class Precision {
  kFloat,          // formats are ignored
  kFakeQuantized,  // every node output and constant is rounded to its Format, with the target's rounding
};

struct EngineOptions {
  Precision precision = Precision::kFloat;
  bool half_even = true;  // rounding of fake quantisation: true esp32p4, false esp32s3/esp32
  // Fake-quantised sums and products that float32 can not hold are computed in float64, so that results equal
  // the integer runtime's. 8-bit layers rarely need it; 16-bit ones always do and then are slow.
  bool exact = true;
};

// A borrowed view of a tensor while it is alive: `values` is valid only during the call.
struct TensorData {
  const graph::Tensor* tensor;
  graph::Shape shape;  // leading dimension = batch of this run
  const float* values;
  int64_t count;
};

// run, observe and run_range may be called from several threads at once. Results do not depend on the number
// of threads.
class Engine {
 public:
  explicit Engine(const graph::Graph& graph, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;

  // Runs the graph on inputs by name (batch may differ from the graph's: shapes are derived again where the
  // graph's operators allow) and returns the wanted tensors (empty: graph outputs).
  // Tensors are freed as soon as nothing needs them.
  std::map<std::string, Array> run(const std::map<std::string, Array>& inputs,
                                   const std::vector<std::string>& wanted = {});

  // Runs and shows every tensor (inputs and node outputs, in order) to `observer` as it is produced.
  void observe(const std::map<std::string, Array>& inputs,
               const std::function<void(const TensorData&)>& observer);

  // Runs nodes [first, last] only (both included), from the given values of all variables they read; returns
  // the wanted tensors. Nodes whose results are given or lead to nothing wanted are left out.
  std::map<std::string, Array> run_range(int first, int last, const std::map<std::string, Array>& values,
                                         const std::vector<std::string>& wanted);

  // Replaces the values of a constant (same shape), e.g. trial weights; rounded to its format when
  // fake-quantised. Not at the same time as a run.
  void set_constant(const std::string& name, const std::vector<float>& values);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Threads that LibTorch may use; call once at start-up.
void set_threads(int count);

}  // namespace shrike::engine
