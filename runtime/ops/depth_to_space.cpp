// DepthToSpace and SpaceToDepth on [N,H,W,C]: pure copies between channels and blocks of pixels. As on the
// chip, differing exponents are ignored (spec/numerics.md section 7).
#include "ops/checks.h"
#include "ops/constants.h"
#include "ops/strided_copy.h"

namespace shrike {
namespace {

// Both operators move between the picture [N, H*b, W*b, C] and the deep tensor [N, H, W, b*b*C]. The deep
// channel is (y*b + x)*C + c, or c*b*b + y*b + x when `channel_first` (mode CRD).
struct Geometry {
  int64_t height, width, block, channels;  // of the deep tensor's picture plane
  bool channel_first;
};

void build_copy(const Geometry& g, int32_t batch, uint32_t element, bool from_deep, StridedCopy* copy) {
  const ptrdiff_t b = static_cast<ptrdiff_t>(g.block), c = static_cast<ptrdiff_t>(g.channels);
  const ptrdiff_t h = static_cast<ptrdiff_t>(g.height), w = static_cast<ptrdiff_t>(g.width);
  const ptrdiff_t e = static_cast<ptrdiff_t>(element);
  const ptrdiff_t deep_y = g.channel_first ? b * e : b * c * e;
  const ptrdiff_t deep_x = g.channel_first ? e : c * e;
  const ptrdiff_t deep_c = g.channel_first ? b * b * e : e;
  const ptrdiff_t deep_pixel = b * b * c * e;
  const ptrdiff_t flat_pixel = c * e;
  const ptrdiff_t flat_row = w * b * flat_pixel;
  const int32_t sizes[6] = {batch,
                            static_cast<int32_t>(h),
                            static_cast<int32_t>(b),
                            static_cast<int32_t>(w),
                            static_cast<int32_t>(b),
                            static_cast<int32_t>(c)};
  const ptrdiff_t deep[6] = {h * w * deep_pixel, w * deep_pixel, deep_y, deep_pixel, deep_x, deep_c};
  const ptrdiff_t flat[6] = {h * b * flat_row, b * flat_row, flat_row, b * flat_pixel, flat_pixel, e};
  copy->block = element;
  for (int32_t i = 0; i < 6; ++i) {
    copy->add_axis(sizes[i], from_deep ? deep[i] : flat[i], from_deep ? flat[i] : deep[i]);
  }
  simplify(copy);
}

Status check(const Prepare& node, int64_t* block) {
  SHRIKE_RETURN_IF_ERROR(expect_operands(node, 1, 1));
  SHRIKE_RETURN_IF_ERROR(expect_same_type(node, *node.inputs[0], *node.outputs[0]));
  if (node.inputs[0]->shape.rank != 4) return node.error(StatusCode::kBadShape, "the input is not NHWC");
  *block = node.attributes.integer("blocksize", 0);
  if (*block < 1 || *block > 4096)
    return node.error(StatusCode::kBadAttribute, "blocksize is missing or out of range");
  return {};
}

Status prepare_depth_to_space(Prepare& node) {
  Geometry g = {};
  SHRIKE_RETURN_IF_ERROR(check(node, &g.block));
  const Text mode = node.attributes.text("mode");
  g.channel_first = mode == "CRD";
  if (!g.channel_first && mode.size != 0 && !(mode == "DCR")) {
    return node.error(StatusCode::kBadAttribute, "mode is not DCR or CRD");
  }
  const int32_t* from = node.inputs[0]->shape.dims;
  if (from[3] % (g.block * g.block) != 0) {
    return node.error(StatusCode::kBadShape, "the channels are not a multiple of the squared block size");
  }
  g.height = from[1];
  g.width = from[2];
  g.channels = from[3] / (g.block * g.block);
  const int64_t dims[4] = {from[0], g.height * g.block, g.width * g.block, g.channels};
  SHRIKE_RETURN_IF_ERROR(set_shape(node, node.outputs[0], dims, 4));
  StridedCopy* copy = new_parameters<StridedCopy>(node);
  if (copy == nullptr) return node.arena_status();
  build_copy(g, from[0], size_of(node.inputs[0]->type), true, copy);
  return {};
}

Status prepare_space_to_depth(Prepare& node) {
  Geometry g = {};
  SHRIKE_RETURN_IF_ERROR(check(node, &g.block));
  const int32_t* from = node.inputs[0]->shape.dims;
  if (from[1] % g.block != 0 || from[2] % g.block != 0) {
    return node.error(StatusCode::kBadShape, "height or width is not a multiple of the block size");
  }
  g.height = from[1] / g.block;
  g.width = from[2] / g.block;
  g.channels = from[3];
  const int64_t dims[4] = {from[0], g.height, g.width, g.channels * g.block * g.block};
  SHRIKE_RETURN_IF_ERROR(set_shape(node, node.outputs[0], dims, 4));
  StridedCopy* copy = new_parameters<StridedCopy>(node);
  if (copy == nullptr) return node.arena_status();
  build_copy(g, from[0], size_of(node.inputs[0]->type), false, copy);
  return {};
}

void run(const Run& node) {
  run_copy(*static_cast<const StridedCopy*>(node.parameters), node.inputs[0]->data, node.outputs[0]->data,
           node.workers);
}

}  // namespace

extern const Operator op_depth_to_space = {"DepthToSpace", prepare_depth_to_space, run};
extern const Operator op_space_to_depth = {"SpaceToDepth", prepare_space_to_depth, run};

}  // namespace shrike
