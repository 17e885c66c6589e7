// Float and fake-quantised execution of a Graph. The only part of the project that uses LibTorch; this header does
// not mention it.
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
};

// A borrowed view of a tensor while it is alive: `values` is valid only during the call.
struct TensorData {
  const graph::Tensor* tensor;
  graph::Shape shape;  // leading dimension = batch of this run
  const float* values;
  int64_t count;
};

class Engine {
 public:
  explicit Engine(const graph::Graph& graph, const EngineOptions& options = {});
  ~Engine();
  Engine(Engine&&) noexcept;

  // Runs the graph on inputs by name (batch may differ from the graph's: shapes are derived again where the
  // graph's operators allow) and returns the wanted tensors (empty: graph outputs).
  // Tensors are freed as soon as nothing needs them.
  std::map<std::string, Array> run(const std::map<std::string, Array>& inputs, const std::vector<std::string>& wanted = {});

  // Runs and shows every tensor (inputs and node outputs, in order) to `observer` as it is produced.
  void observe(const std::map<std::string, Array>& inputs, const std::function<void(const TensorData&)>& observer);

  // Runs nodes [first, last] only, from the given values of all tensors they read; returns the wanted ones.
  std::map<std::string, Array> run_range(int first, int last, const std::map<std::string, Array>& values,
                                         const std::vector<std::string>& wanted);

  // Replaces the values of a constant (same shape), e.g. trial weights.
  void set_constant(const std::string& name, const std::vector<float>& values);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Threads that LibTorch may use; call once at start-up.
void set_threads(int count);

}  // namespace shrike::engine
