// Internal to the .tflite import: operators on [N,H,W,C] tensors written as ONNX nodes on [N,C,H,W]
// (spec/importers.md sections B4 to B8).
//
// A tensor of the file lives in the IR in some order of its axes. Operators that care ask for the order they
// want; only then, and only if it has another one, a Transpose is written. A TRANSPOSE of the file writes
// nothing: its result is the same IR tensor in another order. Transposes that undo each other, and those that
// converters write around convolutions, so never come to be.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "toolchain/import/graph_writer.h"
#include "toolchain/import/tflite/model.h"

namespace shrike::graph::tflite {

// Axis i of the IR tensor is axis order[i] of the file's tensor.
using Order = std::vector<int64_t>;

class Converter {
 public:
  Converter(const Model& model, const std::string& file);
  Graph run();
  // Names of the operators that run() knows, sorted.
  static std::vector<std::string> operators();

 private:
  // What a tensor of the file is in the IR.
  struct State {
    std::string name;
    Order order;
    // Not empty: [1, C*H*W], an image [1,C,H,W] flattened without its axes being moved first; here H, W, C.
    Shape flat_image;
  };
  using Rule = void (Converter::*)(const Operator&);
  static const std::map<int32_t, Rule>& rules();

  // converter.cpp: tensors and their orders
  static Order identity(size_t rank);
  static Order image() { return {0, 3, 1, 2}; }
  static Shape in_order(const Shape& shape, const Order& order);
  static int64_t position(const Order& order, int64_t axis);  // of the file's axis in the IR tensor
  const Tensor& tensor(int32_t index) const { return model_.tensors[static_cast<size_t>(index)]; }
  const Shape& shape(int32_t index) const { return tensor(index).shape; }
  int64_t rank(int32_t index) const { return static_cast<int64_t>(shape(index).size()); }
  int32_t input(const Operator& op, size_t slot) const;  // throws Error when left out
  bool has_input(const Operator& op, size_t slot) const {
    return slot < op.inputs.size() && op.inputs[slot] >= 0;
  }
  bool is_constant(int32_t index) const { return tensor(source(index)).constant; }
  int32_t source(int32_t index) const;  // of a constant that DEQUANTIZE passed on
  std::vector<float> floats(int32_t index) const;
  std::vector<int64_t> integers(int32_t index, const char* what) const;
  const State& state(int32_t index);
  std::string bring(int32_t index, const Order& order);
  std::string constant(int32_t index, Shape shape, const Order& order);
  std::string operand(int32_t index, const Order& order);  // broadcast to the order's rank
  std::string transposed(const std::string& x, const Shape& shape, const Order& from, const Order& to);
  void set(int32_t index, const std::string& name, Order order);
  bool only_read_by(int32_t index, const std::vector<int32_t>& codes, size_t slot) const;
  void read_input(int32_t index);
  void write_outputs();

  // converter.cpp: nodes
  std::string name(const std::string& op) const { return fmt::format("{}_{}", op, index_); }
  std::string node(const std::string& op, std::vector<std::string> inputs, Attributes attributes = {});
  std::string activated(const std::string& x, int8_t activation);
  std::string clipped(const std::string& x, float low, float high);
  std::string reshaped(const std::string& x, const Shape& shape);
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail("{}: operator {} ({}): {}", file_, index_, name_of(*current_),
         fmt::format(text, std::forward<Args>(args)...));
  }

  // windows.cpp
  struct Axis {
    int64_t size, kernel, stride, dilation;
  };
  std::vector<int64_t> pads(bool same, const Axis& rows, const Axis& columns, const Shape& extra) const;
  void convolution(const Operator& op);
  void depthwise(const Operator& op);
  void write_convolution(const Operator& op, Shape weight_shape, std::vector<float> weights, int64_t groups,
                         const Axis& rows, const Axis& columns);
  void transposed_convolution(const Operator& op);
  void pooling(const Operator& op);
  void resize(const Operator& op);
  void fully_connected(const Operator& op);
  void batch_matmul(const Operator& op);

  // arithmetic.cpp
  void unary(const Operator& op);
  void binary(const Operator& op);
  void prelu(const Operator& op);
  void softmax(const Operator& op);
  void l2_normalization(const Operator& op);
  void reduce(const Operator& op);
  void arg_max(const Operator& op);
  void pass(const Operator& op);
  void cast(const Operator& op);

  // movers.cpp
  void reshape(const Operator& op);
  void transpose(const Operator& op);
  void concatenate(const Operator& op);
  void split(const Operator& op);
  void split_sizes(const Operator& op);
  void write_split(const Operator& op, int32_t x, int64_t axis, const std::vector<int64_t>& sizes);
  struct Part {
    int64_t axis, first, last;  // of the file's tensor; last: one behind
    int32_t output;
  };
  std::optional<Part> part_of(const Operator& op) const;
  bool join_slices(const Operator& op);
  void strided_slice(const Operator& op);
  void slice(const Operator& op);
  void pad(const Operator& op);
  void pack(const Operator& op);
  void unpack(const Operator& op);
  void gather(const Operator& op);
  void depth_to_space(const Operator& op);
  void shape_of(const Operator& op);
  int64_t axis_of(int64_t axis, int32_t index) const;  // counted from the front
  static Order without(const Order& order, const std::vector<int64_t>& axes);

  const Model& model_;
  const std::string& file_;
  GraphWriter writer_;
  const Operator* current_ = nullptr;
  size_t index_ = 0;  // of the current operator
  std::vector<State> states_;
  std::vector<std::vector<size_t>> readers_;  // operators, by tensor
  std::map<int32_t, int32_t> passed_on_;      // result of DEQUANTIZE -> its constant
  // Result of a PAD with zeros that the convolution behind it does itself: what it pads, and top, left,
  // bottom, right.
  std::map<int32_t, std::pair<int32_t, Shape>> padded_;
  std::map<std::pair<int32_t, Order>, std::string> brought_;
  mutable int64_t read_ = 0;  // elements of constants so far: tensors may share a buffer
};

}  // namespace shrike::graph::tflite
