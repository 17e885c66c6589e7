// The .info and .json files beside an .espdl file (spec/espdl-format.md section 10). Nothing on the chip
// reads them.
#include <cmath>
#include <cstring>

#include "runtime/chips/chip.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/support/error.h"
#include "toolchain/support/json.h"

namespace shrike::espdl {
namespace {

constexpr size_t kValuesShown = 64;  // of one tensor in the text

const char* type_name(DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return "FLOAT";
    case DataType::kInt8:
      return "INT8";
    case DataType::kInt16:
      return "INT16";
    case DataType::kInt32:
      return "INT32";
    case DataType::kInt64:
      return "INT64";
    default:
      return "UNDEFINED";
  }
}

template <typename T>
std::string joined(const T& items, const char* separator) {
  return fmt::format("{}", fmt::join(items, separator));
}

std::string attribute_text(const graph::Attribute& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return fmt::format("{}", *integer);
  if (const auto* real = std::get_if<float>(&value)) return fmt::format("{}", *real);
  if (const auto* string = std::get_if<std::string>(&value)) return fmt::format("'{}'", *string);
  if (const auto* integers = std::get_if<std::vector<int64_t>>(&value))
    return fmt::format("[{}]", joined(*integers, ", "));
  return fmt::format("[{}]", joined(std::get<std::vector<float>>(value), ", "));
}

template <typename T>
void append_elements(std::string& text, const std::vector<uint8_t>& bytes) {
  const size_t count = bytes.size() / sizeof(T);
  for (size_t i = 0; i < std::min(count, kValuesShown); ++i) {
    T element;
    std::memcpy(&element, bytes.data() + i * sizeof(T), sizeof element);
    if constexpr (sizeof(T) == 1) {
      text += fmt::format("{}{}", i == 0 ? "" : ", ", static_cast<int>(element));
    } else {
      text += fmt::format("{}{}", i == 0 ? "" : ", ", element);
    }
  }
  if (count > kValuesShown) text += fmt::format(", ... ({} in all)", count);
}

std::string tensor_text(const StoredTensor& tensor) {
  std::string text =
      fmt::format("%{}, shape: [{}], exponents: [{}], {}\n  [", tensor.name, joined(tensor.dims, ", "),
                  joined(tensor.exponents, ", "), tensor.doc.empty() ? "table" : tensor.doc);
  switch (tensor.type) {
    case DataType::kInt8:
      append_elements<int8_t>(text, tensor.bytes);
      break;
    case DataType::kInt16:
      append_elements<int16_t>(text, tensor.bytes);
      break;
    case DataType::kInt32:
      append_elements<int32_t>(text, tensor.bytes);
      break;
    case DataType::kInt64:
      append_elements<int64_t>(text, tensor.bytes);
      break;
    default:
      append_elements<float>(text, tensor.bytes);
      break;
  }
  return text + "]\n";
}

std::string references(const std::vector<std::string>& names) {
  std::vector<std::string> marked;
  for (const std::string& name : names) marked.push_back(fmt::format("%{}", name));
  return joined(marked, ", ");
}

std::string value_text(const StoredValue& value) {
  return fmt::format("%{}[{}, {}], exponents: [{}]", value.name, type_name(value.type),
                     joined(value.dims, "x"), value.exponent);
}

}  // namespace

std::string info_text(const Program& program, const std::string& file_hash) {
  std::string text = "model properties:\n";
  if (!file_hash.empty()) text += fmt::format("espdl_sha256: {}\n", file_hash);
  text += "metadata_props:\n";
  for (const auto& [key, value] : program.metadata) text += fmt::format("{}: {}\n", key, value);
  text += fmt::format("\ngraph {} (\n", program.graph_name);
  for (const std::string& input : program.inputs)
    text += fmt::format("  {}\n", value_text(value_named(program, input)));
  text += ") initializers (\n";
  for (const StoredTensor& tensor : program.initializers) {
    text += fmt::format("  %{}[{}, {}]\n", tensor.name, type_name(tensor.type), joined(tensor.dims, "x"));
  }
  text += ") {\n";
  for (const StoredNode& node : program.nodes) {
    std::vector<std::string> attributes;
    for (const auto& [key, value] : node.attributes)
      attributes.push_back(fmt::format("{} = {}", key, attribute_text(value)));
    text += fmt::format("  {} = {}[{}]({})\n", references(node.outputs), node.op, joined(attributes, ", "),
                        references(node.inputs));
  }
  text += fmt::format("  return {}\n}}\n", references(program.outputs));
  text += "\ninitializers value:\n";
  for (const StoredTensor& tensor : program.initializers) text += tensor_text(tensor);
  text += "\nvalues info:\n";
  for (const StoredValue& value : program.values) text += value_text(value) + "\n";
  text += "\ntest inputs value:\n";
  for (const StoredTensor& tensor : program.test_inputs) text += tensor_text(tensor);
  text += "\ntest outputs value:\n";
  for (const StoredTensor& tensor : program.test_outputs) text += tensor_text(tensor);
  return text;
}

std::string config_json(const graph::Graph& graph, Target target, const std::string& file_hash,
                        const std::map<std::string, std::string>& origin) {
  const std::string family = chip_of(target).family;
  nlohmann::ordered_json configs = nlohmann::ordered_json::object(), dispatchings = configs, values = configs;
  std::map<std::string, int64_t> dominators;  // tensor -> hash of its first configuration
  int64_t next_hash = 1;
  for (const graph::Node& node : graph.nodes) {
    nlohmann::ordered_json entry = nlohmann::ordered_json::object();
    int bits = 0;
    for (const auto* names : {&node.inputs, &node.outputs}) {
      for (const std::string& name : *names) {
        if (name.empty()) continue;
        const graph::Tensor& tensor = graph.tensor(name);
        const graph::Format& format = tensor.format;
        const bool quantised = !format.is_float() && tensor.type == graph::ElementType::kFloat;
        const bool bias = tensor.constant && format.bits > 16;
        if (quantised && !bias) bits = format.bits;
        const int64_t hash = next_hash++;
        const bool first = dominators.emplace(name, hash).second;
        const int64_t limit = quantised ? int64_t{1} << (format.bits - 1) : 128;
        entry[name] = {{"bit_width", quantised ? format.bits : 8},
                       {"policy",
                        {{"PER_TENSOR", !format.per_channel()},
                         {"PER_CHANNEL", format.per_channel()},
                         {"LINEAR", true},
                         {"FLOATING", false},
                         {"SYMMETRICAL", true},
                         {"ASYMMETRICAL", false},
                         {"POWER_OF_2", true},
                         {"DYNAMIC", false}}},
                       {"state", !quantised ? "FP32"
                                 : bias     ? "PASSIVE"
                                 : first    ? "ACTIVATED"
                                            : "OVERLAPPED"},
                       {"quant_min", -limit},
                       {"quant_max", limit - 1},
                       {"hash", hash},
                       {"dominator", dominators.at(name)}};
        if (!first) continue;
        nlohmann::ordered_json scale = 1.0, zero = 0;
        if (format.per_channel()) {
          scale = zero = nlohmann::ordered_json::array();
          for (const int exponent : format.channel_exponents) {
            scale.push_back(std::ldexp(1.0, exponent));
            zero.push_back(0);
          }
        } else if (quantised) {
          scale = std::ldexp(1.0, format.exponent);
        }
        values[std::to_string(hash)] = {{"scale", scale}, {"zero_point", zero}};
      }
    }
    configs[node.name] = std::move(entry);
    dispatchings[node.name] = bits == 0 ? "FP32" : family + std::to_string(bits);
  }
  nlohmann::ordered_json document;
  if (!file_hash.empty()) document["espdl_sha256"] = file_hash;
  if (!origin.empty()) document["origin"] = origin;
  document["configs"] = std::move(configs);
  document["dispatchings"] = std::move(dispatchings);
  document["values"] = std::move(values);
  return indented_text(document) + "\n";
}

}  // namespace shrike::espdl
