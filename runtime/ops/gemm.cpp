// Gemm: a 1x1 convolution over the rows of [..., C]; filter [1, 1, C, N], alpha = beta = 1, nothing
// transposed (spec/numerics.md 3.1, spec/espdl-format.md 6.1).
#include "ops/checks.h"
#include "ops/conv_plan.h"

namespace shrike {
namespace {

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 3));
  const Tensor& input = *node.inputs[0];
  const Tensor& filter = *node.inputs[1];
  Tensor& output = *node.outputs[0];
  if (node.attributes.integer("transA", 0) != 0 || node.attributes.integer("transB", 0) != 0) {
    return node.error(StatusCode::kBadAttribute, "transA or transB is not 0");
  }
  if (node.attributes.real("alpha", 1) != 1 || node.attributes.real("beta", 1) != 1) {
    return node.error(StatusCode::kBadAttribute, "alpha or beta is not 1");
  }
  if (!filter.constant || filter.shape.rank != 4 || filter.shape.dims[0] != 1 || filter.shape.dims[1] != 1) {
    return node.error(StatusCode::kBadShape, "the filter is not a constant of shape [1, 1, C, N]");
  }
  const int32_t rank = input.shape.rank;
  if (rank < 1 || input.shape.dims[rank - 1] != filter.shape.dims[2]) {
    return node.error(StatusCode::kBadShape, "filter input channels differ from the input's");
  }
  int64_t dims[kMaxRank];
  for (int32_t i = 0; i < rank; ++i) dims[i] = input.shape.dims[i];
  dims[rank - 1] = filter.shape.dims[3];
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, rank));

  const int32_t rows = static_cast<int32_t>(product(input.shape, 0, rank - 1));
  ConvRequest request{};
  request.geometry = {.in_h = 1,
                      .in_w = rows,
                      .in_c = filter.shape.dims[2],
                      .out_h = 1,
                      .out_w = rows,
                      .out_c = filter.shape.dims[3],
                      .kernel_h = 1,
                      .kernel_w = 1,
                      .stride_h = 1,
                      .stride_w = 1,
                      .dilation_h = 1,
                      .dilation_w = 1,
                      .pad_top = 0,
                      .pad_left = 0,
                      .depthwise = false};
  request.images = 1;
  request.input = &input;
  request.filter = &filter;
  request.bias = node.input_count > 2 && node.inputs[2]->present() ? node.inputs[2] : nullptr;
  request.output = &output;
  ConvPlan* plan = new_parameters<ConvPlan>(node);
  if (plan == nullptr) return node.arena_status();
  return plan_convolution(node, request, plan);
}

void run(const Run& node) {
  const ConvPlan& plan = *static_cast<const ConvPlan*>(node.parameters);
  run_convolution(plan, node, node.inputs[0]->data, nullptr, node.outputs[0]->data);
}

}  // namespace

extern const Operator op_gemm = {"Gemm", prepare, run};

}  // namespace shrike
