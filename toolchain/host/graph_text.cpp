#include "toolchain/host/graph_text.h"

#include <fmt/format.h>

#include "toolchain/host/tensors.h"

namespace shrike::host {
namespace {

// "2^-7", or "2^[-9, -8, -9]" for a filter with one exponent per output channel.
std::string format_text(const IntegerModel& file, const TensorView& tensor) {
  if (tensor.type == DataType::kFloat32 || tensor.type == DataType::kInt64) return "";
  const std::vector<int64_t> exponents = file.initializer_exponents(to_string(tensor.name));
  if (exponents.size() < 2) return fmt::format(" 2^{}", tensor.exponent);
  return fmt::format(" 2^[{}]", fmt::join(exponents, ", "));
}

std::string tensor_text(const IntegerModel& file, const TensorView& tensor) {
  if (tensor.type == DataType::kUndefined) return "-";
  return fmt::format("{} {}{}{}", to_string(tensor.name), type_name(tensor.type), shape_text(tensor.shape),
                     format_text(file, tensor));
}

template <typename Get>
std::string list(const IntegerModel& file, int32_t count, Get get) {
  std::string text;
  for (int32_t i = 0; i < count; ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", tensor_text(file, get(i)));
  return text;
}

}  // namespace

std::string graph_text(const IntegerModel& file) {
  const InspectableModel& model = file.model();
  std::string text = fmt::format("graph {} ({} nodes)\n", to_string(model.graph_name()), model.node_count());
  for (int32_t i = 0; i < model.input_count(); ++i)
    text += fmt::format("input {}\n", tensor_text(file, model.input(i)));
  for (int32_t node = 0; node < model.node_count(); ++node) {
    text += fmt::format(
        "node {} {}({}) -> {} {{{}}}\n", to_string(model.node_name(node)), to_string(model.node_type(node)),
        list(file, model.node_input_count(node), [&](int32_t i) { return model.node_input(node, i); }),
        list(file, model.node_output_count(node), [&](int32_t i) { return model.node_output(node, i); }),
        file.node_attributes(node));
  }
  for (int32_t i = 0; i < model.output_count(); ++i)
    text += fmt::format("output {}\n", tensor_text(file, model.output(i)));
  return text;
}

}  // namespace shrike::host
