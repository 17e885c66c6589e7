// The program that runs a model with Shrike's own runtime, on the component of firmware/esp-idf/shrike.
#include "toolchain/board/templates.h"

namespace shrike::board {

const char kShrikeMain[] =
    R"(// @TITLE@: Shrike's runtime runs the network. Written by "shrike project"; yours to change.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

@INCLUDES@#include "esp_heap_caps.h"
#include "esp_timer.h"
#include "model.h"
#include "sdkconfig.h"
#include "shrike/detector.h"
#include "shrike/image.h"
#include "shrike/inspect.h"
#include "shrike/sha256.h"
#include "shrike_check.h"
#include "shrike_esp.h"

extern const shrike::OperatorSet kModelOperators;  // model_operators.cpp
extern const shrike::HeadSet kModelHeads;
@EXTERNS@
namespace {

shrike::InspectableModel model;

bool succeeded(const char* step, const shrike::Status& status) {
  if (!status.ok())
    printf("SHRIKE error: %s: %s (node %d)\n", step, status.detail, static_cast<int>(status.node));
  return status.ok();
}

bool load(const shrike::esp::Bytes& file) {
  void* arena = shrike::esp::allocate_arena(kArenaBytes);
  if (file.data == nullptr || arena == nullptr) {
    printf("SHRIKE error: %s\n", file.data == nullptr ? "no partition \"model\"" : "no memory for the arena");
    return false;
  }
  shrike::ModelOptions options;
  options.operators = &kModelOperators;
  options.kernels = &shrike::kPairKernels;
  options.target = shrike::Target::@CHIP@;
#ifdef CONFIG_MODEL_TWO_CORES
  options.workers = shrike::esp::start_workers();
#endif
  return succeeded("load", model.load(file.data, file.size, arena, kArenaBytes, options));
}

// Prints the fingerprint of every output; true when all are those of the picture on a PC.
[[maybe_unused]] bool print_outputs() {
  bool equal = true;
  for (const Output& output : kOutputs) {
    const shrike::TensorView tensor = model.output(output.name);
    const shrike::Sha256Text hash = shrike::sha256_text(tensor.data, output.bytes);
    printf("SHRIKE output sha256=%s %s\n", hash.digits, output.name);
    equal = equal && strcmp(hash.digits, output.on_picture) == 0;
  }
  return equal;
}

@CODE@
}  // namespace

extern "C" void app_main() {
  const shrike::esp::Bytes file = @FILE@;
  if (!load(file)) return;
#if defined(CONFIG_MODEL_HASHES) || defined(CONFIG_MODEL_PROFILE)
  shrike::esp::CheckOptions check;
  check.microseconds = esp_timer_get_time;
  check.shown_node = CONFIG_MODEL_SHOWN_NODE;
  if (!succeeded("check", shrike::esp::print_check(model, file.data, kModelBytes, check))) return;
#endif
@WORK@}
)";

// Common to the three: a picture in, then the network.
const char kShrikeBoxes[] = R"(constexpr size_t kMostCandidates = 1024;

class Detector {
 public:
  bool prepare(const shrike::ImageView& picture) {
    const int64_t start = esp_timer_get_time();
    const shrike::Status status =
        shrike::preprocess(picture, shrike::preprocess_options(model), model, &placement_);
    prepare_us_ = static_cast<int>(esp_timer_get_time() - start);
    return succeeded("preprocess", status);
  }

  void run() {
    const int64_t start = esp_timer_get_time();
    if (!succeeded("run", model.run())) return;
    const int64_t computed = esp_timer_get_time();
    shrike::DetectOptions options;
    options.score_threshold = kScoreThreshold;
    options.iou_threshold = kIouThreshold;
    options.max_detections = kMaxDetections;
    options.max_candidates = static_cast<int32_t>(kMostCandidates);
    static uint8_t scratch[12 * kMostCandidates + 16];
    shrike::Detection found[kMaxDetections];
    shrike::Head head;
    int32_t count = 0;
    if (!succeeded("head", shrike::find_head(model, kModelHeads, &head))) return;
    if (!succeeded("decode", shrike::decode_detections(head, placement_, options, scratch, sizeof scratch, found,
                                                       &count)))
      return;
    const int64_t decoded = esp_timer_get_time();
    for (int32_t i = 0; i < count; ++i) print(head, found[i]);
    printf("SHRIKE time pre_us=%d model_us=%d post_us=%d\n", prepare_us_, static_cast<int>(computed - start),
           static_cast<int>(decoded - computed));
  }

 private:
  void print(const shrike::Head& head, const shrike::Detection& box) {
    printf("SHRIKE box class=%d score=%.4f x1=%d y1=%d x2=%d y2=%d %s\n", static_cast<int>(box.category),
           static_cast<double>(box.score), static_cast<int>(box.x1), static_cast<int>(box.y1),
           static_cast<int>(box.x2), static_cast<int>(box.y2), class_name(box.category));
    if (head.kind == shrike::HeadKind::kRotatedBoxes)
      printf("SHRIKE angle radians=%.3f\n", static_cast<double>(box.angle));
@THIRD@  }

  shrike::ImagePlacement placement_;
  int prepare_us_ = 0;
};
)";

const char kShrikeClasses[] = R"(class Detector {
 public:
  bool prepare(const shrike::ImageView& picture) {
    const int64_t start = esp_timer_get_time();
    shrike::ImagePlacement placement;
    const shrike::Status status =
        shrike::preprocess(picture, shrike::preprocess_options(model), model, &placement);
    prepare_us_ = static_cast<int>(esp_timer_get_time() - start);
    return succeeded("preprocess", status);
  }

  void run() {
    const int64_t start = esp_timer_get_time();
    if (!succeeded("run", model.run())) return;
    const int64_t computed = esp_timer_get_time();
    shrike::ClassScore best[5];
    int32_t count = 0;
    if (!succeeded("decode", shrike::decode_classes(model.output(0), kSoftmaxMissing, 0, best, 5, &count))) return;
    for (int32_t i = 0; i < count; ++i) {
      printf("SHRIKE class %d score=%.4f %s\n", static_cast<int>(best[i].category),
             static_cast<double>(best[i].score), class_name(best[i].category));
    }
    printf("SHRIKE time pre_us=%d model_us=%d post_us=%d\n", prepare_us_, static_cast<int>(computed - start),
           static_cast<int>(esp_timer_get_time() - computed));
  }

 private:
  int prepare_us_ = 0;
};
)";

const char kShrikeRaw[] = R"(// What these outputs mean is not known: they stay as they are.
class Detector {
 public:
  bool prepare(const shrike::ImageView& picture) {
    shrike::ImagePlacement placement;
    return succeeded("preprocess",
                     shrike::preprocess(picture, shrike::preprocess_options(model), model, &placement));
  }

  void run() {
    const int64_t start = esp_timer_get_time();
    if (!succeeded("run", model.run())) return;
    printf("SHRIKE time model_us=%d\n", static_cast<int>(esp_timer_get_time() - start));
  }
};
)";

}  // namespace shrike::board
