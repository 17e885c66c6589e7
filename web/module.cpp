// The runtime as the page calls it: a file, a picture or raw integers in; JSON about tensors and what a head
// found out. Everything that counts (letterbox, layers, decoding, hashes) is the device floor's, so that
// integers and boxes are those of `shrike run` and `shrike detect --mode chip`.
//
// One model at a time. Texts that functions return are valid until the next call.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "chips/chip.h"
#include "kernels/kernels.h"
#include "shrike/detector.h"
#include "shrike/image.h"
#include "shrike/inspect.h"
#include "shrike/sha256.h"
#include "shrike/shrike.h"
#include "toolchain/data/classes.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/host/tensors.h"
#include "web/json_text.h"
#include "web/self_test.h"

#define SHRIKE_EXPORT extern "C" __attribute__((used, visibility("default")))

namespace shrike::web {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMostBytes = size_t{2000} << 20;  // WebAssembly's memory here ends at 2 GiB
constexpr int32_t kShownClasses = 5, kMostDetections = 300, kMostCandidates = 30000;

// Memory that may be refused.
class Buffer {
 public:
  uint8_t* resize(size_t bytes) {
    std::free(data_);
    data_ =
        bytes > kMostBytes
            ? nullptr
            : static_cast<uint8_t*>(std::aligned_alloc(kAlignment, (bytes / kAlignment + 1) * kAlignment));
    bytes_ = data_ == nullptr ? 0 : bytes;
    return data_;
  }
  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

enum class Task { kTensors, kObjects, kClasses };

struct Session {
  Buffer file, arena, picture, scratch, masks;
  InspectableModel model;
  Task task = Task::kTensors;
  bool softmax = false;
  ImagePlacement placement;
  std::string answer;
};

Session session;

const char* answer(const JsonText& json) {
  session.answer = json.str();
  return session.answer.c_str();
}

const char* answer_error(const Status& status) {
  JsonText json;
  json.open('{').key("error").open('{');
  json.key("code").text(shrike_status_text(static_cast<int32_t>(status.code)));
  json.key("detail").text(status.detail);
  json.key("node").number(int64_t{status.node}).key("offset").number(int64_t{status.offset});
  json.key("needed").number(static_cast<int64_t>(status.needed));
  return answer(json.close('}').close('}'));
}

const char* answer_no_memory(uint64_t needed) {
  Status status = make_status(StatusCode::kArenaTooSmall, "the browser gives this page no more memory");
  status.needed = needed;
  return answer_error(status);
}

// One vector of numbers, a class each (as toolchain/evaluate/integer_backend.cpp tells a classifier).
bool is_vector(const TensorView& output) {
  return output.shape.rank == 2 && output.shape.dims[0] == 1 && output.shape.dims[1] > 1;
}

bool takes_pictures(const InspectableModel& model) {
  const TensorView input = model.input(0);
  return model.input_count() == 1 && input.shape.rank == 4 && input.shape.dims[0] == 1 &&
         (input.shape.dims[3] == 1 || input.shape.dims[3] == 3) &&
         (input.type == DataType::kInt8 || input.type == DataType::kInt16);
}

void tensor_json(const TensorView& tensor, JsonText& json) {
  json.open('{').key("name").text(host::to_string(tensor.name));
  json.key("type").text(host::type_name(tensor.type)).key("shape").open('[');
  for (int32_t i = 0; i < tensor.shape.rank; ++i) json.number(int64_t{tensor.shape.dims[i]});
  json.close(']').key("exponent").number(int64_t{tensor.exponent});
  json.key("bytes").number(static_cast<int64_t>(tensor.bytes));
}

void hashed_json(const TensorView& tensor, JsonText& json) {
  tensor_json(tensor, json);
  json.key("sha256").text(sha256_text(tensor.data, static_cast<size_t>(tensor.bytes)).digits).close('}');
}

const char* name_of(Fit fit) {
  return fit == Fit::kStretch ? "stretch" : fit == Fit::kCenterCrop ? "center crop" : "letterbox";
}

void picture_json(JsonText& json) {
  const TensorView input = session.model.input(0);
  const PreprocessOptions options = preprocess_options(session.model);
  json.key("picture").open('{');
  json.key("height").number(int64_t{input.shape.dims[1]}).key("width").number(int64_t{input.shape.dims[2]});
  json.key("channels").number(int64_t{input.shape.dims[3]});
  json.key("bgr").yes_or_no(options.swap_red_blue).key("fit").text(name_of(options.fit));
  json.key("background").number(int64_t{options.background[0]});
  const size_t channels = static_cast<size_t>(input.shape.dims[3]);
  json.key("mean").open('[');
  for (size_t c = 0; c < channels; ++c) json.number(options.mean[c]);
  json.close(']').key("std").open('[');
  for (size_t c = 0; c < channels; ++c) json.number(options.std[c]);
  json.close(']').close('}');
}

// As toolchain/evaluate/class_names.cpp: the file's, COCO's for 80, else numbers.
void names_json(int64_t count, JsonText& json) {
  std::optional<std::vector<std::string>> names =
      evaluate::parse_names(host::to_string(session.model.metadata("names")));
  const bool given = names && static_cast<int64_t>(names->size()) == count;
  const bool guessed = !given && count == static_cast<int64_t>(data::kCocoClasses.size());
  json.key("names").text(given ? "file" : guessed ? "coco" : "numbers").key("classes").open('[');
  for (int64_t i = 0; i < count; ++i) {
    const size_t at = static_cast<size_t>(i);
    if (given) {
      json.text((*names)[at]);
    } else if (guessed) {
      json.text(data::kCocoClasses[at].name);
    } else {
      json.text("class " + std::to_string(i));
    }
  }
  json.close(']');
}

const char* kind_text(HeadKind kind) {
  switch (kind) {
    case HeadKind::kKeyPoints:
      return "key points";
    case HeadKind::kMasks:
      return "masks";
    case HeadKind::kRotatedBoxes:
      return "turned boxes";
    default:
      return "boxes";
  }
}

void task_json(JsonText& json) {
  const InspectableModel& model = session.model;
  Head head;
  session.task = Task::kTensors;
  if (find_head(model, kAllHeads, &head).ok()) {
    session.task = Task::kObjects;
    json.key("task").text(kind_text(head.kind)).key("head").text(decoder_name(head));
    json.key("key_points").number(int64_t{head.key_points});
    names_json(head.levels[0].score.shape.dims[3] / std::max(head.anchor_count, 1), json);
  } else if (model.output_count() == 1 && is_vector(model.output(0))) {
    session.task = Task::kClasses;
    session.softmax = model.node_count() == 0 || !(model.node_type(model.node_count() - 1) == "Softmax");
    json.key("task").text("classes");
    names_json(model.output(0).shape.elements(), json);
  } else {
    json.key("task").text("tensors");
  }
}

Status load(uint64_t* needed) {
  ModelOptions options;
  options.operators = &kAllOperators;
  options.kernels = best_kernels();
  size_t bytes = (size_t{1} << 20) + 4 * session.file.bytes();
  for (;;) {
    *needed = bytes;
    if (session.arena.resize(bytes) == nullptr)
      return make_status(StatusCode::kArenaTooSmall, "the browser gives this page no more memory");
    session.model = InspectableModel();
    const Status status = session.model.load(session.file.data(), session.file.bytes(), session.arena.data(),
                                             session.arena.bytes(), options);
    if (status.code != StatusCode::kArenaTooSmall) return status;
    const uint64_t more = status.needed > bytes ? status.needed : uint64_t{2} * bytes;
    bytes = more > kMostBytes ? kMostBytes + 1 : static_cast<size_t>(more);
  }
}

void points_json(const Head& head, const Detection& found, JsonText& json) {
  std::vector<KeyPoint> points(static_cast<size_t>(head.key_points));
  if (!decode_key_points(head, found, session.placement, DetectMode::kChip, points.data()).ok()) return;
  json.key("points").open('[');
  for (const KeyPoint& point : points) {
    json.open('[').number(point.x).number(point.y).number(point.score).close(']');
  }
  json.close(']');
}

// The mask itself stays in memory: `at` says where.
void mask_json(const Head& head, const Detection& found, std::vector<uint8_t>& scratch, uint8_t* at,
               size_t bytes, JsonText& json) {
  const MaskArea area = mask_area(found, DetectMode::kChip);
  if (!decode_mask(head, found, session.placement, DetectMode::kChip, scratch.data(), scratch.size(), at,
                   bytes)
           .ok()) {
    return;
  }
  json.key("mask").open('{').key("x").number(int64_t{area.x}).key("y").number(int64_t{area.y});
  json.key("width").number(int64_t{area.width}).key("height").number(int64_t{area.height});
  json.key("at").number(static_cast<int64_t>(reinterpret_cast<uintptr_t>(at))).close('}');
}

size_t mask_bytes(const Detection& found) {
  const MaskArea area = mask_area(found, DetectMode::kChip);
  return static_cast<size_t>(area.width) * static_cast<size_t>(area.height);
}

void objects_json(const Head& head, const std::vector<Detection>& objects, JsonText& json) {
  const bool masks = head.kind == HeadKind::kMasks && head.prototypes.type != DataType::kUndefined;
  std::vector<uint8_t> scratch(masks ? mask_scratch_bytes(head) : 0);
  size_t needed = 0, used = 0;
  for (const Detection& found : objects) needed += masks ? mask_bytes(found) : 0;
  const uint8_t* memory = masks ? session.masks.resize(needed) : nullptr;
  json.key("objects").open('[');
  for (const Detection& found : objects) {
    json.open('{').key("category").number(int64_t{found.category}).key("score").number(found.score);
    json.key("box").open('[').number(found.x1).number(found.y1).number(found.x2).number(found.y2).close(']');
    json.key("angle").number(found.angle);
    if (head.kind == HeadKind::kKeyPoints) points_json(head, found, json);
    if (memory != nullptr) {
      mask_json(head, found, scratch, session.masks.data() + used, mask_bytes(found), json);
      used += mask_bytes(found);
    }
    json.close('}');
  }
  json.close(']');
}

}  // namespace
}  // namespace shrike::web

using namespace shrike;
using namespace shrike::web;

// Where the caller puts a file of so many bytes; null: there is no such memory.
SHRIKE_EXPORT uint8_t* file_memory(size_t bytes) {
  session.model = InspectableModel();
  return session.file.resize(bytes);
}

// Loads the file that lies in file_memory and says what it is.
SHRIKE_EXPORT const char* open_file() {
  uint64_t needed = 0;
  const Status status = load(&needed);
  if (status.code == StatusCode::kArenaTooSmall) return answer_no_memory(needed);
  if (!status.ok()) return answer_error(status);
  const InspectableModel& model = session.model;
  JsonText json;
  json.open('{').key("chip").text(chip_of(model.target()).name);
  json.key("chip_assumed").yes_or_no(model.target_assumed());
  json.key("isa").text(best_kernels()->isa).key("version").text(shrike_version());
  json.key("graph").text(host::to_string(model.graph_name()));
  json.key("nodes").number(int64_t{model.node_count()});
  uint64_t macs = 0;
  for (int32_t i = 0; i < model.node_count(); ++i) macs += model.node_macs(i);
  json.key("macs").number(static_cast<int64_t>(macs));
  json.key("arena_bytes").number(static_cast<int64_t>(model.memory().arena_bytes));
  json.key("activation_bytes").number(static_cast<int64_t>(model.memory().activation_bytes));
  json.key("inputs").open('[');
  for (int32_t i = 0; i < model.input_count(); ++i) {
    tensor_json(model.input(i), json);
    json.close('}');
  }
  json.close(']').key("outputs").open('[');
  for (int32_t i = 0; i < model.output_count(); ++i) {
    tensor_json(model.output(i), json);
    json.close('}');
  }
  json.close(']');
  if (takes_pictures(model)) picture_json(json);
  task_json(json);
  return answer(json.close('}'));
}

// {} when the file has no test vectors.
SHRIKE_EXPORT const char* self_test() {
  JsonText json;
  run_self_test(session.model, json);
  return answer(json);
}

// Where the caller puts a picture of so many bytes.
SHRIKE_EXPORT uint8_t* picture_memory(size_t bytes) {
  return session.picture.resize(bytes);
}

// Fills the input from the picture in picture_memory: rows of red, green, blue and an alpha that is left out.
SHRIKE_EXPORT const char* set_picture(int32_t width, int32_t height) {
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  uint8_t* memory = session.picture.data();
  if (width < 1 || height < 1 || session.picture.bytes() / 4 < pixels)
    return answer_error(make_status(StatusCode::kBadArgument, "the picture is empty"));
  for (size_t i = 0; i < pixels; ++i) std::memmove(memory + 3 * i, memory + 4 * i, 3);
  const ImageView image{memory, width, height, PixelFormat::kRgb888};
  const Status status =
      preprocess(image, preprocess_options(session.model), session.model, &session.placement);
  return status.ok() ? answer(JsonText().open('{').close('}')) : answer_error(status);
}

// Generated input, as `shrike run --seed` makes it.
SHRIKE_EXPORT void set_seed(uint32_t seed) {
  host::fill_inputs(session.model, seed);
}

// The memory of an input, for raw integers.
SHRIKE_EXPORT uint8_t* input_memory(int32_t index) {
  return static_cast<uint8_t*>(session.model.input(index).data);
}

// Hashes of the inputs; before a run, which reuses their memory.
SHRIKE_EXPORT const char* hash_inputs() {
  JsonText json;
  json.open('[');
  for (int32_t i = 0; i < session.model.input_count(); ++i) hashed_json(session.model.input(i), json);
  return answer(json.close(']'));
}

SHRIKE_EXPORT const char* hash_outputs() {
  JsonText json;
  json.open('[');
  for (int32_t i = 0; i < session.model.output_count(); ++i) hashed_json(session.model.output(i), json);
  return answer(json.close(']'));
}

// Forgets what StreamingCache keeps from one run to the next.
SHRIKE_EXPORT void reset() {
  session.model.reset();
}

SHRIKE_EXPORT const char* run() {
  const Status status = session.model.run();
  if (!status.ok()) return answer_error(status);
  JsonText json;
  json.open('{').key("saturated");
  json.number(static_cast<int64_t>(session.model.saturated_accumulators()));
  return answer(json.close('}'));
}

// What the head found in the picture that was run: objects or classes, best first.
SHRIKE_EXPORT const char* decode(float score_threshold, float iou_threshold, int32_t most) {
  JsonText json;
  json.open('{');
  if (session.task == Task::kClasses) {
    ClassScore best[kShownClasses];
    int32_t count = 0;
    const Status status =
        decode_classes(session.model.output(0), session.softmax, -std::numeric_limits<float>::infinity(),
                       best, kShownClasses, &count);
    if (!status.ok()) return answer_error(status);
    json.key("classes").open('[');
    for (int32_t i = 0; i < count; ++i) {
      json.open('{').key("category").number(int64_t{best[i].category});
      json.key("score").number(best[i].score).close('}');
    }
    json.close(']');
  }
  if (session.task == Task::kObjects) {
    Head head;
    Status status = find_head(session.model, kAllHeads, &head);
    if (!status.ok()) return answer_error(status);
    DetectOptions options;
    options.score_threshold = score_threshold;
    options.iou_threshold = iou_threshold;
    options.max_detections = most < 1 ? 1 : most > kMostDetections ? kMostDetections : most;
    options.max_candidates = kMostCandidates;
    std::vector<Detection> objects(static_cast<size_t>(options.max_detections));
    const size_t bytes = detect_scratch_bytes(options);
    if (session.scratch.bytes() < bytes && session.scratch.resize(bytes) == nullptr)
      return answer_no_memory(bytes);
    int32_t count = 0;
    status = decode_detections(head, session.placement, options, session.scratch.data(), bytes,
                               objects.data(), &count);
    if (!status.ok()) return answer_error(status);
    objects.resize(static_cast<size_t>(count));
    objects_json(head, objects, json);
  }
  return answer(json.close('}'));
}
