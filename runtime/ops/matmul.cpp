// MatMul: [..., M, K] x [..., K, N] with broadcast leading axes, each product a 1x1 convolution over M rows.
// The right operand, constant or variable, is stored like a filter: blocked, or transposed on esp32
// (spec/espdl-format.md 6.2-6.4).
#include "ops/checks.h"
#include "ops/conv_plan.h"
#include "ops/parallel.h"

namespace shrike {
namespace {

struct Parameters {
  ConvPlan plan;
  int32_t batch_rank;
  int32_t batch[kMaxRank];
  // Elements from one product's operand to the next along each batch axis; 0 where the operand is broadcast.
  int64_t left_step[kMaxRank], right_step[kMaxRank];
  int64_t output_elements;
  // Threads that compute whole products side by side, each with scratch of its own: its count of saturated
  // sums, then that of the plan. 1: every product is shared out by itself.
  int32_t slots;
  uint64_t slot_scratch;
};

constexpr uint64_t kCountBytes = 64;

// Leading axes of an operand, right-aligned to `rank` axes and filled up with ones.
void leading_axes(const Shape& shape, int32_t matrix_rank, int32_t rank, int32_t* dims) {
  const int32_t own = shape.rank - matrix_rank;
  for (int32_t i = 0; i < rank; ++i) dims[i] = i < rank - own ? 1 : shape.dims[i - (rank - own)];
}

void batch_steps(const int32_t* dims, int32_t rank, int64_t matrix, int64_t* steps) {
  int64_t step = matrix;
  for (int32_t i = rank - 1; i >= 0; --i) {
    steps[i] = dims[i] == 1 ? 0 : step;
    step *= dims[i];
  }
}

Status prepare(Prepare& node) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 2, 2));
  const Tensor& left = *node.inputs[0];
  const Tensor& right = *node.inputs[1];
  Tensor& output = *node.outputs[0];
  if (left.shape.rank < 1 || right.shape.rank < 1)
    return node.error(StatusCode::kBadShape, "an operand is a scalar");
  const int32_t left_matrix = left.shape.rank == 1 ? 1 : 2;
  const int32_t right_matrix = right.shape.rank == 1 ? 1 : 2;
  const int32_t inner = left.shape.dims[left.shape.rank - 1];
  const int32_t rows = left_matrix == 1 ? 1 : left.shape.dims[left.shape.rank - 2];
  const int32_t columns = right_matrix == 1 ? 1 : right.shape.dims[right.shape.rank - 1];
  if (right.shape.dims[right.shape.rank - right_matrix] != inner) {
    return node.error(StatusCode::kBadShape, "inner sizes of the operands differ");
  }
  Parameters* parameters = new_parameters<Parameters>(node);
  if (parameters == nullptr) return node.arena_status();
  const int32_t left_batch = left.shape.rank - left_matrix, right_batch = right.shape.rank - right_matrix;
  const int32_t batch_rank = left_batch > right_batch ? left_batch : right_batch;
  int32_t left_dims[kMaxRank], right_dims[kMaxRank];
  leading_axes(left.shape, left_matrix, batch_rank, left_dims);
  leading_axes(right.shape, right_matrix, batch_rank, right_dims);
  int64_t dims[kMaxRank + 2];
  int64_t products = 1;
  for (int32_t i = 0; i < batch_rank; ++i) {
    if (left_dims[i] != right_dims[i] && left_dims[i] != 1 && right_dims[i] != 1) {
      return node.error(StatusCode::kBadShape, "leading axes of the operands can't be broadcast");
    }
    parameters->batch[i] = left_dims[i] > right_dims[i] ? left_dims[i] : right_dims[i];
    dims[i] = parameters->batch[i];
  }
  int32_t rank = batch_rank;
  if (left_matrix == 2) dims[rank++] = rows;
  if (right_matrix == 2) dims[rank++] = columns;
  if (rank == 0) dims[rank++] = 1;  // vector times vector: the files have one axis of one element
  SHRIKE_RETURN_IF_ERROR(set_shape(node, &output, dims, rank));
  for (int32_t i = 0; i < batch_rank; ++i) products *= parameters->batch[i];
  parameters->batch_rank = batch_rank;
  batch_steps(left_dims, batch_rank, int64_t{rows} * inner, parameters->left_step);
  batch_steps(right_dims, batch_rank, int64_t{inner} * columns, parameters->right_step);
  parameters->output_elements = int64_t{rows} * columns;

  ConvRequest request{};
  request.geometry = {.in_h = 1,
                      .in_w = rows,
                      .in_c = inner,
                      .out_h = 1,
                      .out_w = rows,
                      .out_c = columns,
                      .kernel_h = 1,
                      .kernel_w = 1,
                      .stride_h = 1,
                      .stride_w = 1,
                      .dilation_h = 1,
                      .dilation_w = 1,
                      .pad_top = 0,
                      .pad_left = 0,
                      .depthwise = false};
  request.images = static_cast<int32_t>(products);
  request.input = &left;
  request.filter = &right;
  request.output = &output;
  request.weights_vary = !right.constant || right.shape.elements() != int64_t{inner} * columns;
  // Where every thread gets a product, each packs its own right operands: sharing out single products would
  // leave that to one.
  constexpr int64_t kMacsWorthSharing = 200000;
  const int64_t all_macs = products * rows * inner * columns;
  const bool whole =
      kCodeIsCheap && request.weights_vary && products >= node.threads && all_macs >= kMacsWorthSharing;
  parameters->slots = whole ? slots_for(node.threads, request.images) : 1;
  if (whole) node.threads = 1;
  SHRIKE_RETURN_IF_ERROR(plan_convolution(node, request, &parameters->plan));
  if (kCodeIsCheap && parameters->slots > 1) {
    parameters->slot_scratch = kCountBytes + (node.scratch_bytes + 63) / 64 * 64;
    node.scratch_bytes = parameters->slot_scratch * static_cast<uint64_t>(parameters->slots);
  }
  return {};
}

void run_product(const Parameters& parameters, const Run& node, int32_t product) {
  const int64_t size = size_of(node.outputs[0]->type);
  const uint8_t* left = static_cast<const uint8_t*>(node.inputs[0]->data);
  const uint8_t* right = static_cast<const uint8_t*>(node.inputs[1]->data);
  uint8_t* output = static_cast<uint8_t*>(node.outputs[0]->data);
  int64_t left_offset = 0, right_offset = 0;
  for (int32_t i = parameters.batch_rank - 1, rest = product; i >= 0; --i) {
    const int32_t index = rest % parameters.batch[i];
    rest /= parameters.batch[i];
    left_offset += index * parameters.left_step[i];
    right_offset += index * parameters.right_step[i];
  }
  run_convolution(parameters.plan, node, left + left_offset * size, right + right_offset * size,
                  output + product * parameters.output_elements * size);
}

void run(const Run& node) {
  const Parameters& parameters = *static_cast<const Parameters*>(node.parameters);
  const int32_t products = parameters.plan.images;
  if (!kCodeIsCheap || parameters.slots == 1) {
    for (int32_t product = 0; product < products; ++product) run_product(parameters, node, product);
    return;
  }
  const auto scratch_of = [&](int32_t slot) {
    return static_cast<uint8_t*>(node.scratch) + static_cast<uint64_t>(slot) * parameters.slot_scratch;
  };
  const auto count_of = [&](int32_t slot) { return reinterpret_cast<SaturationCount*>(scratch_of(slot)); };
  for (int32_t slot = 0; slot < parameters.slots; ++slot) *count_of(slot) = {};
  share_out(node.workers, products, parameters.slots, [&](int32_t product, int32_t slot) {
    Run own = node;
    own.workers = calling_thread();
    own.scratch = scratch_of(slot) + kCountBytes;
    own.saturated = count_of(slot);
    run_product(parameters, own, product);
  });
  for (int32_t slot = 0; slot < parameters.slots; ++slot) node.saturated->add(*count_of(slot));
}

}  // namespace

extern const Operator op_matmul = {"MatMul", prepare, run};

}  // namespace shrike
