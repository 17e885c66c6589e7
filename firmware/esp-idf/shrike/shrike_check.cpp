#include "shrike_check.h"

#include <stdio.h>

#include "shrike/sha256.h"
#include "shrike_seed.h"

namespace shrike::esp {
namespace {

constexpr uint64_t kBytesInALine = 32;

bool is_integer(DataType type) {
  return type == DataType::kInt8 || type == DataType::kUint8 || type == DataType::kInt16 ||
         type == DataType::kUint16;
}

void print_values(int32_t node, int32_t output, const TensorView& tensor) {
  const uint8_t* bytes = static_cast<const uint8_t*>(tensor.data);
  for (uint64_t at = 0; at < tensor.bytes; at += kBytesInALine) {
    printf("SHRIKE values %d.%d %lu ", static_cast<int>(node), static_cast<int>(output),
           static_cast<unsigned long>(at));
    for (uint64_t i = at; i < tensor.bytes && i < at + kBytesInALine; ++i) printf("%02x", bytes[i]);
    printf("\n");
  }
}

// `microseconds` below 0: not measured.
void print_outputs_of(const InspectableModel& model, int32_t node, int64_t microseconds) {
  for (int32_t i = 0; i < model.node_output_count(node); ++i) {
    const TensorView tensor = model.node_output(node, i);
    if (tensor.type == DataType::kUndefined) continue;
    printf("SHRIKE layer %d.%d ", static_cast<int>(node), static_cast<int>(i));
    if (microseconds >= 0) printf("us=%ld ", static_cast<long>(microseconds));
    printf("sha256=%s %.*s\n", sha256_text(tensor.data, static_cast<size_t>(tensor.bytes)).digits,
           static_cast<int>(tensor.name.size), tensor.name.data);
  }
}

}  // namespace

Status print_check(InspectableModel& model, const void* file, size_t file_bytes,
                   const CheckOptions& options) {
  printf("SHRIKE model backend=shrike bytes=%lu sha256=%s\n", static_cast<unsigned long>(file_bytes),
         sha256_text(file, file_bytes).digits);
  SeededInput sequence(options.seed);
  for (int32_t i = 0; i < model.input_count(); ++i) {
    const TensorView input = model.input(i);
    if (!is_integer(input.type)) return make_status(StatusCode::kUnsupportedType, "an input is no integer");
    sequence.fill(input.data, static_cast<size_t>(input.shape.elements()), size_of(input.type));
  }
  printf("SHRIKE input seed=%lu\n", static_cast<unsigned long>(options.seed));
  model.reset();
  const bool timed = options.microseconds != nullptr;
  for (int32_t node = 0; node < model.node_count(); ++node) {
    const int64_t before = timed ? options.microseconds() : 0;
    SHRIKE_RETURN_IF_ERROR(model.run_node(node));
    print_outputs_of(model, node, timed ? options.microseconds() - before : -1);
    if (node != options.shown_node) continue;
    for (int32_t i = 0; i < model.node_output_count(node); ++i)
      print_values(node, i, model.node_output(node, i));
  }
  printf("SHRIKE end\n");
  return {};
}

}  // namespace shrike::esp
