// oneDNN's signed 8-bit convolution on the shape of one of ours, to compare with. Weights, bias and layouts
// are as oneDNN likes them best; converting them is not timed. Data are random.
#pragma once
#include <memory>
#include <string>

#include "kernels/kernels.h"

namespace shrike::bench {

class OneDnnConvolution {
 public:
  // As many threads as OpenMP is set to when it runs.
  explicit OneDnnConvolution(const ConvGeometry& geometry);
  ~OneDnnConvolution();

  void run();
  std::string name() const;  // oneDNN's implementation

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace shrike::bench
