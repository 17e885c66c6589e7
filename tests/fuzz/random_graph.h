// A valid graph of 8- and 16-bit tensors whose every decision comes from the fuzzer's bytes.
#pragma once
#include "tests/fuzz/byte_source.h"
#include "tests/runtime/model_file.h"

namespace shrike::fuzz {

class RandomGraph {
 public:
  RandomGraph(ByteSource& source, Target target) : source_(source), target_(target) {
    const DataType type = any_type();
    add_input({1, source_.between(1, 12), source_.between(1, 20), source_.between(1, 40)}, type);
    if (source_.flag()) add_input(variables_[0].dims, type);
    const int nodes = source_.between(1, 6);
    for (int i = 0; i < nodes; ++i) add_node();
    // Every result that nobody reads, and some that somebody reads.
    for (const tests::FileNode& node : file_.nodes) {
      const tests::Value& value = named(node.outputs[0]);
      if (!read(value.name) || source_.between(0, 3) == 0) file_.outputs.push_back(value);
      file_.values.push_back(value);
    }
  }

  std::vector<uint8_t> bytes() const { return file_.bytes(); }

 private:
  using Dims = std::vector<int64_t>;

  const tests::Value& named(const std::string& name) const {
    for (const tests::Value& value : variables_) {
      if (value.name == name) return value;
    }
    std::abort();
  }

  bool read(const std::string& name) const {
    for (const tests::FileNode& node : file_.nodes) {
      for (const std::string& input : node.inputs) {
        if (input == name) return true;
      }
    }
    return false;
  }

  // A quarter of the graphs begins at 16 bits; RequantizeLinear leads from one type to the other.
  DataType any_type() { return source_.between(0, 3) == 3 ? DataType::kInt16 : DataType::kInt8; }

  void add_input(const Dims& dims, DataType type) {
    const int lowest = type == DataType::kInt16 ? -14 : -8;
    variables_.push_back(
        {"input" + std::to_string(variables_.size()), dims, type, source_.between(lowest, lowest + 4)});
    file_.inputs.push_back(variables_.back());
  }

  std::string constant(const Dims& dims, DataType type, int64_t exponent, std::vector<uint8_t> bytes) {
    const std::string name = "constant" + std::to_string(file_.initializers.size());
    file_.initializers.push_back({{name, dims, type, exponent}, std::move(bytes)});
    return name;
  }

  template <typename T>
  static std::vector<uint8_t> bytes_of(const std::vector<T>& values) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(values.data());
    return {bytes, bytes + values.size() * sizeof(T)};
  }

  // Weights of the type that the input's type asks for.
  std::string weights(const Dims& dims, DataType type, int64_t exponent) {
    size_t count = 1;
    for (const int64_t length : dims) count *= static_cast<size_t>(length);
    return constant(
        dims, type, exponent,
        type == DataType::kInt16 ? bytes_of(source_.int16s(count)) : bytes_of(source_.int8s(count)));
  }

  std::string bias(int64_t outputs, DataType type, int64_t exponent) {
    const std::vector<int8_t> drawn = source_.int8s(static_cast<size_t>(outputs));
    if (type == DataType::kInt16) {
      const int scale = source_.between(0, 40);
      std::vector<int64_t> values;
      for (const int8_t value : drawn) values.push_back(value * (int64_t{1} << scale));
      return constant({outputs}, DataType::kInt64, exponent, bytes_of(values));
    }
    const int scale = source_.between(0, 24);
    std::vector<int32_t> values;
    for (const int8_t value : drawn) values.push_back(value * (1 << scale));
    return constant({outputs}, DataType::kInt32, exponent, bytes_of(values));
  }

  // Exponent of a sum's result. Left shifts exist on esp32 only (spec/numerics.md 3.6).
  int64_t behind_sum(const tests::Value& input, int64_t weight_exponent) {
    const int lowest = target_ == Target::kEsp32 ? -3 : 0;
    return input.exponent + weight_exponent + source_.between(lowest, 34);
  }

  // A variable of the shape and type of `like`: itself when there is no other.
  tests::Value partner(const tests::Value& like) {
    std::vector<tests::Value> fitting;
    for (const tests::Value& value : variables_) {
      if (value.dims == like.dims && value.type == like.type) fitting.push_back(value);
    }
    return fitting[static_cast<size_t>(source_.between(0, static_cast<int>(fitting.size()) - 1))];
  }

  // `output`: shape, type and exponent. Leaves the node out when the exponent is one that files can't have.
  void add(const std::string& op, const std::vector<std::string>& inputs, const tests::Value& output,
           std::map<std::string, tests::AttributeValue> attributes = {}) {
    if (output.exponent < -60 || output.exponent > 60) return;
    attributes["quant_type"] = std::string(output.type == DataType::kInt16 ? "S16" : "S8");
    const std::string name = op + std::to_string(file_.nodes.size());
    variables_.push_back({name, output.dims, output.type, output.exponent});
    file_.nodes.push_back({name, op, inputs, {name}, attributes});
  }

  void add_node() {
    const tests::Value input =
        variables_[static_cast<size_t>(source_.between(0, static_cast<int>(variables_.size()) - 1))];
    const bool wide = input.type == DataType::kInt16;
    switch (source_.between(0, 13)) {
      case 0:
      case 1:
        return add_convolution(input, false);
      case 2:
        return add_convolution(input, true);
      case 3:
        return add("Add", {input.name, partner(input).name}, input);
      case 4: {
        const tests::Value other = partner(input);
        return add("Mul", {input.name, other.name},
                   like(input, input.exponent + other.exponent + source_.between(0, wide ? 18 : 9)));
      }
      case 5:
        return add_pool(input, source_.flag() ? "MaxPool" : "AveragePool");
      case 6:
        return add("RequantizeLinear", {input.name},
                   {"", input.dims, any_type(), source_.between(wide ? -20 : -12, 0)});
      case 7:
        if (!wide) return add_table(input);
        break;
      case 8:
        return add_concat(input);
      case 9:
        if (!wide) return add_resize(input);  // 16 bits are left out on the chip (spec/numerics.md 12)
        break;
      case 10:
        return add_gemm(input);
      case 11:
        return add_matmul(input);
      default: {
        const char* const kFunctions[] = {"Relu", "Sigmoid", "Swish", "HardSwish", "Tanh"};
        const std::string function = kFunctions[source_.between(0, 4)];
        const int lowest = wide ? -15 : -8;
        return add(function, {input.name},
                   like(input, function == "Relu" ? static_cast<int>(input.exponent)
                                                  : source_.between(lowest, lowest + 4)));
      }
    }
  }

  static tests::Value like(tests::Value value, int64_t exponent) {
    value.exponent = exponent;
    return value;
  }

  void add_table(const tests::Value& input) {
    const std::string table = constant({256}, DataType::kInt8, -4, bytes_of(source_.int8s(256)));
    add("LUT", {input.name}, like(input, -4), {{"lut", table}});
  }

  void add_gemm(const tests::Value& input) {
    const int64_t outputs = source_.between(1, 50), exponent = source_.between(-10, -2);
    std::vector<std::string> inputs = {input.name,
                                       weights({1, 1, input.dims[3], outputs}, input.type, exponent)};
    if (source_.flag()) inputs.push_back(bias(outputs, input.type, input.exponent + exponent));
    Dims dims = input.dims;
    dims[3] = outputs;
    add("Gemm", inputs, {"", dims, input.type, behind_sum(input, exponent)},
        {{"activation", std::string(source_.flag() ? "Relu" : "Linear")}});
  }

  // The right operand is a constant matrix, or an input: one matrix or one per product.
  void add_matmul(const tests::Value& input) {
    const int64_t columns = source_.between(1, 50);
    Dims dims = input.dims;
    dims[3] = columns;
    const int kind = source_.between(0, 2);
    std::string right;
    int64_t exponent = source_.between(-10, -2);
    if (kind == 0) {
      right = weights({input.dims[3], columns}, input.type, exponent);
    } else {
      add_input({1, kind == 1 ? 1 : input.dims[1], input.dims[3], columns}, input.type);
      right = variables_.back().name;
      exponent = variables_.back().exponent;
    }
    add("MatMul", {input.name, right}, {"", dims, input.type, behind_sum(input, exponent)});
  }

  // Length of one axis behind a window; its pads are drawn too.
  int64_t behind_window(int64_t length, int64_t window, int64_t stride, int most, int64_t* begin,
                        int64_t* end) {
    *begin = source_.between(0, most);
    *end = source_.between(0, most);
    return length + *begin + *end < window ? 0 : (length + *begin + *end - window) / stride + 1;
  }

  void add_convolution(const tests::Value& input, bool depthwise) {
    const int64_t channels = input.dims[3], outputs = depthwise ? channels : source_.between(1, 50);
    const int64_t kernel_h = source_.between(1, 4), kernel_w = source_.between(1, 4);
    const int64_t stride_h = source_.between(1, 3), stride_w = source_.between(1, 3);
    const int64_t dilation_h = source_.between(1, 2), dilation_w = source_.between(1, 2);
    int64_t top, bottom, left, right;
    const int64_t out_h =
        behind_window(input.dims[1], dilation_h * (kernel_h - 1) + 1, stride_h, 3, &top, &bottom);
    const int64_t out_w =
        behind_window(input.dims[2], dilation_w * (kernel_w - 1) + 1, stride_w, 3, &left, &right);
    if (out_h < 1 || out_w < 1) return;
    const Dims filter = {kernel_h, kernel_w, channels, depthwise ? 1 : outputs};
    const int64_t exponent = source_.between(-10, -2);
    std::vector<std::string> inputs = {input.name, weights(filter, input.type, exponent)};
    if (source_.flag()) inputs.push_back(bias(outputs, input.type, input.exponent + exponent));
    add("Conv", inputs, {"", {1, out_h, out_w, outputs}, input.type, behind_sum(input, exponent)},
        {{"kernel_shape", Dims{kernel_h, kernel_w}},
         {"strides", Dims{stride_h, stride_w}},
         {"dilations", Dims{dilation_h, dilation_w}},
         {"pads", Dims{top, left, bottom, right}},
         {"group", depthwise ? channels : int64_t{1}},
         {"activation", std::string(source_.flag() ? "Relu" : "Linear")}});
  }

  void add_pool(const tests::Value& input, const char* op) {
    const int64_t kernel_h = source_.between(1, 5), kernel_w = source_.between(1, 5);
    const int64_t stride_h = source_.between(1, 3), stride_w = source_.between(1, 3);
    int64_t top, bottom, left, right;
    // A pad is shorter than the kernel.
    const int most = static_cast<int>(kernel_h < kernel_w ? kernel_h : kernel_w) - 1;
    const int64_t out_h = behind_window(input.dims[1], kernel_h, stride_h, most, &top, &bottom);
    const int64_t out_w = behind_window(input.dims[2], kernel_w, stride_w, most, &left, &right);
    if (out_h < 1 || out_w < 1) return;
    add(op, {input.name}, {"", {1, out_h, out_w, input.dims[3]}, input.type, input.exponent},
        {{"kernel_shape", Dims{kernel_h, kernel_w}},
         {"strides", Dims{stride_h, stride_w}},
         {"pads", Dims{top, left, bottom, right}}});
  }

  void add_concat(const tests::Value& input) {
    const tests::Value other = partner(input);
    if (other.exponent != input.exponent) return;
    const int64_t axis = source_.between(1, 3);
    Dims dims = input.dims;
    dims[static_cast<size_t>(axis)] *= 2;
    if (dims[1] * dims[2] * dims[3] > 20000) return;
    add("Concat", {input.name, other.name}, {"", dims, input.type, input.exponent}, {{"axis", axis}});
  }

  void add_resize(const tests::Value& input) {
    const int64_t up_h = source_.between(1, 2), up_w = source_.between(1, 2);
    const Dims dims = {1, input.dims[1] * up_h, input.dims[2] * up_w, input.dims[3]};
    if (dims[1] * dims[2] * dims[3] > 20000) return;
    const std::string scales =
        constant({4}, DataType::kFloat32, 0,
                 bytes_of(std::vector<float>{1, 1, static_cast<float>(up_h), static_cast<float>(up_w)}));
    const bool linear = source_.flag();
    add("Resize", {input.name, "", scales}, {"", dims, input.type, input.exponent + source_.between(-2, 2)},
        {{"mode", std::string(linear ? "linear" : "nearest")},
         {"coordinate_transformation_mode", std::string(linear ? "half_pixel" : "asymmetric")},
         {"nearest_mode", std::string("floor")}});
  }

  ByteSource& source_;
  Target target_;
  std::vector<tests::Value> variables_;
  tests::ModelFile file_;
};

}  // namespace shrike::fuzz
