// Pad: constant, edge or reflect. Pure copy; the fill value is an integer already on the data's grid
// (spec/numerics.md section 7).
#include <string.h>

#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/parallel.h"
#include "ops/strided_copy.h"

namespace shrike {
namespace {

enum class Mode : uint8_t { kConstant, kEdge, kReflect };

struct Parameters {
  Mode mode;
  uint32_t element;
  const void* fill;            // one element, or null: zero
  StridedCopy inside;          // constant mode: the input's place in the output
  int32_t* sources[kMaxRank];  // other modes: per axis, the input position of every output position
};

bool read_mode(const Attributes& attributes, Mode* mode) {
  const Text text = attributes.text("mode");
  if (text.size == 0 || text == "constant")
    *mode = Mode::kConstant;
  else if (text == "edge")
    *mode = Mode::kEdge;
  else if (text == "reflect")
    *mode = Mode::kReflect;
  else
    return false;
  return true;
}

// Amounts before and after each axis, from input 1 (and the axes of input 3).
Status read_pads(const Prepare& node, int64_t* before, int64_t* after) {
  const int32_t rank = node.inputs[0]->shape.rank;
  IntegerList axes;
  axes.count = rank;
  for (int32_t i = 0; i < rank; ++i) axes.values[i] = i;
  if (optional_input(node, 3) != nullptr) SHRIKE_RETURN_IF_ERROR(read_list(node, 3, &axes));
  bool used[kMaxRank];
  SHRIKE_RETURN_IF_ERROR(mark_axes(node, axes, rank, used));

  const int64_t* pads = constant_int64(node.inputs[1]);
  if (pads == nullptr) return node.error(StatusCode::kBadAttribute, "pads are not a constant of type INT64");
  if (node.inputs[1]->shape.rank != 1 || node.inputs[1]->shape.elements() != 2 * axes.count) {
    return node.error(StatusCode::kBadShape, "pads have not two entries per axis");
  }
  for (int32_t i = 0; i < kMaxRank; ++i) before[i] = after[i] = 0;
  for (int32_t i = 0; i < axes.count; ++i) {
    const int32_t axis = axis_position(axes.values[i], rank);
    before[axis] = pads[i];
    after[axis] = pads[i + axes.count];
    if (before[axis] < 0 || after[axis] < 0 || before[axis] > kMaxTensorBytes ||
        after[axis] > kMaxTensorBytes) {
      return node.error(StatusCode::kBadAttribute, "a pad is negative or too large");
    }
  }
  return {};
}

int32_t source_position(Mode mode, int64_t position, int32_t size) {
  if (mode == Mode::kReflect) {
    if (position < 0) position = -position;
    if (position >= size) position = 2 * (static_cast<int64_t>(size) - 1) - position;
  }
  return static_cast<int32_t>(position < 0 ? 0 : position >= size ? size - 1 : position);
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 4));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, input, output));
  const Shape& shape = input.shape;
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  parameters->element = size_of(input.type);
  if (!read_mode(node.attributes, &parameters->mode)) {
    return node.error(StatusCode::kBadAttribute, "mode is not constant, edge or reflect");
  }
  int64_t before[kMaxRank], after[kMaxRank], dims[kMaxRank];
  SHRIKE_RETURN_IF_ERROR(read_pads(node, before, after));
  for (int32_t i = 0; i < shape.rank; ++i) dims[i] = shape.dims[i] + before[i] + after[i];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, shape.rank));

  if (parameters->mode == Mode::kConstant) {
    if (const Tensor* fill = optional_input(node, 2)) {
      if (!fill->constant || fill->type != input.type || fill->shape.elements() != 1) {
        return node.error(StatusCode::kBadAttribute,
                          "the fill value is not one constant of the input's type");
      }
      parameters->fill = fill->data;
    }
    StridedCopy& inside = parameters->inside;
    inside.block = parameters->element;
    ptrdiff_t from[kMaxRank], to[kMaxRank];
    dense_strides(shape, inside.block, from);
    dense_strides(output.shape, inside.block, to);
    for (int32_t i = 0; i < shape.rank; ++i) {
      inside.target_offset += static_cast<ptrdiff_t>(before[i]) * to[i];
      inside.add_axis(shape.dims[i], from[i], to[i]);
    }
    simplify(&inside);
    return {};
  }
  for (int32_t i = 0; i < shape.rank; ++i) {
    const bool reaches = before[i] < shape.dims[i] && after[i] < shape.dims[i];
    if (parameters->mode == Mode::kReflect && !reaches) {
      return node.error(StatusCode::kBadAttribute, "a reflected pad is as long as the axis or longer");
    }
    const int32_t size = output.shape.dims[i];
    parameters->sources[i] =
        static_cast<int32_t*>(node.allocate(static_cast<size_t>(size) * sizeof(int32_t), alignof(int32_t)));
    if (parameters->sources[i] == nullptr) return node.arena_status();
    for (int32_t k = 0; k < size; ++k) {
      parameters->sources[i][k] = source_position(parameters->mode, k - before[i], shape.dims[i]);
    }
  }
  return {};
}

void fill(uint8_t* output, size_t bytes, const void* value, uint32_t element) {
  if (value == nullptr || element == 1) {
    memset(output, value == nullptr ? 0 : *static_cast<const uint8_t*>(value), bytes);
    return;
  }
  for (size_t i = 0; i < bytes; i += element) memcpy(output + i, value, element);
}

void pad_with_constant(const Parameters& parameters, const Run& node) {
  const StridedCopy& inside = parameters.inside;
  const uint8_t* input = static_cast<const uint8_t*>(node.inputs[0]->data);
  uint8_t* output = static_cast<uint8_t*>(node.outputs[0]->data);
  const size_t bytes = byte_count(*node.outputs[0]);
  const auto fill_range = [&](size_t begin, size_t end) {
    fill(output + begin, end - begin, parameters.fill, parameters.element);
  };
  if (!kCodeIsCheap || inside.rank != 1) {
    fill_range(0, bytes);
    run_copy(inside, input, output, node.workers);
    return;
  }
  // Rows with a gap behind each: every byte is written once.
  const size_t first = static_cast<size_t>(inside.target_offset);
  const size_t step = static_cast<size_t>(inside.target_strides[0]);
  const int32_t rows = inside.dims[0];
  const int32_t grain = static_cast<int32_t>(kBytesPerThread / static_cast<int64_t>(step)) + 1;
  fill_range(0, first);
  parallel_for(node.workers, rows, grain, [&](int32_t begin, int32_t end, int32_t) {
    for (int32_t row = begin; row < end; ++row) {
      const size_t at = first + static_cast<size_t>(row) * step;
      memcpy(output + at, input + row * inside.source_strides[0], inside.block);
      fill_range(at + inside.block, row + 1 < rows ? at + step : bytes);
    }
  });
}

// Output positions of `axis` and all axes below it, for one position of the axes above. Inlined into itself
// it would be larger and no faster.
[[gnu::noinline]] void pad_axis(const Parameters& parameters, const Shape& from, const Shape& to,
                                int32_t axis, const uint8_t* input, uint8_t*& output) {
  const size_t stride = static_cast<size_t>(product(from, axis + 1, from.rank)) * parameters.element;
  for (int32_t k = 0; k < to.dims[axis]; ++k) {
    const uint8_t* source = input + static_cast<size_t>(parameters.sources[axis][k]) * stride;
    if (axis == to.rank - 1) {
      memcpy(output, source, parameters.element);
      output += parameters.element;
    } else {
      pad_axis(parameters, from, to, axis + 1, source, output);
    }
  }
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  uint8_t* target = static_cast<uint8_t*>(output.data);
  if (parameters.mode == Mode::kConstant) {
    pad_with_constant(parameters, node);
  } else if (input.shape.rank == 0) {
    memcpy(target, input.data, parameters.element);
  } else {
    pad_axis(parameters, input.shape, output.shape, 0, static_cast<const uint8_t*>(input.data), target);
  }
}

}  // namespace

extern const Operator op_pad = {"Pad", prepare, run};

}  // namespace shrike
