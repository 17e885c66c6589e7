#include "tests/firmware/every_operator.h"

#include <cstring>
#include <random>

#include "ops/op.h"
#include "tests/runtime/one_node.h"
#include "toolchain/host/tensors.h"

namespace shrike::tests {
namespace {

using Dims = std::vector<int64_t>;

class Builder {
 public:
  Builder() {
    program_.graph_name = "every_operator";
    program_.target = Target::kEsp32p4;
  }

  void add(const std::string& op, const std::vector<Operand>& operands, AttributeMap attributes = {},
           const std::vector<OutputFormat>& outputs = {{DataType::kInt8, -4}}) {
    const std::string prefix = op + std::to_string(program_.nodes.size());
    attributes["quant_type"] = std::string(operands.at(0).type == DataType::kInt16 ? "S16" : "S8");
    espdl::StoredNode node{prefix, op, {}, {}, attributes};
    for (size_t i = 0; i < operands.size(); ++i) {
      const Operand& operand = operands[i];
      const std::string name = operand.type == DataType::kUndefined ? "" : prefix + "_in" + std::to_string(i);
      node.inputs.push_back(name);
      if (name.empty()) continue;
      const espdl::StoredTensor stored{name, operand.dims, operand.type, {operand.exponent}, operand.bytes,
                                       ""};
      if (operand.constant) {
        program_.initializers.push_back(stored);
      } else {
        program_.values.push_back({name, operand.dims, operand.type, operand.exponent, {}});
        program_.inputs.push_back(name);
        program_.test_inputs.push_back(stored);
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string name = prefix + "_out" + std::to_string(i);
      node.outputs.push_back(name);
      program_.values.push_back({name, {1}, outputs[i].type, outputs[i].exponent, {}});
      program_.outputs.push_back(name);
    }
    program_.nodes.push_back(node);
  }

  std::string add_table() {
    std::vector<int8_t> table(256);
    for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<int8_t>(127 - static_cast<int>(i) / 3);
    program_.initializers.push_back({"table", {256}, DataType::kInt8, {-4}, bytes_of(table), ""});
    return "table";
  }

  std::vector<uint8_t> file() {
    host::IntegerModel model =
        host::IntegerModel::from_bytes(espdl::serialize(program_), "every_operator.espdl", options());
    InspectableModel& runtime = model.model();
    for (int32_t i = 0; i < runtime.test_input_count(); ++i) {
      const TensorView from = runtime.test_input(i);
      std::memcpy(runtime.variable(host::to_string(from.name).c_str()).data, from.data, from.bytes);
    }
    model.run();
    for (int32_t i = 0; i < runtime.output_count(); ++i) {
      const TensorView output = runtime.output(i);
      const uint8_t* data = static_cast<const uint8_t*>(output.data);
      program_.test_outputs.push_back({host::to_string(output.name),
                                       {output.shape.dims, output.shape.dims + output.shape.rank},
                                       output.type,
                                       {output.exponent},
                                       {data, data + output.bytes},
                                       ""});
    }
    return espdl::serialize(program_);
  }

 private:
  static host::IntegerOptions options() {
    host::IntegerOptions options;
    options.target = "esp32p4";
    options.isa = "portable";
    options.threads = 1;
    return options;
  }

  espdl::Program program_;
};

class Random {
 public:
  Operand int8(const Dims& dims, int exponent = -4, int lowest = -128, int highest = 127) {
    std::vector<int8_t> values(size(dims));
    for (int8_t& value : values)
      value = static_cast<int8_t>(lowest +
                                  static_cast<int>(random_() % static_cast<unsigned>(highest - lowest + 1)));
    return int8s(dims, values, exponent);
  }
  Operand int16(const Dims& dims, int exponent) {
    std::vector<int16_t> values(size(dims));
    for (int16_t& value : values) value = static_cast<int16_t>(random_());
    return int16s(dims, values, exponent);
  }
  Operand bias(int64_t count, int exponent) {
    std::vector<int32_t> values(static_cast<size_t>(count));
    for (int32_t& value : values) value = static_cast<int32_t>(random_() % 4001) - 2000;
    return {{count}, DataType::kInt32, exponent, true, bytes_of(values)};
  }

 private:
  static size_t size(const Dims& dims) {
    size_t count = 1;
    for (const int64_t extent : dims) count *= static_cast<size_t>(extent);
    return count;
  }
  std::mt19937 random_{11};
};

const std::vector<OutputFormat> kSame = {{DataType::kInt8, -4}};
const std::vector<OutputFormat> kBool = {{DataType::kBool, 0}};
const std::vector<OutputFormat> kFloat = {{DataType::kFloat32, 0}};
const Dims kImage = {1, 9, 11, 20};

void add_convolutions(Builder& builder, Random& random) {
  const AttributeMap same = {{"pads", Dims{1, 1, 1, 1}}, {"strides", Dims{1, 1}}, {"dilations", Dims{1, 1}}};
  const auto grouped = [&](int64_t group, Dims strides, Dims dilations) {
    AttributeMap map = same;
    map["group"] = group;
    map["strides"] = std::move(strides);
    map["dilations"] = std::move(dilations);
    map["activation"] = std::string("Relu");
    return map;
  };
  const std::vector<OutputFormat> format = {{DataType::kInt8, -2}};
  // Blocks and remainder, strides, dilations, borders, depthwise.
  builder.add("Conv", {random.int8(kImage), constant(random.int8({3, 3, 20, 37}, -7)), random.bias(37, -11)},
              grouped(1, {2, 1}, {1, 1}), format);
  builder.add("Conv", {random.int8(kImage), constant(random.int8({3, 3, 20, 16}, -7)), random.bias(16, -11)},
              grouped(1, {1, 1}, {2, 2}), format);
  builder.add("Conv", {random.int8(kImage), constant(random.int8({1, 1, 20, 33}, -7))},
              {{"pads", Dims{0, 0, 0, 0}}, {"strides", Dims{1, 1}}, {"dilations", Dims{1, 1}}}, format);
  builder.add("Conv", {random.int8(kImage), constant(random.int8({3, 3, 20, 1}, -7)), random.bias(20, -11)},
              grouped(20, {1, 1}, {1, 1}), format);
  builder.add("Gemm", {random.int8({3, 40}), constant(random.int8({1, 1, 40, 35}, -7)), random.bias(35, -11)},
              {}, format);
  builder.add("MatMul", {random.int8({5, 24}), constant(random.int8({24, 18}, -7))}, {}, format);
  builder.add("MatMul", {random.int8({2, 5, 24}), random.int8({2, 24, 18}, -7)}, {}, format);
  builder.add("Conv", {random.int16({1, 5, 6, 12}, -12), constant(random.int16({3, 3, 12, 11}, -14))}, same,
              {{DataType::kInt16, -9}});
}

void add_functions(Builder& builder, Random& random) {
  for (const char* op : {"Elu", "Exp", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Relu", "Sigmoid",
                         "Sqrt", "Swish", "Tanh"}) {
    builder.add(op, {random.int8(kImage, -5)}, {}, {{DataType::kInt8, -5}});
    builder.add(op, {random.int16({3, 40}, -11)}, {}, {{DataType::kInt16, -11}});
  }
  builder.add("Neg", {random.int8(kImage)});
  builder.add("Clip", {random.int8(kImage), constant(int8s({1}, {-50}, -4)), constant(int8s({1}, {70}, -4))});
  const std::string table = builder.add_table();
  builder.add("LUT", {random.int8(kImage)}, {{"lut", table}});
  builder.add("Gelu", {random.int8(kImage)}, {{"lut", table}});
  builder.add("PRelu", {random.int8(kImage), constant(random.int8({1, 1, 1, 20}, -7))}, {}, kSame);
  builder.add("Softmax", {random.int8({4, 33})}, {}, kFloat);
  builder.add("LogSoftmax", {random.int8({4, 33})}, {}, kFloat);
  builder.add(
      "LayerNormalization",
      {random.int8({4, 32}), floats(std::vector<float>(32, 0.75f)), floats(std::vector<float>(32, -0.5f))},
      {}, {{DataType::kInt8, -5}});
  builder.add("RMSNormalization", {random.int8({4, 32}), floats(std::vector<float>(32, 1.25f))}, {},
              {{DataType::kInt8, -5}});
  builder.add("LpNormalization", {random.int8({4, 32})}, {}, {{DataType::kInt8, -7}});
  builder.add("QuantizeLinear", {Operand{{7},
                                         DataType::kFloat32,
                                         0,
                                         false,
                                         bytes_of(std::vector<float>{0, 1, -1, 0.5f, 3.14f, 100, -100})}});
  builder.add("DequantizeLinear", {random.int8(kImage)}, {}, kFloat);
  builder.add("RequantizeLinear", {random.int8(kImage, -5)});
}

void add_two_operands(Builder& builder, Random& random) {
  for (const char* op : {"Add", "Sub"}) {
    builder.add(op, {random.int8(kImage), random.int8(kImage)});
    builder.add(op, {random.int8(kImage), random.int8({1, 1, 1, 20}, -5)}, {}, kSame);
  }
  builder.add("Mul", {random.int8(kImage), random.int8({1, 9, 1, 20})}, {}, {{DataType::kInt8, -1}});
  builder.add("Div", {random.int8(kImage), random.int8(kImage, -4, 1, 127)});
  builder.add("Mod", {random.int8({5, 7}), random.int8({5, 7}, -4, 1, 127)});
  builder.add("Pow", {random.int8({5, 7}, -5), constant(int8s({1}, {2}, 0))}, {}, {{DataType::kInt8, -3}});
  for (const char* op : {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"})
    builder.add(op, {random.int8({6, 20}), random.int8({6, 20})}, {}, kBool);
}

void add_reductions(Builder& builder, Random& random) {
  for (const char* op : {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean",
                         "ReduceProd", "ReduceSum", "ReduceSumSquare"}) {
    builder.add(op, {random.int8({3, 5, 8}, -5, 1, 127), int64s({1})}, {}, {{DataType::kInt8, -2}});
  }
  for (const char* op : {"ReduceMax", "ReduceMin"}) builder.add(op, {random.int8({3, 5, 8}), int64s({1})});
  const AttributeMap pool = {
      {"kernel_shape", Dims{3, 2}}, {"strides", Dims{2, 1}}, {"pads", Dims{1, 0, 1, 1}}};
  builder.add("AveragePool", {random.int8(kImage)}, pool);
  builder.add("MaxPool", {random.int8(kImage)}, pool);
  builder.add("GlobalAveragePool", {random.int8(kImage)});
}

void add_movers(Builder& builder, Random& random) {
  builder.add("Concat", {random.int8({2, 3}), random.int8({2, 5})}, {{"axis", int64_t{1}}});
  builder.add("Split", {random.int8({2, 6}), int64s({2, 4})}, {{"axis", int64_t{1}}},
              {{DataType::kInt8, -4}, {DataType::kInt8, -4}});
  builder.add("Slice", {random.int8({4, 9}), int64s({1}), int64s({8}), int64s({1}), int64s({3})});
  builder.add("Gather", {random.int8({5, 4}), int64s({3, 0, -1})}, {{"axis", int64_t{0}}});
  builder.add("Transpose", {random.int8({2, 3, 4})}, {{"perm", Dims{2, 0, 1}}});
  builder.add("Reshape", {random.int8({2, 6}), int64s({3, -1})});
  builder.add("Flatten", {random.int8({2, 3, 2})});
  builder.add("Squeeze", {random.int8({1, 3, 2}), int64s({0})});
  builder.add("Unsqueeze", {random.int8({3, 2}), int64s({0})});
  builder.add("Identity", {random.int8({3, 2})});
  builder.add("Pad", {random.int8({3, 4}), int64s({1, 0, 0, 2})}, {{"mode", std::string("constant")}});
  builder.add("InsertZeros", {random.int8({1, 3, 4, 2})},
              {{"stride", Dims{2, 2}}, {"output_padding", Dims{1, 0}}});
  builder.add("DepthToSpace", {random.int8({1, 2, 3, 12})},
              {{"blocksize", int64_t{2}}, {"mode", std::string("DCR")}});
  builder.add("SpaceToDepth", {random.int8({1, 4, 6, 3})}, {{"blocksize", int64_t{2}}});
  builder.add("Resize", {random.int8({1, 3, 4, 20}), absent(), floats({1, 1, 2, 2})},
              {{"mode", std::string("nearest")},
               {"coordinate_transformation_mode", std::string("asymmetric")},
               {"nearest_mode", std::string("floor")}});
  builder.add(
      "Resize", {random.int8({1, 3, 4, 20}), absent(), floats({1, 1, 3, 2})},
      {{"mode", std::string("linear")}, {"coordinate_transformation_mode", std::string("half_pixel")}});
  builder.add("ReverseSequence", {random.int8({4, 3}), int64s({1, 3, 4})},
              {{"batch_axis", int64_t{1}}, {"time_axis", int64_t{0}}});
  builder.add("ScatterND",
              {random.int8({5, 4}),
               constant({{2, 1}, DataType::kInt64, 0, true, bytes_of(std::vector<int64_t>{1, 4})}),
               random.int8({2, 4})});
  builder.add("StreamingCache", {random.int8({1, 2, 3})},
              {{"window_size", int64_t{3}}, {"frame_axis", int64_t{1}}});
}

}  // namespace

std::set<std::string> registered_operators() {
  std::set<std::string> types;
  for (int32_t i = 0; i < kAllOperators.count; ++i) types.insert(kAllOperators.operators[i]->type);
  return types;
}

std::vector<uint8_t> every_operator_file() {
  Builder builder;
  Random random;
  add_convolutions(builder, random);
  add_functions(builder, random);
  add_two_operands(builder, random);
  add_reductions(builder, random);
  add_movers(builder, random);
  return builder.file();
}

}  // namespace shrike::tests
