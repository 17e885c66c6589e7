// A detector on an embedded picture: the model comes from the flash partition "model", the arena from PSRAM.
// A camera's frame takes the picture's place: ImageView knows RGB565 too.
#include "esp_log.h"
#include "esp_timer.h"
#include "sdkconfig.h"
#include "shrike/detector.h"
#include "shrike/image.h"
#include "shrike/model.h"
#include "shrike_esp.h"

extern const uint8_t picture_begin[] asm("_binary_picture_rgb_start");

namespace {

constexpr const char* kTag = "detect";
constexpr int32_t kWidth = 320, kHeight = 240;

shrike::Model model;

// What else a model could end in is not linked.
constexpr const shrike::HeadDecoder* kDecoders[] = {&shrike::head_detect};
constexpr shrike::HeadSet kHeads = {kDecoders, 1};

bool succeeded(const char* step, const shrike::Status& status) {
  if (!status.ok()) {
    ESP_LOGE(kTag, "%s: %s (node %d, needed %llu bytes)", step, status.detail, static_cast<int>(status.node),
             static_cast<unsigned long long>(status.needed));
  }
  return status.ok();
}

bool load() {
  const shrike::esp::Bytes file = shrike::esp::map_partition(CONFIG_SHRIKE_MODEL_PARTITION);
  const size_t arena_bytes = static_cast<size_t>(CONFIG_SHRIKE_ARENA_KIB) * 1024;
  void* arena = shrike::esp::allocate_arena(arena_bytes);
  if (file.data == nullptr || arena == nullptr) {
    ESP_LOGE(kTag, "no partition \"%s\", or no %u bytes for the arena", CONFIG_SHRIKE_MODEL_PARTITION,
             static_cast<unsigned>(arena_bytes));
    return false;
  }
  shrike::ModelOptions options;
  options.operators = &shrike::kAllOperators;  // or those of "shrike info --ops"
  options.kernels = &shrike::kPairKernels;
  options.workers = shrike::esp::start_workers();
  options.internal = shrike::esp::allocate_internal(static_cast<size_t>(CONFIG_SHRIKE_INTERNAL_KIB) * 1024);
  return succeeded("load", model.load(file.data, file.size, arena, arena_bytes, options));
}

void detect(const shrike::ImageView& image) {
  static uint8_t scratch[8192];
  shrike::DetectOptions options;
  options.max_candidates = 512;
  shrike::Detection detections[10];
  shrike::Head head;
  shrike::ImagePlacement placement;
  int32_t count = 0;

  const int64_t start = esp_timer_get_time();
  if (!succeeded("preprocess",
                 shrike::preprocess(image, shrike::preprocess_options(model), model, &placement)))
    return;
  const int64_t prepared = esp_timer_get_time();
  if (!succeeded("run", model.run())) return;
  const int64_t computed = esp_timer_get_time();
  if (!succeeded("head", shrike::find_head(model, kHeads, &head))) return;
  if (!succeeded("decode", shrike::decode_detections(head, placement, options, scratch, sizeof scratch,
                                                     detections, &count)))
    return;
  const int64_t decoded = esp_timer_get_time();
  for (int32_t i = 0; i < count; ++i) {
    const shrike::Detection& d = detections[i];
    ESP_LOGI(kTag, "class %d score %.3f box %d %d %d %d", static_cast<int>(d.category),
             static_cast<double>(d.score), static_cast<int>(d.x1), static_cast<int>(d.y1),
             static_cast<int>(d.x2), static_cast<int>(d.y2));
  }
  ESP_LOGI(kTag, "preprocess %d us, network %d us, decode %d us", static_cast<int>(prepared - start),
           static_cast<int>(computed - prepared), static_cast<int>(decoded - computed));
}

}  // namespace

extern "C" void app_main() {
  if (load()) detect({picture_begin, kWidth, kHeight, shrike::PixelFormat::kRgb888});
}
