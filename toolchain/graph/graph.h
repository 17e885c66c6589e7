// The intermediate representation of the host floor: a flat, ordered list of nodes over named tensors.
//
// Shapes and constants are in the logical ONNX order ([N, C, H, W], filters [O, I/g, kH, kW]); the storage
// order of the chip is decided by espdl/lower. Every tensor has exactly one Format; a change of format is a
// RequantizeLinear node (QuantizeLinear after a float producer). Nothing is hidden in operators.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace shrike::graph {

using Shape = std::vector<int64_t>;
// Product of the dimensions; 1 for a scalar.
int64_t element_count(const Shape& shape);
// A dimension that the file leaves open (dynamic height or width); prepare() fills it in.
inline constexpr int64_t kUnknownDim = -1;

// bits == 0: float. Else value = integer * 2^exponent, integers of `bits` bits. Weights (Conv, Gemm) may
// carry one exponent per output channel in `channel_exponents` (then `exponent` is their maximum); everything
// else is per tensor.
struct Format {
  int bits = 0;
  int exponent = 0;
  std::vector<int> channel_exponents;

  bool is_float() const { return bits == 0; }
  bool per_channel() const { return !channel_exponents.empty(); }
  bool operator==(const Format&) const = default;
};

enum class ElementType { kFloat, kInt64 };

struct Tensor {
  std::string name;
  Shape shape;  // empty for a scalar; known for every tensor after infer_shapes
  ElementType type = ElementType::kFloat;
  bool constant = false;
  std::vector<float> values;  // constant kFloat
  std::vector<int64_t>
      integers;  // constant kInt64; or, once materialized, the quantised integers of `values`
  Format format;
  // What transform/rescale.h did to each channel: value = scale * (what the model means) + offset. Empty:
  // plain.
  std::vector<float> scales, offsets;

  int64_t elements() const { return element_count(shape); }
};

using Attribute = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>>;

struct Node {
  std::string name;
  std::string op;                   // ONNX op_type, plus Swish, RequantizeLinear, QuantizeLinear
  std::vector<std::string> inputs;  // "" = absent optional input
  std::vector<std::string> outputs;
  std::map<std::string, Attribute> attributes;

  int64_t integer(const std::string& key, int64_t fallback) const;
  float real(const std::string& key, float fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  std::vector<int64_t> integers(const std::string& key, const std::vector<int64_t>& fallback = {}) const;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;                // topological order
  std::map<std::string, Tensor> tensors;  // every tensor named by a node, an input or an output
  std::vector<std::string> inputs;        // without constants
  std::vector<std::string> outputs;
  std::map<std::string, std::string> metadata;

  Tensor& tensor(const std::string& name);  // throws Error when absent
  const Tensor& tensor(const std::string& name) const;
  // Index of the node that produces `tensor`, -1 for inputs and constants. O(nodes); see Links for bulk use.
  int producer(const std::string& tensor) const;
  std::vector<int> consumers(const std::string& tensor) const;
  bool is_output(const std::string& tensor) const;
  std::string fresh_name(const std::string& stem) const;  // unused tensor/node name that starts with stem
};

// Producer and consumers of every tensor, built once for passes that look at many.
struct Links {
  explicit Links(const Graph& graph);
  std::map<std::string, int> producer;
  std::map<std::string, std::vector<int>> consumers;
};

// Throws Error unless nodes are topologically sorted, every name is defined once and everything used exists.
void check(const Graph& graph);

// One line per node with shapes and formats, stable enough to diff; constants by shape and format only.
std::string to_text(const Graph& graph);
// "1,3,?,?" with a separator of ",".
std::string shape_text(const Shape& shape, const std::string& separator);

}  // namespace shrike::graph
