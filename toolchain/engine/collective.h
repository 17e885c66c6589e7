// Several processes that compute together, on one machine or many: LibTorch's c10d over Gloo. No LibTorch in
// here.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

namespace shrike::engine {

// Where the processes of a run meet.
struct Meeting {
  std::string address;  // of process 0
  int port = 0;
  int rank = 0, count = 1;
};

// Every process of the run must make the same calls in the same order. All functions throw Error when another
// process of the run is gone.
class Collective {
 public:
  virtual ~Collective() = default;
  // Element by element over all processes; every process receives the same bits.
  virtual void sum(float* values, size_t count) = 0;
  virtual void sum(double* values, size_t count) = 0;
  // What process 0 holds, to all.
  virtual void broadcast(std::string& bytes) = 0;
};

// Waits for the other processes. Throws Error when they don't come, or when this build has no Gloo.
std::unique_ptr<Collective> meet(const Meeting& meeting);

}  // namespace shrike::engine
