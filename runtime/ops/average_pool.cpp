// AveragePool and GlobalAveragePool on channel-last tensors, rule AP (spec/numerics.md 11.2): the exact sum
// of the taps inside the input times one float factor, fl(1/area) * 2^(e_in - e_out). The area is the whole
// kernel's, at borders too.
#include <math.h>
#include <string.h>

#include "ops/checks.h"
#include "ops/numeric.h"
#include "ops/parallel.h"
#include "ops/window.h"

namespace shrike {
namespace {

struct Parameters {
  PoolWindow window;
  Rounding rounding;
  float factor;
  size_t sum_bytes;  // scratch per thread: one sum per channel, in multiples of 64
};

Status finish(Prepare& node, Parameters* parameters) {
  const PoolWindow& w = parameters->window;
  const int64_t area = static_cast<int64_t>(w.kernel_h) * w.kernel_w;
  const int64_t largest = node.inputs[0]->type == DataType::kInt8 ? 128 : 32768;
  if (area > INT32_MAX / largest)
    return node.error(StatusCode::kBadShape, "the pooled area is too large for a 32-bit sum");
  const int32_t exponent = node.inputs[0]->exponent - node.outputs[0]->exponent;
  parameters->rounding = node.rounding;
  parameters->factor = ldexpf(1.0f / static_cast<float>(area), exponent);
  parameters->sum_bytes = (static_cast<size_t>(w.channels) * sizeof(int32_t) + 63) / 64 * 64;
  node.scratch_bytes = static_cast<uint64_t>(parameters->sum_bytes) * static_cast<uint64_t>(node.threads);
  return {};
}

Status prepare_average(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(read_window(node, &parameters->window));
  return finish(node, parameters);
}

Status prepare_global(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  const Shape& shape = node.inputs[0]->shape;
  if (shape.rank != 3 && shape.rank != 4)
    return node.error(StatusCode::kBadShape, "the input is not NHWC or NWC");
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  PoolWindow& w = parameters->window;
  w.batch = shape.dims[0];
  w.in_h = w.kernel_h = shape.rank == 4 ? shape.dims[1] : 1;
  w.in_w = w.kernel_w = shape.dims[shape.rank - 2];
  w.channels = shape.dims[shape.rank - 1];
  w.out_h = w.out_w = w.stride_h = w.stride_w = 1;
  node.outputs[0]->shape = shape;
  for (int32_t i = 1; i + 1 < shape.rank; ++i) node.outputs[0]->shape.dims[i] = 1;
  return finish(node, parameters);
}

template <typename T>
void average(const Run& node, const Parameters& parameters) {
  const PoolWindow& w = parameters.window;
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  T* output = static_cast<T*>(node.outputs[0]->data);
  const ptrdiff_t in_row = static_cast<ptrdiff_t>(w.in_w) * w.channels;
  const ptrdiff_t in_image = in_row * w.in_h;
  const ptrdiff_t out_row = static_cast<ptrdiff_t>(w.out_w) * w.channels;
  parallel_for(node.workers, w.batch * w.out_h, 4, [&](int32_t begin, int32_t end, int32_t slot) {
    int32_t* sums = reinterpret_cast<int32_t*>(static_cast<uint8_t*>(node.scratch) +
                                               static_cast<size_t>(slot) * parameters.sum_bytes);
    for (int32_t row = begin; row < end; ++row) {
      const T* image = input + row / w.out_h * in_image;
      T* target = output + row * out_row;
      const Taps rows = taps(row % w.out_h, w.stride_h, w.pad_top, w.kernel_h, w.in_h);
      for (int32_t x = 0; x < w.out_w; ++x, target += w.channels) {
        const Taps columns = taps(x, w.stride_w, w.pad_left, w.kernel_w, w.in_w);
        memset(sums, 0, static_cast<size_t>(w.channels) * sizeof(int32_t));
        for (int32_t y = rows.begin; y < rows.end; ++y) {
          const T* pixel = image + y * in_row + static_cast<ptrdiff_t>(columns.begin) * w.channels;
          for (int32_t k = columns.begin; k < columns.end; ++k, pixel += w.channels) {
            for (int32_t c = 0; c < w.channels; ++c) sums[c] += pixel[c];
          }
        }
        for (int32_t c = 0; c < w.channels; ++c) {
          target[c] = quantize_float<T>(static_cast<float>(sums[c]) * parameters.factor, parameters.rounding);
        }
      }
    }
  });
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  node.inputs[0]->type == DataType::kInt8 ? average<int8_t>(node, parameters)
                                          : average<int16_t>(node, parameters);
}

}  // namespace

extern const Operator op_average_pool = {"AveragePool", prepare_average, run};
extern const Operator op_global_average_pool = {"GlobalAveragePool", prepare_global, run};

}  // namespace shrike
