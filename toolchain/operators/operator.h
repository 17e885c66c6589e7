// What an operator is to the host floor: one row, side by side with the others of its family. Shape
// inference, constant folding, the float engine, the quantiser, the checks and the lowering ask the row; none
// of them keeps a list of names. docs/operators.md is printed from these rows, and tests/operators drives
// each one from ONNX to the integer runtime.
//
// To add an activation: its row in activations.cpp. Another operator: its row in the family's file (shape
// rule, role, lowering beside it) and its function in engine/.
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "shrike/tensor.h"
#include "toolchain/graph/graph.h"

namespace shrike::graph {
class RuleContext;
using Rule = void (*)(const RuleContext&);
}  // namespace shrike::graph

namespace shrike::espdl {
class Builder;
}

namespace shrike::operators {

// What becomes of the integers, and with it who chooses a format (spec/numerics.md sections 3 to 12).
enum class Role : uint8_t {
  kHost,         // exists for constants and shapes only, or is rewritten to others by prepare()
  kWeighted,     // sums of products with constant filters: input 1 the filters, input 2 the bias
  kMatrix,       // sums of products of two tensors; weighted where the right one is constant
  kProduct,      // exponents of the operands add up; only right shifts
  kSum,          // adds integers that have one exponent
  kConcat,       // puts tensors of one exponent side by side
  kCopy,         // output integers are input integers: one format for both
  kTable,        // y = f(x), element by element: a table on the chip
  kFloatResult,  // float output, whatever comes in
  kConversion,   // changes the format
  kComputed,     // computed from operands of any exponents, rounded to a format of its own
};

// What an input is. Inputs behind the last one stated are like that one; integers (axes, shapes) are kPlain
// whatever is stated.
enum class Operand : uint8_t {
  kData,    // has a format, also where it is constant
  kFilter,  // one exponent, or one per output channel
  kBias,    // at the exponent of input plus filter
  kPlain,   // bounds, sizes, float weights: no format of its own
};

// Where the stored order of axes comes from (spec/espdl-format.md section 4.3).
enum class Layout : uint8_t {
  kHandedOn,      // takes its input in any order and hands that on
  kChannelsLast,  // wants and leaves channels last
  kLogical,       // leaves the order of ONNX
  kRewritten,     // any order, its attributes are rewritten to it
};

// The chip's library has the operator for tensors of this kind (spec/runtime-and-vision.md Table 2).
struct Support {
  bool int8 = false, int16 = false, real = false;
};
inline constexpr Support kAllTypes{true, true, true};
inline constexpr Support kIntegers{true, true, false};

// A node whose width is known. What a chip can do is the same for all of them, down to the formats
// (spec/runtime-and-vision.md Table 2).
struct Situation {
  const graph::Graph& graph;
  const graph::Node& node;
  int bits = 8;
};

using Formula = std::function<float(float)>;
using Inputs = std::vector<const graph::Tensor*>;  // null where absent

// The table of operator LUT that stands for a function at 16 bit (spec/numerics.md 9.2).
enum class Table16 : uint8_t {
  kNone,    // the chip computes the function per element
  kCoarse,  // an entry every 32 inputs, the nearest is taken: for smooth functions
  kFine,    // an entry for every input, 128 kB: for functions with steps or poles
};

// Two numbers to one; nothing where the result isn't sensible (division by zero).
struct Binary {
  std::optional<int64_t> (*integers)(int64_t, int64_t) = nullptr;
  std::optional<float> (*reals)(float, float) = nullptr;
  bool (*compare)(int order) = nullptr;  // order: -1 less, 0 equal, 1 greater; -2 not a number
};

// y = scale x + shift.
struct Line {
  double scale = 1, shift = 0;
};

struct Operator {
  const char* name;
  Role role = Role::kHost;
  graph::Rule shape = nullptr;
  std::vector<Operand> operands = {Operand::kData};
  Layout layout = Layout::kRewritten;
  // Writes into the node's attributes what ONNX leaves to defaults of its window; null: it has none.
  void (*write_out_window)(const graph::RuleContext&, graph::Node&) = nullptr;
  // Numbers on a grid give numbers on it: nothing is rounded.
  bool stays_on_grid = false;

  bool keeps_a_single_number = false;  // a reduction that makes of one number that number
  // f(c x) = c f(x) for c > 0, in every channel by itself: of one variable, or of a window of the channel.
  bool homogeneous = false;

  // Functions of one variable (role kTable; the others may have one for constants). `formula` binds the
  // node's attributes and constants: y = f(x) in single precision.
  Formula (*formula)(const graph::Graph& graph, const graph::Node& node) = nullptr;
  // Where constants are rounded with the data, the function that the table holds instead.
  Formula (*formula_on_grid)(const graph::Graph& graph, const graph::Node& node, const graph::Format& input,
                             Rounding rounding) = nullptr;
  Table16 table16 = Table16::kNone;

  // Constant folding: by position, by numbers, or by a function of its own. `outputs` have shape and type.
  std::optional<std::vector<int64_t>> (*source)(const graph::RuleContext&, size_t slot,
                                                const graph::Shape& output) = nullptr;
  Binary binary = {};
  Line (*with_constant)(double c) = nullptr;      // x op c, of two operands
  bool commutes = false;                          // c op x is the same
  int64_t (*integer_formula)(int64_t) = nullptr;  // of one variable, on integers
  bool (*evaluate)(const graph::RuleContext&, const Inputs&, std::vector<graph::Tensor>& outputs) = nullptr;
  // Inputs from here on matter by shape and type only.
  size_t values_read = std::numeric_limits<size_t>::max();

  // Lowering; `relu` is the node whose work a weighted operator takes over, or null.
  void (*lower)(espdl::Builder&, const graph::Node&) = nullptr;
  void (*lower_with_relu)(espdl::Builder&, const graph::Node&, const graph::Node* relu) = nullptr;
  const char* becomes = nullptr;  // operator of the file, where the name differs

  // Nodes that do the same as this one and that the chip has, the last one with its output; empty where it
  // can stay as it is. Constants and variables of theirs go into the graph (replacement.h).
  std::vector<graph::Node> (*rewrite)(graph::Graph& graph, const graph::Node& node) = nullptr;

  Support support = {};
  // Why the chip can't do this node, with what to do instead; empty when it can. Looks at shapes, attributes
  // and constants, not at formats.
  std::string (*refuse)(const Situation&) = nullptr;
  const char* note = "";  // restriction of a supported operator, or the nearest rewrite of one that isn't

  bool on_chip() const { return lower != nullptr || lower_with_relu != nullptr; }
};

// The row; null for a name that nobody knows.
const Operator* find(const std::string& op);
// All rows by name.
const std::vector<const Operator*>& all();

// False for unknown names.
bool has_role(const std::string& op, Role role);
// Filters [O, I / group, k...] slide over the input: channels of both are the first axes of the filters.
bool is_convolution(const graph::Node& node);
// Output integers are input 0's: they share a format.
inline bool is_copy(const std::string& op) {
  return has_role(op, Role::kCopy);
}
// Wants all its inputs in the output's format.
inline bool is_join(const std::string& op) {
  return has_role(op, Role::kSum) || has_role(op, Role::kConcat);
}
inline bool is_table(const std::string& op) {
  return has_role(op, Role::kTable);
}
// The result is float, whatever comes in.
inline bool is_float_result(const std::string& op) {
  return has_role(op, Role::kFloatResult);
}
// Sums of products with constant filters: a weighted operator, or a matrix product with a constant.
bool is_weighted(const graph::Graph& graph, const graph::Node& node);

// What input `index` of the node (not an absent one) is; integers are kPlain.
Operand operand(const graph::Graph& graph, const graph::Node& node, size_t index);
// A float constant that needs integers beside integer data and is neither filter nor bias.
bool is_quantized_constant(const graph::Graph& graph, const graph::Node& node, size_t index);

// The node is y = f(x) of one variable: whatever else it reads is one constant number each.
bool is_function(const graph::Graph& graph, const graph::Node& node);
// The node is one table lookup per element at this width. A node that carries scales (activation.h) always
// is, because nothing but the table knows them.
bool is_written_as_table(const graph::Graph& graph, const graph::Node& node, int bits);
// transform/rescale.h may give the node a scale and an offset at this width.
bool takes_scale(const graph::Graph& graph, const graph::Node& node, int bits);

// Where a weighted node's filters lie in its constant: tap k of output n, both counted from 0.
struct FilterLayout {
  int64_t outputs = 1;  // of all groups
  int64_t taps = 1;     // of one output
  int64_t inputs = 1;   // channels that one output reads; the taps are theirs, one channel after the other
  size_t index(int64_t output, int64_t tap) const {
    return static_cast<size_t>(output / inner * group_step + output % inner * output_step +
                               tap / kernel * channel_step + tap % kernel);
  }
  int64_t inner = 1, group_step = 1, output_step = 1;  // outputs of a group, and their distances
  int64_t kernel = 1, channel_step = 1;                // elements side by side, and the next ones' distance
};
FilterLayout filter_layout(const graph::Node& node, const graph::Shape& filters);
// Axis of the filters along which per-channel exponents count.
int64_t output_channel_axis(const graph::Node& node);

// The operators that the file has for this one at 8 or 16 bits.
std::string runtime_operator(const Operator& row, int bits);

// The families.
std::vector<Operator> activation_rows();
std::vector<Operator> arithmetic_rows();
std::vector<Operator> mover_rows();
std::vector<Operator> join_rows();
std::vector<Operator> weighted_rows();
std::vector<Operator> window_rows();
std::vector<Operator> reduction_rows();
std::vector<Operator> host_rows();

}  // namespace shrike::operators
