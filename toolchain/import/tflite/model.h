// Internal to the .tflite import: the tables of the file as plain structures (spec/importers.md sections B1
// to B3).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "toolchain/import/bytes.h"
#include "toolchain/import/tflite/flat.h"

namespace shrike::graph::tflite {

enum class ElementCode : int8_t {
  kF32 = 0,
  kF16 = 1,
  kI32 = 2,
  kU8 = 3,
  kI64 = 4,
  kBool = 6,
  kI16 = 7,
  kI8 = 9,
};

struct Tensor {
  std::vector<int64_t> shape;
  ElementCode type = ElementCode::kF32;
  std::string_view data;  // of a constant, row-major; empty otherwise
  // value = scale * (integer - zero point): one scale, or one for each slice along `axis`; none: not
  // quantised.
  std::vector<float> scale;
  std::vector<int64_t> zero_point;
  int64_t axis = 0;
  bool constant = false;
  bool keeps_state = false;  // from one run to the next
};

struct Operator {
  int32_t code = 0;                      // builtin operator
  std::string custom;                    // name of one that is not
  std::vector<int32_t> inputs, outputs;  // -1: left out
  FlatTable options;                     // of the type that belongs to the code; reads defaults where absent
};

struct Model {
  std::vector<Tensor> tensors;
  std::vector<Operator> operators;  // in the order of execution
  std::vector<int32_t> inputs, outputs;
};

// Reads and checks everything that later code relies on: indices in range, constants as long as their shapes
// ask for, every tensor made once and before it is read, scales positive. `file` must outlive the result.
// Throws Error naming the operator or tensor.
Model read_model(const ByteReader& file);

// "CONV_2D"; "operator 200" when it has no name here.
std::string operator_name(int32_t code);
inline constexpr int32_t kCustom = 32;
// The same, with the name of a custom one: "CUSTOM 'ethos-u'".
std::string name_of(const Operator& op);

}  // namespace shrike::graph::tflite
