#include "toolchain/import/tflite/model.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "toolchain/import/text.h"
#include "toolchain/support/model_limits.h"

namespace shrike::graph::tflite {
namespace {

constexpr size_t kMostAxes = 6;
constexpr size_t kMostEnds = 1000;  // inputs or outputs of the graph

std::vector<int32_t> indices(const FlatVector& vector) {
  std::vector<int32_t> result;
  for (uint32_t i = 0; i < vector.size(); ++i) result.push_back(vector.at<int32_t>(i));
  return result;
}

class Reader {
 public:
  explicit Reader(const ByteReader& file) : file_(file) {}

  Model run() {
    const FlatTable root(&file_, file_.number<uint32_t>(0));
    if (root.scalar<uint32_t>(0, 0) != 3)
      fail("{}: TensorFlow Lite of version 3 was expected, found {}", file_.where(),
           root.scalar<uint32_t>(0, 0));
    buffers_ = root.vector(4, 4);
    const FlatVector subgraphs = root.vector(2, 4);
    if (subgraphs.size() != 1) {
      fail("{}: one graph was expected, found {}; export the model without control flow", file_.where(),
           subgraphs.size());
    }
    const FlatTable graph = subgraphs.table(0);
    read_tensors(graph.vector(0, 4));
    model_.inputs = indices(graph.vector(1, 4));
    model_.outputs = indices(graph.vector(2, 4));
    read_operators(graph.vector(3, 4), root.vector(1, 4));
    check_order();
    return std::move(model_);
  }

 private:
  void read_tensors(const FlatVector& tensors) {
    if (tensors.size() > model_limits::kNodes) file_.damaged("{} tensors are not sensible", tensors.size());
    for (uint32_t i = 0; i < tensors.size(); ++i) {
      const FlatTable table = tensors.table(i);
      Tensor tensor;
      const FlatVector shape = table.vector(0, 4);
      if (shape.size() > kMostAxes)
        fail("{}: tensor {} has {} axes, at most 6 were expected", file_.where(), i, shape.size());
      int64_t count = 1;
      for (uint32_t k = 0; k < shape.size(); ++k) {
        const int64_t size = shape.at<int32_t>(k);
        if (size < 0 || (count *= std::max<int64_t>(size, 0)) > model_limits::kElements)
          file_.damaged("tensor {} has a size of {}", i, size);
        tensor.shape.push_back(size);
      }
      tensor.type = static_cast<ElementCode>(table.scalar<int8_t>(1, 0));
      tensor.keeps_state = table.scalar<uint8_t>(5, 0) != 0;
      if (table.has(6)) fail("{}: tensor {} is sparse, which is not supported", file_.where(), i);
      read_quantization(table.table(4), tensor, i);
      read_data(table.scalar<uint32_t>(2, 0), count, tensor, i);
      model_.tensors.push_back(std::move(tensor));
    }
  }

  void read_quantization(const FlatTable& table, Tensor& tensor, uint32_t index) const {
    if (!table.exists()) return;
    if (table.scalar<uint8_t>(4, 0) != 0)
      fail("{}: tensor {} has a custom quantisation", file_.where(), index);
    const FlatVector scale = table.vector(2, 4), zero = table.vector(3, 8);
    tensor.axis = table.scalar<int32_t>(6, 0);
    if (scale.size() == 0) return;
    const auto count = static_cast<int64_t>(scale.size());
    // Converters leave the filters' axis on biases, which have one axis only.
    if (tensor.shape.size() == 1) tensor.axis = 0;
    const bool fits =
        count == 1 || (tensor.axis >= 0 && tensor.axis < static_cast<int64_t>(tensor.shape.size()) &&
                       tensor.shape[static_cast<size_t>(tensor.axis)] == count);
    if (!fits) file_.damaged("tensor {} has {} scales, which do not fit its shape", index, scale.size());
    for (uint32_t i = 0; i < scale.size(); ++i) {
      tensor.scale.push_back(scale.at<float>(i));
      if (!std::isfinite(tensor.scale.back()) || tensor.scale.back() < 0)
        file_.damaged("tensor {} has a scale of {}", index, tensor.scale.back());
      tensor.zero_point.push_back(zero.size() == scale.size() ? zero.at<int64_t>(i) : 0);
      if (std::abs(static_cast<double>(tensor.zero_point.back())) > 65536)
        file_.damaged("tensor {} has a zero point of {}", index, tensor.zero_point.back());
    }
  }

  // A tensor is constant when its buffer holds something.
  void read_data(uint32_t buffer, int64_t count, Tensor& tensor, uint32_t index) const {
    if (buffer == 0) return;
    if (buffer >= buffers_.size())
      file_.damaged("tensor {} names buffer {} of {}", index, buffer, buffers_.size());
    const FlatTable table = buffers_.table(buffer);
    tensor.data = table.vector(0, 1).bytes(1);
    if (const auto offset = table.scalar<uint64_t>(1, 0); offset > 1)
      tensor.data = file_.text(offset, table.scalar<uint64_t>(2, 0));
    if (tensor.data.empty()) return;
    tensor.constant = true;
    const uint64_t size = element_bytes(tensor.type, index) * static_cast<uint64_t>(count);
    if (tensor.data.size() != size)
      file_.damaged("tensor {} holds {} bytes, its shape asks for {}", index, tensor.data.size(), size);
  }

  uint64_t element_bytes(ElementCode type, uint32_t index) const {
    switch (type) {
      case ElementCode::kI64:
        return 8;
      case ElementCode::kF32:
      case ElementCode::kI32:
        return 4;
      case ElementCode::kF16:
      case ElementCode::kI16:
        return 2;
      case ElementCode::kU8:
      case ElementCode::kI8:
      case ElementCode::kBool:
        return 1;
    }
    fail("{}: tensor {} has elements of type {}, floats or integers of 8 to 64 bits were expected",
         file_.where(), index, static_cast<int>(type));
  }

  void read_operators(const FlatVector& operators, const FlatVector& codes) {
    if (operators.size() > model_limits::kNodes)
      file_.damaged("{} operators are not sensible", operators.size());
    for (uint32_t i = 0; i < operators.size(); ++i) {
      const FlatTable table = operators.table(i);
      const auto code_index = table.scalar<uint32_t>(0, 0);
      if (code_index >= codes.size())
        file_.damaged("operator {} is of kind {} of {}", i, code_index, codes.size());
      const FlatTable code = codes.table(code_index);
      Operator op;
      op.code = std::max<int32_t>(code.scalar<int8_t>(0, 0), code.scalar<int32_t>(3, 0));
      if (op.code == kCustom) op.custom = code.vector(1, 1).bytes(1);
      op.inputs = indices(table.vector(1, 4));
      op.outputs = indices(table.vector(2, 4));
      op.options = table.table(4);
      if (op.inputs.empty() || op.outputs.empty())
        file_.damaged("operator {} ({}) lacks inputs or outputs", i, operator_name(op.code));
      model_.operators.push_back(std::move(op));
    }
  }

  // Constants and inputs are there from the beginning; everything else is made once, before it is read.
  void check_order() const {
    const auto count = static_cast<int32_t>(model_.tensors.size());
    std::vector<bool> ready;
    for (const Tensor& tensor : model_.tensors) ready.push_back(tensor.constant);
    const auto check_index = [&](int32_t index, const std::string& who) {
      if (index < 0 || index >= count) file_.damaged("{} names tensor {} of {}", who, index, count);
      return static_cast<size_t>(index);
    };
    for (const int32_t input : model_.inputs) {
      const size_t index = check_index(input, "the list of inputs");
      if (ready[index]) file_.damaged("tensor {} is an input twice, or constant", input);
      ready[index] = true;
    }
    for (size_t i = 0; i < model_.operators.size(); ++i) {
      const Operator& op = model_.operators[i];
      const std::string who = fmt::format("operator {} ({})", i, name_of(op));
      for (const int32_t input : op.inputs) {
        if (input == -1 || ready[check_index(input, who)]) continue;
        if (model_.tensors[static_cast<size_t>(input)].keeps_state) {
          fail(
              "{}: {} keeps a state from run to run, which is not supported; give the float model as .onnx, "
              "its state "
              "an input and an output",
              file_.where(), who);
        }
        if (op.code == kCustom)
          fail("{}: {} is not supported; give the float model as .onnx or .pt", file_.where(), who);
        file_.damaged("{} reads tensor {} before it is made", who, input);
      }
      for (const int32_t output : op.outputs) {
        const size_t index = check_index(output, who);
        if (ready[index]) file_.damaged("{} makes tensor {} again", who, output);
        ready[index] = true;
      }
    }
    if (std::max(model_.inputs.size(), model_.outputs.size()) > kMostEnds)
      file_.damaged("{} inputs and {} outputs are not sensible", model_.inputs.size(), model_.outputs.size());
    if (model_.inputs.empty() || model_.outputs.empty())
      file_.damaged("the graph has no inputs or no outputs");
    for (const int32_t output : model_.outputs) {
      if (!ready[check_index(output, "the list of outputs")])
        file_.damaged("output {} is made by no operator", output);
    }
  }

  const ByteReader& file_;
  FlatVector buffers_;
  Model model_;
};

}  // namespace

Model read_model(const ByteReader& file) {
  return Reader(file).run();
}

std::string name_of(const Operator& op) {
  const bool told = !op.custom.empty() && is_printable(op.custom);
  return told ? fmt::format("{} '{}'", operator_name(op.code), op.custom) : operator_name(op.code);
}

std::string operator_name(int32_t code) {
  static const std::map<int32_t, const char*> names = {{0, "ADD"},
                                                       {1, "AVERAGE_POOL_2D"},
                                                       {2, "CONCATENATION"},
                                                       {3, "CONV_2D"},
                                                       {4, "DEPTHWISE_CONV_2D"},
                                                       {5, "DEPTH_TO_SPACE"},
                                                       {6, "DEQUANTIZE"},
                                                       {7, "EMBEDDING_LOOKUP"},
                                                       {8, "FLOOR"},
                                                       {9, "FULLY_CONNECTED"},
                                                       {11, "L2_NORMALIZATION"},
                                                       {12, "L2_POOL_2D"},
                                                       {13, "LOCAL_RESPONSE_NORMALIZATION"},
                                                       {14, "LOGISTIC"},
                                                       {16, "LSTM"},
                                                       {17, "MAX_POOL_2D"},
                                                       {18, "MUL"},
                                                       {19, "RELU"},
                                                       {20, "RELU_N1_TO_1"},
                                                       {21, "RELU6"},
                                                       {22, "RESHAPE"},
                                                       {23, "RESIZE_BILINEAR"},
                                                       {24, "RNN"},
                                                       {25, "SOFTMAX"},
                                                       {26, "SPACE_TO_DEPTH"},
                                                       {27, "SVDF"},
                                                       {28, "TANH"},
                                                       {32, "CUSTOM"},
                                                       {34, "PAD"},
                                                       {35, "UNIDIRECTIONAL_SEQUENCE_RNN"},
                                                       {36, "GATHER"},
                                                       {37, "BATCH_TO_SPACE_ND"},
                                                       {38, "SPACE_TO_BATCH_ND"},
                                                       {39, "TRANSPOSE"},
                                                       {40, "MEAN"},
                                                       {41, "SUB"},
                                                       {42, "DIV"},
                                                       {43, "SQUEEZE"},
                                                       {44, "UNIDIRECTIONAL_SEQUENCE_LSTM"},
                                                       {45, "STRIDED_SLICE"},
                                                       {46, "BIDIRECTIONAL_SEQUENCE_RNN"},
                                                       {47, "EXP"},
                                                       {48, "TOPK_V2"},
                                                       {49, "SPLIT"},
                                                       {50, "LOG_SOFTMAX"},
                                                       {52, "BIDIRECTIONAL_SEQUENCE_LSTM"},
                                                       {53, "CAST"},
                                                       {54, "PRELU"},
                                                       {55, "MAXIMUM"},
                                                       {56, "ARG_MAX"},
                                                       {57, "MINIMUM"},
                                                       {58, "LESS"},
                                                       {59, "NEG"},
                                                       {60, "PADV2"},
                                                       {61, "GREATER"},
                                                       {62, "GREATER_EQUAL"},
                                                       {63, "LESS_EQUAL"},
                                                       {64, "SELECT"},
                                                       {65, "SLICE"},
                                                       {66, "SIN"},
                                                       {67, "TRANSPOSE_CONV"},
                                                       {69, "TILE"},
                                                       {70, "EXPAND_DIMS"},
                                                       {71, "EQUAL"},
                                                       {72, "NOT_EQUAL"},
                                                       {73, "LOG"},
                                                       {74, "SUM"},
                                                       {75, "SQRT"},
                                                       {76, "RSQRT"},
                                                       {77, "SHAPE"},
                                                       {78, "POW"},
                                                       {79, "ARG_MIN"},
                                                       {80, "FAKE_QUANT"},
                                                       {81, "REDUCE_PROD"},
                                                       {82, "REDUCE_MAX"},
                                                       {83, "PACK"},
                                                       {84, "LOGICAL_OR"},
                                                       {85, "ONE_HOT"},
                                                       {86, "LOGICAL_AND"},
                                                       {87, "LOGICAL_NOT"},
                                                       {88, "UNPACK"},
                                                       {89, "REDUCE_MIN"},
                                                       {90, "FLOOR_DIV"},
                                                       {92, "SQUARE"},
                                                       {94, "FILL"},
                                                       {95, "FLOOR_MOD"},
                                                       {96, "RANGE"},
                                                       {97, "RESIZE_NEAREST_NEIGHBOR"},
                                                       {98, "LEAKY_RELU"},
                                                       {99, "SQUARED_DIFFERENCE"},
                                                       {100, "MIRROR_PAD"},
                                                       {101, "ABS"},
                                                       {102, "SPLIT_V"},
                                                       {104, "CEIL"},
                                                       {105, "REVERSE_V2"},
                                                       {106, "ADD_N"},
                                                       {107, "GATHER_ND"},
                                                       {108, "COS"},
                                                       {109, "WHERE"},
                                                       {111, "ELU"},
                                                       {114, "QUANTIZE"},
                                                       {116, "ROUND"},
                                                       {117, "HARD_SWISH"},
                                                       {118, "IF"},
                                                       {119, "WHILE"},
                                                       {120, "NON_MAX_SUPPRESSION_V4"},
                                                       {121, "NON_MAX_SUPPRESSION_V5"},
                                                       {122, "SCATTER_ND"},
                                                       {123, "SELECT_V2"},
                                                       {126, "BATCH_MATMUL"},
                                                       {128, "CUMSUM"},
                                                       {129, "CALL_ONCE"},
                                                       {130, "BROADCAST_TO"},
                                                       {131, "RFFT2D"},
                                                       {132, "CONV_3D"},
                                                       {142, "VAR_HANDLE"},
                                                       {143, "READ_VARIABLE"},
                                                       {144, "ASSIGN_VARIABLE"},
                                                       {150, "GELU"},
                                                       {152, "RELU_0_TO_1"},
                                                       {158, "SIGN"}};
  const auto found = names.find(code);
  return found == names.end() ? fmt::format("operator {}", code) : found->second;
}

}  // namespace shrike::graph::tflite
