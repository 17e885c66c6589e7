// Gelu and LUT, which are tables at both widths, and the 8-bit table of the other activations.
#include "ops/lookup.h"

#include "kernels/kernels.h"
#include "ops/checks.h"
#include "ops/numeric.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

constexpr int32_t kGrain = 1 << 15;
constexpr int32_t kValues16 = 65536;

struct Parameters {
  const int8_t* table8;
  const int16_t* table16;
  int32_t last;       // index of the last entry
  int32_t step_log2;  // of the input integers from one entry to the next
  Rounding rounding;
};

Status check_table(const Prepare& node, const Tensor& table) {
  const Tensor& output = *node.outputs[0];
  if (table.type != output.type)
    return node.error(StatusCode::kUnsupportedType, "the table is not of the output's type");
  if (table.exponent != output.exponent) {
    return node.error(StatusCode::kBadExponent, "the table's exponent is not the output's");
  }
  return {};
}

// The number of entries says the step: 65536 / step + 1 of them, or, in files written before February 2026,
// 65536 / step with the last one missing; 65536 entries are one for every input (spec/numerics.md 9.2, 16).
Status find_step(const Prepare& node, int64_t entries, Parameters* parameters) {
  if (entries < 2 || entries > kValues16 + 1) {
    return node.error(StatusCode::kBadShape, "a 16-bit table does not have 2 to 65537 entries");
  }
  parameters->last = static_cast<int32_t>(entries) - 1;
  for (int32_t log2 = 0; log2 <= 16; ++log2) {
    const int32_t intervals = kValues16 >> log2;
    if (entries != intervals + 1 && entries != intervals) continue;
    parameters->step_log2 = log2;
    return {};
  }
  return node.error(StatusCode::kBadShape, "the step of a 16-bit table is not a power of two");
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->rounding = node.rounding;
  const Tensor* table = node.table();
  if (table == nullptr) return node.error(StatusCode::kBadAttribute, "lut does not name a table");
  if (node.inputs[0]->type == DataType::kInt8) {
    SHRIKE_RETURN_IF_ERROR(find_table_8(node, &parameters->table8));
    node.table_8 = parameters->table8;
  } else {
    SHRIKE_RETURN_IF_ERROR(check_table(node, *table));
    SHRIKE_RETURN_IF_ERROR(find_step(node, table->shape.elements(), parameters));
    parameters->table16 = static_cast<const int16_t*>(table->data);
  }
  node.outputs[0]->shape = node.inputs[0]->shape;
  node.in_place = InPlace::kOverwrite;
  return {};
}

// Nearest entry (rule L16).
void lookup_16(const Parameters& parameters, const int16_t* input, int16_t* output, int32_t count) {
  for (int32_t i = 0; i < count; ++i) {
    int32_t entry = rounding_shift<int32_t>(input[i] + 32768, parameters.step_log2, parameters.rounding);
    if (entry > parameters.last) entry = parameters.last;
    output[i] = parameters.table16[entry];
  }
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  if (parameters.table8 != nullptr) {
    run_table_8(node, parameters.table8);
    return;
  }
  const int16_t* input = static_cast<const int16_t*>(node.inputs[0]->data);
  int16_t* output = static_cast<int16_t*>(node.outputs[0]->data);
  parallel_for(node.workers, static_cast<int32_t>(node.inputs[0]->shape.elements()), kGrain,
               [&](int32_t begin, int32_t end, int32_t) {
                 lookup_16(parameters, input + begin, output + begin, end - begin);
               });
}

}  // namespace

Status find_table_8(const Prepare& node, const int8_t** result) {
  *result = nullptr;
  const Tensor* table = node.table();
  if (table == nullptr) {
    if (node.attributes.has("lut")) return node.error(StatusCode::kBadAttribute, "lut does not name a table");
    return {};
  }
  SHRIKE_RETURN_IF_ERROR(check_table(node, *table));
  if (table->shape.elements() != 256)
    return node.error(StatusCode::kBadShape, "an 8-bit table does not have 256 entries");
  *result = static_cast<const int8_t*>(table->data);
  return {};
}

void run_table_8(const Run& node, const int8_t* table) {
  const int8_t* input = static_cast<const int8_t*>(node.inputs[0]->data);
  int8_t* output = static_cast<int8_t*>(node.outputs[0]->data);
  parallel_for(node.workers, static_cast<int32_t>(node.inputs[0]->shape.elements()), kGrain,
               [&](int32_t begin, int32_t end, int32_t) {
                 node.kernels->lookup8(input + begin, output + begin, static_cast<size_t>(end - begin),
                                       table);
               });
}

extern const Operator op_gelu = {"Gelu", prepare, run};
extern const Operator op_lut = {"LUT", prepare, run};

}  // namespace shrike
