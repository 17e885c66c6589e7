// The same pictures through the same file: every instruction set and every number of threads gives the same
// bytes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/kernels/kernels.h"
#include "tests/shared_data.h"
#include "toolchain/data/image.h"
#include "toolchain/evaluate/detect.h"

namespace shrike::evaluate {
namespace {

constexpr size_t kPictures = 10;

// Bytes of all outputs, one string a picture.
std::vector<std::string> outputs_of(const std::string& file, const std::vector<std::string>& pictures,
                                    const std::string& isa, int threads) {
  DetectorOptions options;
  options.integer.isa = isa;
  options.integer.threads = threads;
  Detector detector(file, options);
  EXPECT_EQ(detector.integer_model()->isa(), isa);
  std::vector<std::string> results;
  for (const std::string& path : pictures) {
    detector.detect(detector.prepare(data::load_image(path)), detector.default_options());
    const InspectableModel& model = detector.integer_model()->model();
    std::string bytes;
    for (int32_t i = 0; i < model.output_count(); ++i) {
      const TensorView view = model.output(i);
      bytes.append(static_cast<const char*>(view.data), view.bytes);
    }
    results.push_back(bytes);
  }
  return results;
}

TEST(SameResult, TenPicturesWithEveryInstructionSetAndNumberOfThreads) {
  const std::string relative = "golden/zoo/models/esp32p4_coco_detect_yolo11n_320_s8_v1.espdl";
  SHRIKE_NEEDS_SHARED(relative);
  SHRIKE_NEEDS_SHARED("data/coco_val400/images");
  const std::string file = tests::shared_root() + "/" + relative;
  std::vector<std::string> pictures = data::list_images(tests::shared_root() + "/data/coco_val400/images");
  ASSERT_GE(pictures.size(), kPictures);
  pictures.resize(kPictures);

  const std::vector<std::string> reference = outputs_of(file, pictures, "portable", 1);
  EXPECT_NE(reference[0], reference[1]) << "different pictures must not give the same outputs";
  for (int i = 0; available_kernels(i) != nullptr; ++i) {
    const std::string isa = available_kernels(i)->isa;
    for (const int threads : {1, 2}) {
      if (isa == "portable" && threads == 1) continue;
      const std::vector<std::string> results = outputs_of(file, pictures, isa, threads);
      for (size_t picture = 0; picture < kPictures; ++picture) {
        EXPECT_TRUE(results[picture] == reference[picture])
            << pictures[picture] << " with " << isa << " on " << threads << " threads";
      }
    }
  }
}

}  // namespace
}  // namespace shrike::evaluate
