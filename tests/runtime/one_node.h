// A file with a single node, written by our own writer and run by the integer runtime: the smallest way to
// state what an operator does.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "toolchain/espdl/writer.h"
#include "toolchain/host/integer_model.h"

namespace shrike::tests {

struct Operand {
  std::vector<int64_t> dims;
  DataType type = DataType::kInt8;
  int exponent = 0;
  bool constant = false;
  std::vector<uint8_t> bytes;
};

template <typename T>
std::vector<uint8_t> bytes_of(const std::vector<T>& values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(T));
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

inline Operand int8s(std::vector<int64_t> dims, const std::vector<int8_t>& values, int exponent = 0) {
  return {std::move(dims), DataType::kInt8, exponent, false, bytes_of(values)};
}

inline Operand int16s(std::vector<int64_t> dims, const std::vector<int16_t>& values, int exponent = 0) {
  return {std::move(dims), DataType::kInt16, exponent, false, bytes_of(values)};
}

inline Operand int64s(const std::vector<int64_t>& values) {
  return {{static_cast<int64_t>(values.size())}, DataType::kInt64, 0, true, bytes_of(values)};
}

inline Operand floats(const std::vector<float>& values) {
  return {{static_cast<int64_t>(values.size())}, DataType::kFloat32, 0, true, bytes_of(values)};
}

inline Operand constant(Operand operand) {
  operand.constant = true;
  return operand;
}

inline Operand absent() {
  return {{}, DataType::kUndefined, 0, false, {}};
}

struct OutputFormat {
  DataType type = DataType::kInt8;
  int exponent = 0;
};

using AttributeMap = std::map<std::string, graph::Attribute>;

// Throws Error when the runtime refuses the file.
class OneNode {
 public:
  OneNode(const std::string& op, std::vector<Operand> operands, const AttributeMap& attributes,
          const std::vector<OutputFormat>& outputs, const std::string& target = "esp32p4", int threads = 1)
      : operands_(std::move(operands)), model_(load(op, operands_, attributes, outputs, target, threads)) {}

  OneNode& run() {
    int32_t next = 0;
    for (const Operand& operand : operands_) {
      if (operand.constant || operand.type == DataType::kUndefined) continue;
      const TensorView view = model_.model().input(next++);
      std::memcpy(view.data, operand.bytes.data(), view.bytes);
    }
    model_.run();
    return *this;
  }

  // Replaces the first operand's values for the next run.
  OneNode& feed(const std::vector<int8_t>& values) {
    operands_.at(0).bytes = bytes_of(values);
    return *this;
  }
  void reset() { model_.model().reset(); }
  uint64_t saturated() const { return model_.model().saturated_accumulators(); }

  template <typename T>
  std::vector<T> output(int32_t index = 0) const {
    const TensorView view = model_.model().output(index);
    std::vector<T> values(view.bytes / sizeof(T));
    std::memcpy(values.data(), view.data, view.bytes);
    return values;
  }

  std::vector<int64_t> dims(int32_t index = 0) const {
    const TensorView view = model_.model().output(index);
    return {view.shape.dims, view.shape.dims + view.shape.rank};
  }

 private:
  static host::IntegerModel load(const std::string& op, const std::vector<Operand>& operands,
                                 AttributeMap attributes, const std::vector<OutputFormat>& outputs,
                                 const std::string& target, int threads) {
    espdl::Program program;
    program.graph_name = "one_node";
    program.target = host::parse_target(target);
    const bool wide = operands.at(0).type == DataType::kInt16;
    attributes["quant_type"] = std::string(wide ? "S16" : "S8");
    espdl::StoredNode node{"node", op, {}, {}, attributes};
    for (size_t i = 0; i < operands.size(); ++i) {
      const Operand& operand = operands[i];
      const std::string name = operand.type == DataType::kUndefined ? "" : "in" + std::to_string(i);
      node.inputs.push_back(name);
      if (name.empty()) continue;
      if (operand.constant) {
        program.initializers.push_back(
            {name, operand.dims, operand.type, {operand.exponent}, operand.bytes, ""});
      } else {
        program.values.push_back({name, operand.dims, operand.type, operand.exponent, {}});
        program.inputs.push_back(name);
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string name = "out" + std::to_string(i);
      node.outputs.push_back(name);
      program.values.push_back({name, {1}, outputs[i].type, outputs[i].exponent, {}});
      program.outputs.push_back(name);
    }
    program.nodes.push_back(node);
    host::IntegerOptions options;
    options.target = target;
    options.threads = threads;
    return host::IntegerModel::from_bytes(espdl::serialize(program), "one_node.espdl", options);
  }

  std::vector<Operand> operands_;
  host::IntegerModel model_;
};

}  // namespace shrike::tests
