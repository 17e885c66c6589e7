#include "toolchain/import/onnx/arity.h"

#include <map>

#include "toolchain/operators/operator.h"

namespace shrike::graph {

Arity input_arity(const std::string& op) {
  static const std::map<std::string, Arity> table = [] {
    std::map<std::string, Arity> arities = {
        {"BatchNormalization", {5, 5}},
        {"Clip", {1, 3}},
        {"Conv", {2, 3}},
        {"ConvTranspose", {2, 3}},
        {"DequantizeLinear", {2, 3}},
        {"Dropout", {1, 3}},
        {"GRU", {3, 6}},
        {"Gemm", {2, 3}},
        {"GroupNormalization", {3, 3}},
        {"InstanceNormalization", {3, 3}},
        {"LSTM", {3, 8}},
        {"LayerNormalization", {2, 3}},
        {"Pad", {1, 4}},
        {"QuantizeLinear", {2, 3}},
        {"Range", {3, 3}},
        {"Resize", {1, 4}},
        {"RNN", {3, 6}},
        {"ScatterND", {3, 3}},
        {"Slice", {1, 5}},
        {"Split", {1, 2}},
        {"Squeeze", {1, 2}},
        {"TopK", {1, 2}},
        {"Unsqueeze", {1, 2}},
        {"Upsample", {1, 2}},
        {"Where", {3, 3}},
    };
    for (const char* unary :
         {"ArgMax", "ArgMin", "AveragePool", "Cast", "ConstantOfShape", "DepthToSpace", "Flatten",
          "GlobalAveragePool", "GlobalMaxPool", "Identity", "LogSoftmax", "LpNormalization", "MaxPool", "Neg",
          "Not", "Shape", "Softmax", "SpaceToDepth", "Transpose"}) {
      arities[unary] = {1, 1};
    }
    for (const char* binary : {"Add",
                               "And",
                               "CastLike",
                               "CumSum",
                               "Div",
                               "Equal",
                               "Expand",
                               "Gather",
                               "GatherElements",
                               "Greater",
                               "GreaterOrEqual",
                               "Less",
                               "LessOrEqual",
                               "MatMul",
                               "Mod",
                               "Mul",
                               "Or",
                               "PRelu",
                               "Pow",
                               "RMSNormalization",
                               "Reshape",
                               "ReverseSequence",
                               "Sub",
                               "Tile",
                               "Xor"}) {
      arities[binary] = {2, 2};
    }
    for (const char* reduction :
         {"L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"}) {
      arities[std::string("Reduce") + reduction] = {1, 2};
    }
    return arities;
  }();
  if (const auto found = table.find(op); found != table.end()) return found->second;
  const operators::Operator* row = operators::find(op);
  const bool is_unary = row != nullptr && row->role == operators::Role::kTable && row->operands.size() == 1;
  return is_unary ? Arity{1, 1} : Arity{};
}

}  // namespace shrike::graph
