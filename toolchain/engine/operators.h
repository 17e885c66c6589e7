// The operators of the engine on LibTorch tensors: one function per family, found by name. Internal to
// engine/.
#pragma once
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/engine/rounding.h"
#include "toolchain/engine/torch.h"
#include "toolchain/graph/graph.h"

namespace shrike::engine {

// How the run differs from plain float execution.
struct Arithmetic {
  bool fake_quantized = false;  // sums and products that float32 can't hold exactly are computed in float64
  Rounding rounding;
};

// One node about to run.
struct Call {
  const graph::Graph& graph;
  const graph::Node& node;
  std::vector<at::Tensor> inputs;  // undefined where optional inputs are absent, and for int64 constants
  const Arithmetic& arithmetic;
  int64_t graph_batch = 1;  // leading dimension of the graph's inputs as declared
  int64_t batch = 1;        // and in this run

  bool has(size_t index) const;
  // Float input; throws Error when it is absent.
  const at::Tensor& input(size_t index) const;
  const graph::Tensor& description(size_t index) const;  // of the input tensor
  const graph::Format& format(size_t index) const;       // of the input tensor
  const graph::Format& output_format() const;            // of output 0
  // Integers from the constant int64 input `index`, else from attribute `key`, else nothing.
  std::optional<std::vector<int64_t>> integers(size_t index, const std::string& key) const;
  // A number from the one-element constant input `index`, else from attribute `key`, else nothing.
  std::optional<double> number(size_t index, const std::string& key) const;
  // Non-negative axis.
  int64_t axis(int64_t value, int64_t rank) const;

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    refuse_with(fmt::format(text, std::forward<Args>(args)...));
  }
  [[noreturn]] void refuse_with(const std::string& reason) const;
};

// Results may be float64 (exact sums before rounding); the engine makes them float32.
using Results = std::vector<at::Tensor>;
using OperatorFunction = Results (*)(const Call&);

// Null when the engine has no such operator.
OperatorFunction find_operator(const std::string& op);
// Axis that `channel_exponents` of constant input `index` count along: output channels of the consumer.
int64_t channel_axis(const graph::Node& node, size_t index);

struct NamedOperator {
  const char* op;
  OperatorFunction function;
};
using OperatorList = std::vector<NamedOperator>;

// The values of a tensor, without its gradients.
Array to_array(const at::Tensor& tensor);

// The families, each in its own file.
OperatorList matrix_operators();       // Conv, ConvTranspose, Gemm, MatMul
OperatorList elementwise_operators();  // arithmetic and activation functions
OperatorList movement_operators();     // Concat, Slice, Reshape, ...
OperatorList window_operators();       // pooling, Resize
OperatorList reduction_operators();    // Reduce*, Softmax, normalisation

// a [M,K] times b [N,K] transposed, float32, by the convolution library (LibTorch's own product may be a
// reference BLAS, twenty times slower). The result does not depend on the number of threads.
at::Tensor multiply_transposed(const at::Tensor& a, const at::Tensor& b);

// Pads as [top, left, bottom, right] (rank 2) or [begin, end] (rank 1) from `pads` or `auto_pad`.
std::vector<int64_t> window_pads(const Call& call, const std::vector<int64_t>& kernel,
                                 const std::vector<int64_t>& strides, const std::vector<int64_t>& dilations);
// Pads the trailing dimensions; `pads` as from window_pads.
at::Tensor pad_spatial(const at::Tensor& input, const std::vector<int64_t>& pads, double value);

}  // namespace shrike::engine
