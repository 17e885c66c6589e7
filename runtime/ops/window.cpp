#include "ops/window.h"

#include "ops/checks.h"

namespace shrike {
namespace {

constexpr int64_t kMaxKernel = 32767;

// One value per spatial axis, in [low, kMaxKernel]; `values` keeps its defaults when the attribute is
// missing.
Status read_values(const Prepare& node, const char* name, int32_t count, int64_t low, int64_t* values) {
  int64_t read[kMaxRank] = {};
  const int32_t found = node.attributes.integers(name, read, kMaxRank);
  if (found < 0) return {};
  if (found != count)
    return node.error(StatusCode::kBadAttribute, "kernel_shape, strides or pads have the wrong length");
  for (int32_t i = 0; i < count; ++i) {
    if (read[i] < low || read[i] > kMaxKernel) {
      return node.error(StatusCode::kBadAttribute,
                        "kernel_shape, strides, pads or dilations are out of range");
    }
    values[i] = read[i];
  }
  return {};
}

}  // namespace

Status read_window(const Prepare& node, PoolWindow* window) {
  const Shape& shape = node.inputs[0]->shape;
  const int32_t spatial = shape.rank - 2;
  if (spatial != 1 && spatial != 2) return node.error(StatusCode::kBadShape, "the input is not NHWC or NWC");
  const Text automatic = node.attributes.text("auto_pad");
  if (automatic.size != 0 && !(automatic == "NOTSET") && !(automatic == "VALID")) {
    return node.error(StatusCode::kBadAttribute, "auto_pad is not NOTSET");
  }
  int64_t kernel[2] = {}, stride[2] = {1, 1}, pads[4] = {}, dilation[2] = {1, 1};
  if (!node.attributes.has("kernel_shape"))
    return node.error(StatusCode::kBadAttribute, "kernel_shape is missing");
  SHRIKE_RETURN_IF_ERROR(read_values(node, "kernel_shape", spatial, 1, kernel));
  SHRIKE_RETURN_IF_ERROR(read_values(node, "strides", spatial, 1, stride));
  SHRIKE_RETURN_IF_ERROR(read_values(node, "pads", 2 * spatial, 0, pads));
  SHRIKE_RETURN_IF_ERROR(read_values(node, "dilations", spatial, 1, dilation));
  if (dilation[0] != 1 || dilation[1] != 1) return node.error(StatusCode::kBadAttribute, "a pool is dilated");

  int64_t dims[kMaxRank] = {shape.dims[0]};
  for (int32_t i = 0; i < spatial; ++i) {
    const int64_t begin = pads[i], end = pads[i + spatial];
    if (begin >= kernel[i] || end >= kernel[i]) {
      return node.error(StatusCode::kBadAttribute, "a pad is as long as the kernel or longer");
    }
    const int64_t room = shape.dims[i + 1] + begin + end - kernel[i];
    if (room < 0) return node.error(StatusCode::kBadShape, "the kernel is larger than the padded input");
    dims[i + 1] = room / stride[i] + 1;
  }
  dims[shape.rank - 1] = shape.dims[shape.rank - 1];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, node.outputs[0], dims, shape.rank));

  const bool flat = spatial == 1;
  const int32_t w = flat ? 0 : 1;  // position of the width among the spatial axes
  *window = {};
  window->batch = shape.dims[0];
  window->in_h = flat ? 1 : shape.dims[1];
  window->in_w = shape.dims[1 + w];
  window->channels = shape.dims[shape.rank - 1];
  window->out_h = flat ? 1 : static_cast<int32_t>(dims[1]);
  window->out_w = static_cast<int32_t>(dims[1 + w]);
  window->kernel_h = flat ? 1 : static_cast<int32_t>(kernel[0]);
  window->kernel_w = static_cast<int32_t>(kernel[w]);
  window->stride_h = flat ? 1 : static_cast<int32_t>(stride[0]);
  window->stride_w = static_cast<int32_t>(stride[w]);
  window->pad_top = flat ? 0 : static_cast<int32_t>(pads[0]);
  window->pad_left = static_cast<int32_t>(pads[w]);
  window->pad_right = static_cast<int32_t>(pads[w + spatial]);
  return {};
}

}  // namespace shrike
