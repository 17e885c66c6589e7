// Pooling and Resize.
#include <algorithm>
#include <cmath>
#include <limits>

#include "toolchain/engine/operators.h"

namespace shrike::engine {
namespace {

struct Window {
  std::vector<int64_t> kernel, strides, dilations, pads;  // two dimensions
  std::vector<int64_t> given_pads;                        // without what ceil_mode adds at the end
};

Window read_window(const Call& call, const at::Tensor& input) {
  const size_t rank = static_cast<size_t>(input.dim()) - 2;
  if (rank != 1 && rank != 2) call.refuse("expected an input of rank 3 or 4, found {}", input.dim());
  Window window;
  window.kernel = call.node.integers("kernel_shape");
  if (window.kernel.size() != rank)
    call.refuse("expected a kernel_shape of {} numbers, found {}", rank, window.kernel.size());
  window.strides = call.node.integers("strides", std::vector<int64_t>(rank, 1));
  window.dilations = call.node.integers("dilations", std::vector<int64_t>(rank, 1));
  window.pads = window_pads(call, window.kernel, window.strides, window.dilations);
  window.given_pads = window.pads;
  if (call.node.integer("ceil_mode", 0) != 0) {
    for (size_t i = 0; i < rank; ++i) {
      const int64_t size = input.size(static_cast<int64_t>(i) + 2),
                    reach = window.dilations[i] * (window.kernel[i] - 1) + 1;
      const int64_t padded = size + window.pads[i] + window.pads[i + rank];
      int64_t windows = (padded - reach + window.strides[i] - 1) / window.strides[i] + 1;
      if ((windows - 1) * window.strides[i] >= size + window.pads[i])
        --windows;  // would start in the padding
      window.pads[i + rank] += std::max<int64_t>(0, (windows - 1) * window.strides[i] + reach - padded);
    }
  }
  if (rank == 1) {
    window.kernel.insert(window.kernel.begin(), 1);
    window.strides.insert(window.strides.begin(), 1);
    window.dilations.insert(window.dilations.begin(), 1);
    window.pads = {0, window.pads[0], 0, window.pads[1]};
    window.given_pads = {0, window.given_pads[0], 0, window.given_pads[1]};
  }
  return window;
}

at::Tensor as_picture(const at::Tensor& tensor) {
  return tensor.dim() == 3 ? tensor.unsqueeze(2) : tensor;
}
at::Tensor as_line(const at::Tensor& tensor, const at::Tensor& like) {
  return like.dim() == 3 ? tensor.squeeze(2) : tensor;
}

Results max_pool(const Call& call) {
  const at::Tensor& input = call.input(0);
  if (call.node.outputs.size() > 1) call.refuse("the output of indices is not supported");
  const Window window = read_window(call, input);
  at::Tensor picture = as_picture(input);
  std::vector<int64_t> pads = {window.pads[0], window.pads[1]};
  const bool symmetric = window.pads[0] == window.pads[2] && window.pads[1] == window.pads[3];
  if (!symmetric || pads[0] > window.kernel[0] / 2 || pads[1] > window.kernel[1] / 2) {
    picture = pad_spatial(picture, window.pads, -std::numeric_limits<double>::infinity());
    pads = {0, 0};
  }
  return {as_line(at::max_pool2d(picture, window.kernel, window.strides, pads, window.dilations), input)};
}

at::Tensor window_sums(const at::Tensor& picture, const Window& window) {
  return at::avg_pool2d(pad_spatial(picture, window.pads, 0), window.kernel, window.strides,
                        at::IntArrayRef({0, 0}), false, true, 1);
}

Results average_pool(const Call& call) {
  const at::Tensor& input = call.input(0);
  const Window window = read_window(call, input);
  if (window.dilations != std::vector<int64_t>{1, 1}) call.refuse("dilations are not supported");
  const at::Tensor sums = window_sums(as_picture(input), window);
  if (call.arithmetic.fake_quantized) {
    // The chip multiplies by the reciprocal of the full area everywhere (spec/numerics.md 11.2).
    const float reciprocal = 1.0f / static_cast<float>(window.kernel[0] * window.kernel[1]);
    return {as_line(sums * reciprocal, input)};
  }
  // The area of a window counts real elements and, if wanted, the given padding; never what ceil_mode added.
  at::Tensor ones = at::ones({1, 1, as_picture(input).size(2), input.size(-1)}, input.options());
  Window counted = window;
  if (call.node.integer("count_include_pad", 0) != 0) {
    ones = pad_spatial(ones, window.given_pads, 1);
    for (size_t i = 0; i < 4; ++i) counted.pads[i] -= window.given_pads[i];
  }
  return {as_line(sums / window_sums(ones, counted), input)};
}

Results global_average_pool(const Call& call) {
  const at::Tensor& input = call.input(0);
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < input.dim(); ++axis) axes.push_back(axis);
  // In float64: exact for quantised data, and the same for any number of threads.
  const at::Tensor sums = at::sum(input, axes, true, at::kDouble).to(at::kFloat);
  const float area = static_cast<float>(input.numel() / std::max<int64_t>(1, sums.numel()));
  return {call.arithmetic.fake_quantized ? sums * (1.0f / area) : sums / static_cast<double>(area)};
}

Results global_max_pool(const Call& call) {
  std::vector<int64_t> axes;
  for (int64_t axis = 2; axis < call.input(0).dim(); ++axis) axes.push_back(axis);
  return {at::amax(call.input(0), axes, true)};
}

// Position in the input, in elements, of output element `index` (ONNX Resize).
struct Coordinates {
  std::string transform;
  float inverse;  // 1 / scale
  int64_t input_size, output_size;

  float operator()(int64_t index) const {
    const float position = static_cast<float>(index);
    if (transform == "asymmetric") return position * inverse;
    if (transform == "align_corners") {
      if (output_size == 1) return 0;
      return position * (static_cast<float>(input_size - 1) / static_cast<float>(output_size - 1));
    }
    if (transform == "pytorch_half_pixel" && output_size == 1) return 0;
    if (transform == "tf_half_pixel_for_nn") return (position + 0.5f) * inverse;
    if (transform == "half_pixel_symmetric") {
      const float share = static_cast<float>(output_size) * inverse / static_cast<float>(input_size);
      return static_cast<float>(input_size) / 2 * (1 - share) + (position + 0.5f) * inverse - 0.5f;
    }
    return (position + 0.5f) * inverse - 0.5f;
  }
};

int64_t nearest_index(float position, const std::string& mode) {
  if (mode == "floor") return static_cast<int64_t>(std::floor(position));
  if (mode == "ceil") return static_cast<int64_t>(std::ceil(position));
  if (mode == "round_prefer_ceil") return static_cast<int64_t>(std::floor(position + 0.5f));
  return static_cast<int64_t>(std::ceil(position - 0.5f));  // round_prefer_floor
}

at::Tensor resize_axis_nearest(const at::Tensor& input, int64_t axis, const Coordinates& coordinates,
                               const std::string& mode) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < coordinates.output_size; ++i) {
    indices.push_back(
        std::clamp<int64_t>(nearest_index(coordinates(i), mode), 0, coordinates.input_size - 1));
  }
  return at::index_select(input, axis, at::tensor(indices, at::kLong));
}

at::Tensor resize_axis_linear(const at::Tensor& input, int64_t axis, const Coordinates& coordinates) {
  std::vector<int64_t> left, right;
  std::vector<float> weight;
  for (int64_t i = 0; i < coordinates.output_size; ++i) {
    const float position = coordinates(i), whole = std::floor(position);
    const int64_t index = static_cast<int64_t>(whole), last = coordinates.input_size - 1;
    left.push_back(std::clamp<int64_t>(index, 0, last));
    right.push_back(std::clamp<int64_t>(index + 1, 0, last));
    weight.push_back(position - whole);
  }
  std::vector<int64_t> shape(static_cast<size_t>(input.dim()), 1);
  shape[static_cast<size_t>(axis)] = coordinates.output_size;
  const at::Tensor blend = at::tensor(weight, at::kFloat).reshape(shape);
  return at::index_select(input, axis, at::tensor(left, at::kLong)) * (1 - blend) +
         at::index_select(input, axis, at::tensor(right, at::kLong)) * blend;
}

Results resize(const Call& call) {
  const at::Tensor& input = call.input(0);
  const size_t rank = static_cast<size_t>(input.dim());
  const bool linear = call.node.text("mode", "nearest") == "linear";
  const std::string mode = call.node.text("mode", "nearest"),
                    nearest = call.node.text("nearest_mode", "round_prefer_floor");
  const std::string transform = call.node.text("coordinate_transformation_mode", "half_pixel");
  if (mode != "nearest" && mode != "linear")
    call.refuse("mode '{}' is not supported, only nearest and linear", mode);
  if (transform != "asymmetric" && transform != "half_pixel" && transform != "pytorch_half_pixel" &&
      transform != "align_corners" && transform != "tf_half_pixel_for_nn" &&
      transform != "half_pixel_symmetric") {
    call.refuse("coordinate_transformation_mode '{}' is not supported", transform);
  }
  if (call.node.attributes.contains("axes")) call.refuse("the attribute axes is not supported");

  std::vector<int64_t> sizes = input.sizes().vec();
  std::vector<float> scales(rank, 1.0f);
  const bool by_sizes = call.has(3);
  if (by_sizes) {
    const std::vector<int64_t> given = *call.integers(3, "");
    if (given.size() != rank) call.refuse("expected {} sizes, found {}", rank, given.size());
    for (size_t i = 1; i < rank; ++i) {
      scales[i] = static_cast<float>(given[i]) / static_cast<float>(sizes[i]);
      sizes[i] = given[i];
    }
  } else {
    const size_t index = call.has(2) ? 2 : 1;  // opset 10 has no region of interest
    const at::Tensor given = call.input(index).to(at::kFloat).contiguous();
    if (given.numel() != input.dim()) call.refuse("expected {} scales, found {}", rank, given.numel());
    for (size_t i = 0; i < rank; ++i) {
      scales[i] = given.data_ptr<float>()[i];
      sizes[i] = static_cast<int64_t>(std::floor(static_cast<float>(sizes[i]) * scales[i]));
    }
  }

  if (call.node.integer("antialias", 0) != 0) {
    for (size_t i = 0; i < rank; ++i)
      if (sizes[i] < input.size(static_cast<int64_t>(i))) call.refuse("antialiasing is not supported");
  }

  at::Tensor result = input;
  if (rank == 4 && !linear && transform == "asymmetric" && nearest == "floor" && sizes[0] == input.size(0) &&
      sizes[1] == input.size(1)) {
    return {at::upsample_nearest2d(input, at::IntArrayRef({sizes[2], sizes[3]}),
                                   static_cast<double>(scales[2]), static_cast<double>(scales[3]))};
  }
  for (size_t i = rank; i-- > 0;) {  // width first, as the chip (spec/numerics.md section 12)
    const int64_t axis = static_cast<int64_t>(i);
    if (sizes[i] == input.size(axis)) continue;
    const Coordinates coordinates{transform, 1.0f / scales[i], input.size(axis), sizes[i]};
    result = linear ? resize_axis_linear(result, axis, coordinates)
                    : resize_axis_nearest(result, axis, coordinates, nearest);
  }
  return {result};
}

}  // namespace

OperatorList window_operators() {
  return {{"MaxPool", max_pool},
          {"AveragePool", average_pool},
          {"GlobalAveragePool", global_average_pool},
          {"GlobalMaxPool", global_max_pool},
          {"Resize", resize}};
}

}  // namespace shrike::engine
