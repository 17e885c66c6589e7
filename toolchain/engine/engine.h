// Float and fake-quantised execution of a Graph. Runs on LibTorch, which is loaded when the first Engine is
// made (see module.h); where it is not installed, everything in here throws Error saying what to install.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"
#include "toolchain/support/strided.h"

namespace shrike::engine {

// Dense row-major float data in logical order ([N, C, H, W]).
struct Array {
  graph::Shape shape;
  std::vector<float> values;
};

enum class Precision {
  kFloat,  // formats are ignored
  // Every node output and constant is rounded to its Format, with the target's rounding. Sums and products
  // that float32 can't hold are computed in float64, so that results equal the integer runtime's: 8-bit
  // layers rarely need it, 16-bit ones always do and then are slow.
  kFakeQuantized,
};

struct EngineOptions {
  Precision precision = Precision::kFloat;
  bool half_even = true;  // rounding of fake quantisation: true esp32p4, false esp32s3/esp32
};

// A borrowed view of a tensor while it is alive, valid only during the call.
struct TensorData {
  const graph::Tensor* tensor;
  // Leading dimension = batch of this run. The floats fill count() places in memory, in the order in which
  // they were computed.
  StridedValues values;

  const float* memory() const { return static_cast<const float*>(values.data); }
};

class Execution;

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

 private:
  std::unique_ptr<Execution> execution_;
};

// Threads that LibTorch may use in this thread's calls; 0: as many as the machine has. To be called before
// the first run: throws Error when the system gives no threads, or when LibTorch computes wrongly here
// (self_check.h).
void set_threads(int count);

// Throws Error when float networks can not be run here: to be asked before other work.
void require_engine();

}  // namespace shrike::engine
