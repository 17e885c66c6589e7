// Reductions over any set of axes (spec/numerics.md 11.3; ReduceLogSumExp: section 10). Integer sums are
// exact; what needs float visits the elements in memory order.
#include <math.h>

#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/float_math.h"
#include "ops/numeric.h"

namespace shrike {
namespace {

enum class Kind : uint8_t { kMean, kSum, kMax, kMin, kL1, kL2, kProd, kSumSquare, kLogSum, kLogSumExp };

// Runs of axes that are all kept or all reduced become one loop: at most three of each among six axes.
struct Loops {
  int32_t dims[3] = {1, 1, 1};
  ptrdiff_t strides[3] = {0, 0, 0};  // elements of the input

  template <typename Body>
  void visit(const Body& body) const {
    for (int32_t i = 0; i < dims[0]; ++i) {
      for (int32_t j = 0; j < dims[1]; ++j) {
        ptrdiff_t offset = i * strides[0] + j * strides[1];
        for (int32_t k = 0; k < dims[2]; ++k, offset += strides[2]) body(offset);
      }
    }
  }
};

struct Parameters {
  Kind kind;
  Rounding rounding;
  int32_t in_exponent, out_exponent;
  int32_t count;  // reduced elements per output
  Loops kept, reduced;
  const float* exponentials;  // of q * 2^in_exponent at q + 128; 8-bit ReduceLogSumExp only
};

// Fills kept and reduced from the innermost axis outwards.
void build_loops(const Shape& shape, const bool* is_reduced, Parameters* parameters) {
  int32_t kept = 3, reduced = 3;
  ptrdiff_t stride = 1;
  bool inside_reduced = false, first = true;
  for (int32_t axis = shape.rank - 1; axis >= 0; --axis) {
    const int32_t size = shape.dims[axis];
    if (size == 1) continue;
    const bool now = is_reduced[axis];
    Loops& loops = now ? parameters->reduced : parameters->kept;
    int32_t& level = now ? reduced : kept;
    if (!first && now == inside_reduced) {
      loops.dims[level] *= size;
    } else {
      --level;
      loops.dims[level] = size;
      loops.strides[level] = stride;
    }
    stride *= size;
    inside_reduced = now;
    first = false;
  }
}

Status prepare(Prepare& node, Kind kind) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 2));
  SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  const Tensor& input = *node.inputs[0];
  const Shape& shape = input.shape;
  if (kind == Kind::kMax || kind == Kind::kMin)
    SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, *node.outputs[0]));

  IntegerList axes;
  bool named = false;
  bool is_reduced[kMaxRank];
  SHRIKE_RETURN_IF_ERROR(read_axes(node, 1, &axes, &named));
  SHRIKE_RETURN_IF_ERROR(mark_axes(node, axes, shape.rank, is_reduced));
  if (axes.count == 0) {
    if (node.attributes.integer("noop_with_empty_axes", 0) != 0) {
      kind = Kind::kSum;  // of single elements: only the exponent changes
    } else {
      for (int32_t i = 0; i < shape.rank; ++i) is_reduced[i] = true;
    }
  }
  const bool keep = node.attributes.integer("keepdims", 1) != 0;
  int64_t dims[kMaxRank] = {};
  int64_t count = 1;
  int32_t rank = 0;
  for (int32_t i = 0; i < shape.rank; ++i) {
    if (is_reduced[i]) count *= shape.dims[i];
    if (!is_reduced[i] || keep) dims[rank++] = is_reduced[i] ? 1 : shape.dims[i];
  }
  if (rank == 0) dims[rank++] = 1;  // the chip and its files know no scalars here
  SHRIKE_RETURN_IF_ERROR(set_shape(node, node.outputs[0], dims, rank));
  if (count > INT32_MAX / 128)
    return node.error(StatusCode::kBadShape, "too many elements for an exact 32-bit sum");

  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  *parameters = {};
  parameters->kind = kind;
  parameters->rounding = node.rounding;
  parameters->in_exponent = input.exponent;
  parameters->out_exponent = node.outputs[0]->exponent;
  parameters->count = static_cast<int32_t>(count);
  build_loops(shape, is_reduced, parameters);
  if (kind == Kind::kLogSumExp && input.type == DataType::kInt8) {
    float* table = static_cast<float*>(node.allocate(256 * sizeof(float), alignof(float)));
    if (table == nullptr) return node.arena_status();
    const float scale = power_of_two(input.exponent);
    for (int32_t q = -128; q < 128; ++q) table[q + 128] = exp_f32(static_cast<float>(q) * scale);
    parameters->exponentials = table;
  }
  return {};
}

template <typename T>
struct Sum;
template <>
struct Sum<int8_t> {
  using Type = int32_t;
};
template <>
struct Sum<int16_t> {
  using Type = int64_t;
};

float log_sum_exp(const Parameters& p, const int8_t* base) {
  float sum = 0;
  p.reduced.visit([&](ptrdiff_t i) { sum += p.exponentials[base[i] + 128]; });
  return log_f32(sum);
}

float log_sum_exp(const Parameters& p, const int16_t* base) {
  const float scale = power_of_two(p.in_exponent);
  int16_t largest = base[0];
  p.reduced.visit([&](ptrdiff_t i) { largest = base[i] > largest ? base[i] : largest; });
  const float top = static_cast<float>(largest) * scale;
  float sum = 0;
  p.reduced.visit([&](ptrdiff_t i) { sum += exp_f32(static_cast<float>(base[i]) * scale - top); });
  return top + log_f32(sum);
}

template <typename T>
typename Sum<T>::Type sum_of(const Parameters& p, const T* base) {
  typename Sum<T>::Type sum = 0;
  p.reduced.visit([&](ptrdiff_t i) { sum += base[i]; });
  return sum;
}

template <typename T>
int64_t squares_of(const Parameters& p, const T* base) {
  int64_t sum = 0;
  p.reduced.visit([&](ptrdiff_t i) { sum += static_cast<int32_t>(base[i]) * base[i]; });
  return sum;
}

// One output from the input elements at base + reduced offsets.
template <typename T>
T reduce_one(const Parameters& p, const T* base) {
  const int32_t in = p.in_exponent, out = p.out_exponent;
  const auto from_float = [&](float value) { return quantize_float<T>(ldexpf(value, -out), p.rounding); };
  const auto from_integer = [&](int64_t value, int32_t shift) {
    return saturate<T>(rounding_shift_any(value, shift, p.rounding));
  };
  switch (p.kind) {
    case Kind::kMean:
      return from_float(ldexpf(static_cast<float>(sum_of(p, base)), in) / static_cast<float>(p.count));
    case Kind::kSum:
      return from_integer(sum_of(p, base), out - in);
    case Kind::kL1: {
      typename Sum<T>::Type sum = 0;
      p.reduced.visit([&](ptrdiff_t i) { sum += base[i] < 0 ? -base[i] : base[i]; });
      return from_integer(sum, out - in);
    }
    case Kind::kSumSquare:
      return from_integer(squares_of(p, base), out - 2 * in);
    case Kind::kL2:
      return from_float(sqrtf(ldexpf(static_cast<float>(squares_of(p, base)), 2 * in)));
    case Kind::kLogSum:
      return from_float(log_f32(ldexpf(static_cast<float>(sum_of(p, base)), in)));
    case Kind::kLogSumExp:
      return from_float(log_sum_exp(p, base));
    case Kind::kProd: {
      float result = 1;
      p.reduced.visit([&](ptrdiff_t i) { result *= ldexpf(static_cast<float>(base[i]), in); });
      return from_float(result);
    }
    case Kind::kMax:
    case Kind::kMin:
      break;
  }
  T extreme = base[0];
  const bool largest = p.kind == Kind::kMax;
  p.reduced.visit([&](ptrdiff_t i) { extreme = (base[i] > extreme) == largest ? base[i] : extreme; });
  return extreme;
}

template <typename T>
void reduce(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  T* output = static_cast<T*>(node.outputs[0]->data);
  parameters.kept.visit([&](ptrdiff_t offset) { *output++ = reduce_one(parameters, input + offset); });
}

void run(const Run& node) {
  node.inputs[0]->type == DataType::kInt8 ? reduce<int8_t>(node) : reduce<int16_t>(node);
}

template <Kind kind>
Status prepare_as(Prepare& node) {
  return prepare(node, kind);
}

}  // namespace

extern const Operator op_reduce_mean = {"ReduceMean", prepare_as<Kind::kMean>, run};
extern const Operator op_reduce_sum = {"ReduceSum", prepare_as<Kind::kSum>, run};
extern const Operator op_reduce_max = {"ReduceMax", prepare_as<Kind::kMax>, run};
extern const Operator op_reduce_min = {"ReduceMin", prepare_as<Kind::kMin>, run};
extern const Operator op_reduce_l1 = {"ReduceL1", prepare_as<Kind::kL1>, run};
extern const Operator op_reduce_l2 = {"ReduceL2", prepare_as<Kind::kL2>, run};
extern const Operator op_reduce_prod = {"ReduceProd", prepare_as<Kind::kProd>, run};
extern const Operator op_reduce_sum_square = {"ReduceSumSquare", prepare_as<Kind::kSumSquare>, run};
extern const Operator op_reduce_log_sum = {"ReduceLogSum", prepare_as<Kind::kLogSum>, run};
extern const Operator op_reduce_log_sum_exp = {"ReduceLogSumExp", prepare_as<Kind::kLogSumExp>, run};

}  // namespace shrike
