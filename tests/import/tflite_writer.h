// TensorFlow Lite files for tests, written slot by slot (spec/importers.md section B2).
#pragma once
#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace shrike::tests {

struct Quantization {
  std::vector<float> scale;
  std::vector<int64_t> zero_point;
  int32_t axis = 0;
};

class TfliteWriter {
 public:
  enum Type : int8_t { kF32 = 0, kF16 = 1, kI32 = 2, kU8 = 3, kI8 = 9 };
  // A field of an operator's options: the slot, and a value of the field's size.
  using Field = std::pair<int, std::variant<int8_t, int32_t, float>>;

  // Returns the tensor's index. Without bytes it is a variable.
  int32_t tensor(const std::vector<int32_t>& shape, Type type = kF32, const std::string& bytes = "",
                 const Quantization& quantization = {}) {
    tensors_.push_back({shape, type, bytes, quantization});
    return static_cast<int32_t>(tensors_.size() - 1);
  }
  // A tensor that an operator keeps from run to run.
  int32_t state(const std::vector<int32_t>& shape) {
    const int32_t index = tensor(shape);
    tensors_.back().is_state = true;
    return index;
  }
  int32_t floats(const std::vector<int32_t>& shape, const std::vector<float>& values) {
    return tensor(shape, kF32, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }
  int32_t integers(const std::vector<int32_t>& values) {
    return tensor({static_cast<int32_t>(values.size())}, kI32,
                  {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(int32_t)});
  }

  // An operator with one result of the given shape; returns it.
  int32_t op(int32_t code, const std::vector<int32_t>& inputs, const std::vector<int32_t>& shape,
             const std::vector<Field>& options = {}) {
    const int32_t output = tensor(shape);
    op_into(code, inputs, {output}, options);
    return output;
  }
  void op_into(int32_t code, const std::vector<int32_t>& inputs, const std::vector<int32_t>& outputs,
               const std::vector<Field>& options = {}) {
    operators_.push_back({code, inputs, outputs, options});
  }

  std::string bytes(const std::vector<int32_t>& inputs, const std::vector<int32_t>& outputs) const {
    flatbuffers::FlatBufferBuilder b;
    b.ForceDefaults(true);
    using Offset = flatbuffers::Offset<void>;
    std::vector<Offset> codes, buffers, tensors, operators;
    buffers.push_back(table(b, {}));  // the empty one
    for (const Tensor& t : tensors_) {
      uint32_t buffer = 0;
      if (!t.bytes.empty()) {
        const auto data = b.CreateVector(reinterpret_cast<const uint8_t*>(t.bytes.data()), t.bytes.size());
        const auto start = b.StartTable();
        b.AddOffset(slot(0), data);
        buffers.emplace_back(b.EndTable(start));
        buffer = static_cast<uint32_t>(buffers.size() - 1);
      }
      const auto scale = b.CreateVector(t.quantization.scale);
      const auto zero = b.CreateVector(t.quantization.zero_point);
      auto start = b.StartTable();
      b.AddOffset(slot(2), scale);
      b.AddOffset(slot(3), zero);
      b.AddElement<int32_t>(slot(6), t.quantization.axis, -1);
      const flatbuffers::Offset<void> quantization(b.EndTable(start));
      const auto shape = b.CreateVector(t.shape);
      start = b.StartTable();
      b.AddOffset(slot(0), shape);
      b.AddElement<int8_t>(slot(1), t.type, 0);
      b.AddElement<uint32_t>(slot(2), buffer, 0);
      b.AddOffset(slot(4), quantization);
      b.AddElement<uint8_t>(slot(5), t.is_state ? 1 : 0, 0);
      tensors.emplace_back(b.EndTable(start));
    }
    for (size_t i = 0; i < operators_.size(); ++i) {
      const Op& op = operators_[i];
      codes.push_back(table(b, {{0, static_cast<int8_t>(op.code < 127 ? op.code : 127)}, {3, op.code}}));
      const auto in = b.CreateVector(op.inputs), out = b.CreateVector(op.outputs);
      const Offset options = table(b, op.options);
      const auto start = b.StartTable();
      b.AddElement<uint32_t>(slot(0), static_cast<uint32_t>(i), 0);
      b.AddOffset(slot(1), in);
      b.AddOffset(slot(2), out);
      b.AddElement<uint8_t>(slot(3), 1, 0);
      b.AddOffset(slot(4), options);
      operators.emplace_back(b.EndTable(start));
    }
    const auto all_tensors = b.CreateVector(tensors), all_operators = b.CreateVector(operators);
    const auto ins = b.CreateVector(inputs), outs = b.CreateVector(outputs);
    auto start = b.StartTable();
    b.AddOffset(slot(0), all_tensors);
    b.AddOffset(slot(1), ins);
    b.AddOffset(slot(2), outs);
    b.AddOffset(slot(3), all_operators);
    const std::vector<Offset> graph = {Offset(b.EndTable(start))};
    const auto graphs = b.CreateVector(graph), all_codes = b.CreateVector(codes),
               all_buffers = b.CreateVector(buffers);
    start = b.StartTable();
    b.AddElement<uint32_t>(slot(0), 3, 0);
    b.AddOffset(slot(1), all_codes);
    b.AddOffset(slot(2), graphs);
    b.AddOffset(slot(4), all_buffers);
    b.Finish(Offset(b.EndTable(start)), "TFL3");
    return {reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()};
  }

 private:
  struct Tensor {
    std::vector<int32_t> shape;
    Type type;
    std::string bytes;
    Quantization quantization;
    bool is_state = false;
  };
  struct Op {
    int32_t code;
    std::vector<int32_t> inputs, outputs;
    std::vector<Field> options;
  };

  static flatbuffers::voffset_t slot(int number) {
    return static_cast<flatbuffers::voffset_t>(4 + 2 * number);
  }

  static flatbuffers::Offset<void> table(flatbuffers::FlatBufferBuilder& b,
                                         const std::vector<Field>& fields) {
    const auto start = b.StartTable();
    for (const auto& [number, value] : fields) {
      std::visit([&, n = number](auto v) { b.AddElement(slot(n), v, decltype(v){}); }, value);
    }
    return flatbuffers::Offset<void>(b.EndTable(start));
  }

  std::vector<Tensor> tensors_;
  std::vector<Op> operators_;
};

}  // namespace shrike::tests
