// shrike/shrike.h over the C++ API.
#include "chips/chip.h"
#include "shrike/detector.h"
#include "shrike/image.h"
#include "shrike/model.h"
#include "shrike/shrike.h"
#include "shrike/version.h"

namespace {

using shrike::Model;
using shrike::Status;
using shrike::StatusCode;

static_assert(sizeof(Model) <= sizeof(shrike_model) && alignof(Model) <= alignof(shrike_model));
static_assert(static_cast<int>(StatusCode::kWrongTarget) == SHRIKE_WRONG_TARGET);
static_assert(static_cast<int>(shrike::PixelFormat::kGray8) == SHRIKE_GRAY8);
static_assert(sizeof(shrike_detection) == sizeof(shrike::Detection));

Model& model_of(shrike_model* model) {
  return *reinterpret_cast<Model*>(model->bytes);
}
const Model& model_of(const shrike_model* model) {
  return *reinterpret_cast<const Model*>(model->bytes);
}

shrike_status to_c(const Status& status) {
  return {static_cast<int32_t>(status.code), status.node, status.offset, status.needed, status.detail};
}

shrike_status bad_argument(const char* detail) {
  return to_c(shrike::make_status(StatusCode::kBadArgument, detail));
}

shrike_tensor to_c(const shrike::TensorView& view) {
  shrike_tensor tensor = {};
  tensor.name = view.name.data;
  tensor.name_bytes = view.name.size;
  tensor.type = static_cast<int32_t>(view.type);
  tensor.rank = view.shape.rank;
  for (int32_t i = 0; i < view.shape.rank; ++i) tensor.dims[i] = view.shape.dims[i];
  tensor.exponent = view.exponent;
  tensor.data = view.data;
  tensor.bytes = view.bytes;
  return tensor;
}

}  // namespace

extern "C" {

const char* shrike_version(void) {
  return SHRIKE_VERSION_STRING;
}

const char* shrike_status_text(int32_t code) {
  switch (code) {
    case SHRIKE_OK:
      return "ok";
    case SHRIKE_BAD_ARGUMENT:
      return "an argument is missing, unaligned or out of order";
    case SHRIKE_TRUNCATED:
      return "the file ends too early";
    case SHRIKE_BAD_MAGIC:
      return "not an .espdl file";
    case SHRIKE_ENCRYPTED:
      return "the file is encrypted";
    case SHRIKE_CORRUPT:
      return "the file is damaged";
    case SHRIKE_UNSUPPORTED_OPERATOR:
      return "an operator is not in the set given";
    case SHRIKE_UNSUPPORTED_TYPE:
      return "an operator does not exist for this data type";
    case SHRIKE_BAD_ATTRIBUTE:
      return "a node's attribute is not valid";
    case SHRIKE_BAD_SHAPE:
      return "shapes do not fit together";
    case SHRIKE_BAD_EXPONENT:
      return "exponents break an operator's rule";
    case SHRIKE_UNKNOWN_TENSOR:
      return "a tensor is produced by nothing";
    case SHRIKE_DUPLICATE_TENSOR:
      return "two tensors share a name";
    case SHRIKE_ARENA_TOO_SMALL:
      return "more memory is needed";
    case SHRIKE_NOT_FOUND:
      return "there is nothing of that name";
    case SHRIKE_WRONG_TARGET:
      return "the file is made for another chip";
    default:
      return "no such status";
  }
}

shrike_status shrike_load(shrike_model* model, const void* file, size_t file_bytes,
                          const shrike_options* options) {
  if (model == nullptr || options == nullptr) return bad_argument("no model or no options given");
  Model& loaded = model_of(model);
  loaded = Model();
  shrike::ModelOptions own;
  own.operators = reinterpret_cast<const shrike::OperatorSet*>(options->operators);
  own.kernels = reinterpret_cast<const shrike::KernelSet*>(options->kernels);
  own.internal = {options->internal, options->internal_bytes};
  own.force_target = options->force_chip != 0;
  if (options->chip != nullptr) {
    const shrike::Chip* chip = shrike::find_chip(options->chip);
    if (chip == nullptr) return bad_argument("no such chip");
    own.target = chip->target;
  }
  return to_c(loaded.load(file, file_bytes, options->arena, options->arena_bytes, own));
}

shrike_size_report shrike_sizes(const shrike_model* model) {
  const shrike::MemoryReport memory = model_of(model).memory();
  return {memory.arena_bytes, memory.internal_bytes, memory.activation_bytes, model_of(model).input_count(),
          model_of(model).output_count()};
}

const char* shrike_chip(const shrike_model* model) {
  return shrike::chip_of(model_of(model).target()).name;
}

shrike_tensor shrike_input(const shrike_model* model, int32_t index) {
  return to_c(model_of(model).input(index));
}

shrike_tensor shrike_output(const shrike_model* model, int32_t index) {
  return to_c(model_of(model).output(index));
}

shrike_status shrike_picture(shrike_model* model, const shrike_image* image, shrike_placement* placement) {
  if (image == nullptr || image->format < SHRIKE_RGB888 || image->format > SHRIKE_GRAY8) {
    return bad_argument("no picture given, or one of an unknown format");
  }
  shrike::ImagePlacement placed;
  const shrike::ImageView view = {image->pixels, image->width, image->height,
                                  static_cast<shrike::PixelFormat>(image->format)};
  const Status status =
      shrike::preprocess(view, shrike::preprocess_options(model_of(model)), model_of(model), &placed);
  if (placement != nullptr) {
    *placement = {placed.inverse_scale_x, placed.inverse_scale_y, placed.left, placed.top,
                  placed.image_width,     placed.image_height};
  }
  return to_c(status);
}

shrike_status shrike_run(shrike_model* model) {
  return to_c(model_of(model).run());
}

shrike_status shrike_detect(const shrike_model* model, const shrike_head_set* heads,
                            const shrike_placement* placement, const shrike_detect_options* options,
                            void* scratch, size_t scratch_bytes, shrike_detection* detections,
                            int32_t* count) {
  if (heads == nullptr || placement == nullptr || detections == nullptr || count == nullptr) {
    return bad_argument("decoders of heads, a placement and memory for detections must be given");
  }
  shrike::DetectOptions own;
  own.max_detections = *count;
  if (options != nullptr) {
    own.score_threshold = options->score_threshold;
    own.iou_threshold = options->iou_threshold;
    own.max_candidates = options->max_candidates;
  }
  *count = 0;
  shrike::Head head;
  const Status status =
      shrike::find_head(model_of(model), *reinterpret_cast<const shrike::HeadSet*>(heads), &head);
  if (!status.ok()) return to_c(status);
  shrike::ImagePlacement placed;
  placed.inverse_scale_x = placement->inverse_scale_x;
  placed.inverse_scale_y = placement->inverse_scale_y;
  placed.left = placement->left;
  placed.top = placement->top;
  placed.image_width = placement->image_width;
  placed.image_height = placement->image_height;
  return to_c(shrike::decode_detections(head, placed, own, scratch, scratch_bytes,
                                        reinterpret_cast<shrike::Detection*>(detections), count));
}

}  // extern "C"
