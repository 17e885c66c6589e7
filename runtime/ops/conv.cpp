// Conv, one- and two-dimensional, group 1 or depthwise: activations [N, H, W, C] or [N, W, C]
// (spec/espdl-format.md 5.1, 6.1).
#include "ops/checks.h"
#include "ops/conv_plan.h"

namespace shrike {
namespace {

constexpr int32_t kMaxSpatial = 1 << 24;
constexpr int64_t kMaxStep = 1 << 15;  // stride, dilation, pad, kernel side

// Attribute of `spatial` (pads: 2 * spatial) entries within [lowest, kMaxStep]; `fallback` everywhere when
// absent.
Status read_steps(const Prepare& node, const char* name, int32_t count, int64_t lowest, int64_t fallback,
                  int64_t* values) {
  const int32_t found = node.attributes.integers(name, values, count);
  if (found >= 0 && found != count)
    return node.error(StatusCode::kBadAttribute, "strides, dilations or pads of wrong length");
  for (int32_t i = 0; i < count; ++i) {
    if (found < 0) values[i] = fallback;
    if (values[i] < lowest || values[i] > kMaxStep) {
      return node.error(StatusCode::kBadAttribute, "a stride, dilation or pad is out of range");
    }
  }
  return {};
}

// Length of one axis of the output; below 1 when the window does not fit.
int64_t output_length(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, int64_t pads) {
  const int64_t room = input + pads - dilation * (kernel - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

Status read_geometry(const Prepare& node, ConvGeometry* geometry) {
  const Shape& input = node.inputs[0]->shape;
  const Shape& filter = node.inputs[1]->shape;
  const int32_t spatial = input.rank - 2;
  if ((spatial != 1 && spatial != 2) || filter.rank != input.rank) {
    return node.error(StatusCode::kBadShape, "input and filter are not of rank 3 or 4");
  }
  const bool flat = spatial == 1;
  int64_t strides[2] = {1, 1}, dilations[2] = {1, 1}, pads[4] = {};
  SHRIKE_RETURN_IF_ERROR(read_steps(node, "strides", spatial, 1, 1, strides + (flat ? 1 : 0)));
  SHRIKE_RETURN_IF_ERROR(read_steps(node, "dilations", spatial, 1, 1, dilations + (flat ? 1 : 0)));
  int64_t given[4];
  SHRIKE_RETURN_IF_ERROR(read_steps(node, "pads", 2 * spatial, 0, 0, given));
  pads[0] = flat ? 0 : given[0];  // top, left, bottom, right
  pads[1] = flat ? given[0] : given[1];
  pads[2] = flat ? 0 : given[2];
  pads[3] = flat ? given[1] : given[3];

  ConvGeometry& g = *geometry;
  g.in_h = flat ? 1 : input.dims[1];
  g.in_w = input.dims[input.rank - 2];
  g.in_c = input.dims[input.rank - 1];
  g.kernel_h = flat ? 1 : filter.dims[0];
  g.kernel_w = filter.dims[filter.rank - 3];
  const int32_t filter_c = filter.dims[filter.rank - 2];
  const int32_t filter_n = filter.dims[filter.rank - 1];
  const int64_t group = node.attributes.integer("group", 1);
  g.depthwise = group != 1;
  if (g.depthwise && (group != g.in_c || filter_n != 1)) {
    return node.error(StatusCode::kBadAttribute, "group is neither 1 nor the number of channels");
  }
  if (filter_c != g.in_c)
    return node.error(StatusCode::kBadShape, "filter input channels differ from the input's");
  g.out_c = g.depthwise ? g.in_c : filter_n;
  if (g.kernel_h > kMaxStep || g.kernel_w > kMaxStep || g.in_h > kMaxSpatial || g.in_w > kMaxSpatial) {
    return node.error(StatusCode::kBadShape, "kernel or picture is too large");
  }
  const int64_t out_h = output_length(g.in_h, g.kernel_h, strides[0], dilations[0], pads[0] + pads[2]);
  const int64_t out_w = output_length(g.in_w, g.kernel_w, strides[1], dilations[1], pads[1] + pads[3]);
  if (out_h < 1 || out_w < 1)
    return node.error(StatusCode::kBadShape, "the kernel is larger than the padded input");
  g.out_h = static_cast<int32_t>(out_h);
  g.out_w = static_cast<int32_t>(out_w);
  g.stride_h = static_cast<int32_t>(strides[0]);
  g.stride_w = static_cast<int32_t>(strides[1]);
  g.dilation_h = static_cast<int32_t>(dilations[0]);
  g.dilation_w = static_cast<int32_t>(dilations[1]);
  g.pad_top = static_cast<int32_t>(pads[0]);
  g.pad_left = static_cast<int32_t>(pads[1]);
  return {};
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 3));
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  if (!node.inputs[1]->constant) return node.error(StatusCode::kBadShape, "the filter is not a constant");
  ConvRequest request{};
  SHRIKE_RETURN_IF_ERROR(read_geometry(node, &request.geometry));
  const ConvGeometry& g = request.geometry;
  const int64_t shape_2d[] = {input.shape.dims[0], g.out_h, g.out_w, g.out_c};
  const int64_t shape_1d[] = {input.shape.dims[0], g.out_w, g.out_c};
  SHRIKE_RETURN_IF_ERROR(
      set_shape(node, &output, input.shape.rank == 4 ? shape_2d : shape_1d, input.shape.rank));
  request.images = input.shape.dims[0];
  request.input = &input;
  request.filter = node.inputs[1];
  request.bias = node.input_count > 2 && node.inputs[2]->present() ? node.inputs[2] : nullptr;
  request.output = &output;
  ConvPlan* plan = new_parameters<ConvPlan>(node);
  if (plan == nullptr) return node.arena_status();
  return plan_convolution(node, request, plan);
}

void run(const Run& node) {
  const ConvPlan& plan = *static_cast<const ConvPlan*>(node.parameters);
  const Tensor& input = *node.inputs[0];
  Tensor& output = *node.outputs[0];
  const uint64_t input_bytes = input.bytes() / static_cast<uint64_t>(plan.images);
  const uint64_t output_bytes = output.bytes() / static_cast<uint64_t>(plan.images);
  for (int32_t image = 0; image < plan.images; ++image) {
    run_convolution(
        plan, node, static_cast<const uint8_t*>(input.data) + static_cast<uint64_t>(image) * input_bytes,
        nullptr, static_cast<uint8_t*>(output.data) + static_cast<uint64_t>(image) * output_bytes);
  }
}

}  // namespace

extern const Operator op_conv = {"Conv", prepare, run};

}  // namespace shrike
