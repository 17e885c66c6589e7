// A valid 8-bit graph whose every decision comes from the fuzzer's bytes.
#pragma once
#include "tests/fuzz/byte_source.h"
#include "tests/runtime/model_file.h"

namespace shrike::fuzz {

class RandomGraph {
 public:
  RandomGraph(ByteSource& source, Target target) : source_(source), target_(target) {
    add_input({1, source_.between(1, 12), source_.between(1, 20), source_.between(1, 40)});
    if (source_.flag()) add_input(variables_[0].dims);
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

  void add_input(const Dims& dims) {
    variables_.push_back(
        {"input" + std::to_string(variables_.size()), dims, DataType::kInt8, source_.between(-8, -4)});
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

  // A variable of the shape of `like`: itself when there is no other.
  tests::Value partner(const tests::Value& like) {
    std::vector<tests::Value> fitting;
    for (const tests::Value& value : variables_) {
      if (value.dims == like.dims) fitting.push_back(value);
    }
    return fitting[static_cast<size_t>(source_.between(0, static_cast<int>(fitting.size()) - 1))];
  }

  void add(const std::string& op, const std::vector<std::string>& inputs, const Dims& dims, int64_t exponent,
           std::map<std::string, tests::AttributeValue> attributes = {}) {
    attributes["quant_type"] = std::string("S8");
    const std::string name = op + std::to_string(file_.nodes.size());
    variables_.push_back({name, dims, DataType::kInt8, exponent});
    file_.nodes.push_back({name, op, inputs, {name}, attributes});
  }

  void add_node() {
    const tests::Value input =
        variables_[static_cast<size_t>(source_.between(0, static_cast<int>(variables_.size()) - 1))];
    switch (source_.between(0, 10)) {
      case 0:
      case 1:
        return add_convolution(input, false);
      case 2:
        return add_convolution(input, true);
      case 3:
        return add("Add", {input.name, partner(input).name}, input.dims, input.exponent);
      case 4: {
        const tests::Value other = partner(input);
        return add("Mul", {input.name, other.name}, input.dims,
                   input.exponent + other.exponent + source_.between(0, 9));
      }
      case 5:
        return add_pool(input, source_.flag() ? "MaxPool" : "AveragePool");
      case 6:
        return add("RequantizeLinear", {input.name}, input.dims, source_.between(-12, 0));
      case 7: {
        const std::string table = constant({256}, DataType::kInt8, -4, bytes_of(source_.int8s(256)));
        return add("LUT", {input.name}, input.dims, -4, {{"lut", table}});
      }
      case 8:
        return add_concat(input);
      case 9:
        return add_resize(input);
      default: {
        const char* const kFunctions[] = {"Relu", "Sigmoid", "Swish", "HardSwish", "Tanh"};
        const std::string function = kFunctions[source_.between(0, 4)];
        return add(function, {input.name}, input.dims,
                   function == "Relu" ? input.exponent : source_.between(-8, -4));
      }
    }
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
    const size_t weights = static_cast<size_t>(kernel_h * kernel_w * channels * filter[3]);
    const int64_t weight_exponent = source_.between(-10, -2);
    std::vector<std::string> inputs = {
        input.name, constant(filter, DataType::kInt8, weight_exponent, bytes_of(source_.int8s(weights)))};
    if (source_.flag()) {
      std::vector<int32_t> bias;
      const int scale = source_.between(0, 24);
      for (const int8_t value : source_.int8s(static_cast<size_t>(outputs)))
        bias.push_back(value * (1 << scale));
      inputs.push_back(
          constant({outputs}, DataType::kInt32, input.exponent + weight_exponent, bytes_of(bias)));
    }
    // Left shifts exist on esp32 only (spec/numerics.md 3.1).
    const int lowest = target_ == Target::kEsp32 ? -3 : 0;
    add("Conv", inputs, {1, out_h, out_w, outputs},
        input.exponent + weight_exponent + source_.between(lowest, 34),
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
    add(op, {input.name}, {1, out_h, out_w, input.dims[3]}, input.exponent,
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
    add("Concat", {input.name, other.name}, dims, input.exponent, {{"axis", axis}});
  }

  void add_resize(const tests::Value& input) {
    const int64_t up_h = source_.between(1, 2), up_w = source_.between(1, 2);
    const Dims dims = {1, input.dims[1] * up_h, input.dims[2] * up_w, input.dims[3]};
    if (dims[1] * dims[2] * dims[3] > 20000) return;
    const std::string scales =
        constant({4}, DataType::kFloat32, 0,
                 bytes_of(std::vector<float>{1, 1, static_cast<float>(up_h), static_cast<float>(up_w)}));
    const bool linear = source_.flag();
    add("Resize", {input.name, "", scales}, dims, input.exponent + source_.between(-2, 2),
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
