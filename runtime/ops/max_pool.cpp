// MaxPool on channel-last tensors: maximum over the taps inside the input (rule MP, spec/numerics.md 11.1).
// Vertical maxima of whole rows first, then horizontal ones: k_h + k_w comparisons per value instead of k_h *
// k_w.
#include <string.h>

#include "kernels/kernels.h"
#include "ops/checks.h"
#include "ops/numeric.h"
#include "ops/parallel.h"
#include "ops/window.h"

namespace shrike {
namespace {

struct Parameters {
  PoolWindow window;
  size_t row_bytes;  // scratch per thread: one input row with its padding, in multiples of 64
};

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  SHRIKE_RETURN_IF_ERROR(expect_integer_operator(node));
  SHRIKE_RETURN_IF_ERROR(expect_same_format(node, *node.inputs[0], *node.outputs[0]));
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  SHRIKE_RETURN_IF_ERROR(read_window(node, &parameters->window));
  const PoolWindow& w = parameters->window;
  const int64_t columns = static_cast<int64_t>(w.in_w) + w.pad_left + w.pad_right;
  const int64_t bytes = (columns * w.channels * size_of(node.inputs[0]->type) + 63) / 64 * 64;
  if (bytes > kMaxTensorBytes) return node.error(StatusCode::kBadShape, "a tensor would exceed 2 GiB");
  parameters->row_bytes = static_cast<size_t>(bytes);
  node.scratch_bytes = static_cast<uint64_t>(bytes) * static_cast<uint64_t>(node.threads);
  return {};
}

void maximum(const KernelSet* kernels, const int8_t* a, const int8_t* b, int8_t* output, int32_t count) {
  kernels->maximum8(a, b, output, static_cast<size_t>(count));
}

void maximum(const KernelSet*, const int16_t* a, const int16_t* b, int16_t* output, int32_t count) {
  for (int32_t i = 0; i < count; ++i) output[i] = a[i] > b[i] ? a[i] : b[i];
}

// One output row from the input rows `rows`; `padded` holds one row with lowest values in its padding.
template <typename T>
void pool_row(const PoolWindow& w, const KernelSet* kernels, const T* image, Taps rows, T* padded,
              T* output) {
  const int32_t in_row = w.in_w * w.channels;
  T* middle = padded + w.pad_left * w.channels;
  memcpy(middle, image + static_cast<ptrdiff_t>(rows.begin) * in_row,
         static_cast<size_t>(in_row) * sizeof(T));
  for (int32_t y = rows.begin + 1; y < rows.end; ++y) {
    maximum(kernels, middle, image + static_cast<ptrdiff_t>(y) * in_row, middle, in_row);
  }
  if (w.stride_w == 1) {  // columns slide by one pixel: the whole row at once
    const int32_t out_row = w.out_w * w.channels;
    memcpy(output, padded, static_cast<size_t>(out_row) * sizeof(T));
    for (int32_t k = 1; k < w.kernel_w; ++k)
      maximum(kernels, output, padded + k * w.channels, output, out_row);
    return;
  }
  for (int32_t x = 0; x < w.out_w; ++x, output += w.channels) {
    const T* first = padded + static_cast<ptrdiff_t>(x) * w.stride_w * w.channels;
    memcpy(output, first, static_cast<size_t>(w.channels) * sizeof(T));
    for (int32_t k = 1; k < w.kernel_w; ++k)
      maximum(kernels, output, first + k * w.channels, output, w.channels);
  }
}

template <typename T>
void pool(const Run& node, const Parameters& parameters) {
  const PoolWindow& w = parameters.window;
  const T* input = static_cast<const T*>(node.inputs[0]->data);
  T* output = static_cast<T*>(node.outputs[0]->data);
  const ptrdiff_t in_image = static_cast<ptrdiff_t>(w.in_h) * w.in_w * w.channels;
  const ptrdiff_t out_row = static_cast<ptrdiff_t>(w.out_w) * w.channels;
  parallel_for(node.workers, w.batch * w.out_h, 4, [&](int32_t begin, int32_t end, int32_t slot) {
    T* padded = reinterpret_cast<T*>(static_cast<uint8_t*>(node.scratch) +
                                     static_cast<size_t>(slot) * parameters.row_bytes);
    const int32_t left = w.pad_left * w.channels, inside = w.in_w * w.channels,
                  right = w.pad_right * w.channels;
    for (int32_t i = 0; i < left; ++i) padded[i] = static_cast<T>(Limits<T>::lowest);
    for (int32_t i = 0; i < right; ++i) padded[left + inside + i] = static_cast<T>(Limits<T>::lowest);
    for (int32_t row = begin; row < end; ++row) {
      const Taps rows = taps(row % w.out_h, w.stride_h, w.pad_top, w.kernel_h, w.in_h);
      pool_row(w, node.kernels, input + row / w.out_h * in_image, rows, padded, output + row * out_row);
    }
  });
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  node.inputs[0]->type == DataType::kInt8 ? pool<int8_t>(node, parameters) : pool<int16_t>(node, parameters);
}

}  // namespace

extern const Operator op_max_pool = {"MaxPool", prepare, run};

}  // namespace shrike
