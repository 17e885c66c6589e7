// The program that runs a model with ESP-DL 3.3. Every name of ESP-DL in here stands in spec/board.md
// section 5.
#include "toolchain/board/templates.h"

namespace shrike::board {

const char kEspDlMain[] =
    R"(// @TITLE@: ESP-DL runs the network. Written by "shrike project"; yours to change.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

@INCLUDES@#include "dl_model_base.hpp"
#include "esp_timer.h"
#include "model.h"
#include "sdkconfig.h"
#include "shrike/sha256.h"
#include "shrike_seed.h"

@EXTERNS@namespace {

#ifdef CONFIG_MODEL_TWO_CORES
constexpr auto kMode = dl::RUNTIME_MODE_MULTI_CORE;
#else
constexpr auto kMode = dl::RUNTIME_MODE_SINGLE_CORE;
#endif

// The constructor only logs what went wrong; a model that was not loaded has no inputs. It is not deleted then:
// after a partition that was not found that would crash.
dl::Model* load() {
  dl::Model* model =
      new dl::Model(@WHERE@,
                    @LOCATION@, 0, dl::MEMORY_MANAGER_GREEDY, nullptr, kCopyWeights);
  if (!model->get_inputs().empty()) return model;
  printf("SHRIKE error: the model was not loaded; the lines above say why\n");
  return nullptr;
}

// Prints the fingerprint of every output; true when all are the expected ones.
[[maybe_unused]] bool print_outputs(dl::Model* model, bool on_picture) {
  bool equal = true;
  for (const Output& output : kOutputs) {
    const shrike::Sha256Text hash = shrike::sha256_text(model->get_output(output.name)->data, output.bytes);
    printf("SHRIKE output sha256=%s %s\n", hash.digits, output.name);
    equal = equal && strcmp(hash.digits, on_picture ? output.on_picture : output.on_seed) == 0;
  }
  return equal;
}

[[maybe_unused]] void check_on_generated_input(dl::Model* model) {
  printf("SHRIKE model backend=esp-dl bytes=%u sha256=%s\n", kModelBytes, kModelSha256);
  shrike::esp::SeededInput sequence(1);
  for (const Input& input : kInputs)
    sequence.fill(model->get_input(input.name)->data, input.elements, input.element_bytes);
  printf("SHRIKE input seed=1\n");
  model->run(kMode);
  printf("SHRIKE %s on generated input\n", print_outputs(model, false) ? "PASS" : "FAIL");
  printf("SHRIKE end\n");
}

@CODE@
}  // namespace

extern "C" void app_main() {
  dl::Model* model = load();
  if (model == nullptr) return;
#ifdef CONFIG_MODEL_TEST
  if (kHasTestValues) printf("SHRIKE test values: %s\n", model->test() == ESP_OK ? "PASS" : "FAIL");
#endif
#ifdef CONFIG_MODEL_PROFILE
  model->profile();
#endif
  model->minimize();  // test() and profile() come before it
#ifdef CONFIG_MODEL_HASHES
  if (kSeedInputs) check_on_generated_input(model);
#endif
@WORK@}
)";

// @FRAME_INCLUDE@ is part of @INCLUDES@. Pictures: RGB888 or the camera's RGB565.
const char kEspDlBoxes[] = R"(class Detector {
 public:
  explicit Detector(dl::Model* model)
      : model_(model),
        preprocessor_(model, @NORMALISATION@),
        postprocessor_(model, &preprocessor_, kScoreThreshold, kIouThreshold, kMaxDetections,
                       {{8, 8, 4, 4}, {16, 16, 8, 8}, {32, 32, 16, 16}}) {
@LETTERBOX@  }

  void prepare(const dl::image::img_t& picture) {
    const int64_t start = esp_timer_get_time();
@CROP@    prepare_us_ = static_cast<int>(esp_timer_get_time() - start);
  }

  // Prints what is in the picture, which was prepared and is `width` by `height` pixels.
  void run(int width, int height) {
    const int64_t start = esp_timer_get_time();
    model_->run(kMode);
    const int64_t computed = esp_timer_get_time();
    postprocessor_.clear_result();
    postprocessor_.postprocess();
    const auto& results = postprocessor_.get_result(width, height);
    const int64_t decoded = esp_timer_get_time();
    for (const auto& result : results) {
      printf("SHRIKE box class=%d score=%.4f x1=%d y1=%d x2=%d y2=%d %s\n", static_cast<int>(result.category),
             static_cast<double>(result.score), static_cast<int>(result.box[0]), static_cast<int>(result.box[1]),
             static_cast<int>(result.box[2]), static_cast<int>(result.box[3]), class_name(result.category));
@THIRD@    }
    printf("SHRIKE time pre_us=%d model_us=%d post_us=%d\n", prepare_us_, static_cast<int>(computed - start),
           static_cast<int>(decoded - computed));
  }

 private:
  dl::Model* model_;
  dl::image::ImagePreprocessor preprocessor_;
  @POSTPROCESSOR@ postprocessor_;
  int prepare_us_ = 0;
};
)";

const char kEspDlClasses[] = R"(// The best five of a vector of integers, as probabilities.
template <typename Integer>
void print_classes(const void* values, int exponent) {
  const Integer* vector = static_cast<const Integer*>(values);
  const float unit = ldexpf(1.0f, exponent);
  int largest = 0;
  for (int i = 1; i < kClassCount; ++i) largest = vector[i] > vector[largest] ? i : largest;
  float sum = 0;
  for (int i = 0; i < kClassCount; ++i) sum += expf(unit * static_cast<float>(vector[i] - vector[largest]));
  static bool shown[kClassCount];
  memset(shown, 0, sizeof shown);
  for (int rank = 0; rank < 5 && rank < kClassCount; ++rank) {
    int best = -1;
    for (int i = 0; i < kClassCount; ++i)
      if (!shown[i] && (best < 0 || vector[i] > vector[best])) best = i;
    shown[best] = true;
    const float value = unit * static_cast<float>(vector[best]);
    const float score = kSoftmaxMissing ? expf(unit * static_cast<float>(vector[best] - vector[largest])) / sum : value;
    printf("SHRIKE class %d score=%.4f %s\n", best, static_cast<double>(score), class_name(best));
  }
}

class Detector {
 public:
  explicit Detector(dl::Model* model) : model_(model), preprocessor_(model, @NORMALISATION@) {
@LETTERBOX@  }

  void prepare(const dl::image::img_t& picture) {
    const int64_t start = esp_timer_get_time();
@CROP@    prepare_us_ = static_cast<int>(esp_timer_get_time() - start);
  }

  void run(int, int) {
    const int64_t start = esp_timer_get_time();
    model_->run(kMode);
    const int64_t computed = esp_timer_get_time();
    dl::TensorBase* output = model_->get_output(kOutputs[0].name);
    print_classes<@INTEGER@>(output->data, output->exponent);
    printf("SHRIKE time pre_us=%d model_us=%d post_us=0\n", prepare_us_, static_cast<int>(computed - start));
  }

 private:
  dl::Model* model_;
  dl::image::ImagePreprocessor preprocessor_;
  int prepare_us_ = 0;
};
)";

const char kEspDlRaw[] =
    R"(// ESP-DL's library has no class that decodes these outputs: they stay as they are.
class Detector {
 public:
  explicit Detector(dl::Model* model) : model_(model), preprocessor_(model, @NORMALISATION@) {
@LETTERBOX@  }

  void prepare(const dl::image::img_t& picture) {
@CROP@  }

  void run(int, int) {
    const int64_t start = esp_timer_get_time();
    model_->run(kMode);
    printf("SHRIKE time model_us=%d\n", static_cast<int>(esp_timer_get_time() - start));
  }

 private:
  dl::Model* model_;
  dl::image::ImagePreprocessor preprocessor_;
};
)";

}  // namespace shrike::board
