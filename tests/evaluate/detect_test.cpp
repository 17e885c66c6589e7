// Detectors on real files: the published integer model and the float model see the same things.
#include "toolchain/evaluate/detect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/shared_data.h"
#include "toolchain/evaluate/run.h"
#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

const char* kInteger = "golden/zoo/models/esp32p4_coco_detect_yolo11n_320_s8_v1.espdl";
const char* kFloat = "models/yolo11n.onnx";
const char* kPicture = "data/coco_calib320/images";

std::string shared(const char* relative) {
  return tests::shared_root() + "/" + relative;
}

std::vector<std::string> some_pictures(size_t count) {
  auto paths = data::list_images(shared(kPicture));
  paths.resize(count);
  return paths;
}

std::vector<std::vector<shrike::Detection>> run(Detector& detector, const std::vector<std::string>& paths) {
  std::vector<std::vector<shrike::Detection>> results;
  RunOptions options;
  options.detect = detector.default_options();
  options.detect.score_threshold = 0.5f;
  detect_all(detector, paths, options, [&](Picture picture) {
    EXPECT_EQ(picture.index, results.size());
    results.emplace_back(picture.results.objects.begin(), picture.results.objects.end());
  });
  return results;
}

double overlap(const shrike::Detection& a, const shrike::Detection& b) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
               h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  return w * h / (double(a.x2 - a.x1) * (a.y2 - a.y1) + double(b.x2 - b.x1) * (b.y2 - b.y1) - w * h);
}

// Share of `sure` detections that `other` sees too.
double agreement(const std::vector<std::vector<shrike::Detection>>& sure,
                 const std::vector<std::vector<shrike::Detection>>& other) {
  int seen = 0, all = 0;
  for (size_t i = 0; i < sure.size(); ++i) {
    for (const auto& d : sure[i]) {
      ++all;
      seen += std::any_of(other[i].begin(), other[i].end(), [&](const shrike::Detection& o) {
        return o.category == d.category && overlap(o, d) > 0.7;
      });
    }
  }
  EXPECT_GT(all, 10);
  return static_cast<double>(seen) / all;
}

TEST(Detectors, FloatAndIntegerModelsAgree) {
  SHRIKE_NEEDS_SHARED(kInteger);
  SHRIKE_NEEDS_SHARED(kFloat);
  const auto paths = some_pictures(12);
  DetectorOptions options;
  options.size = {320, 320};
  Detector exact(shared(kFloat), options);
  Detector integer(shared(kInteger));
  EXPECT_EQ(integer.input().width, 320);
  EXPECT_EQ(exact.input().width, 320);
  EXPECT_EQ(integer.class_names().names.at(16), "dog");
  EXPECT_EQ(exact.class_names().names.size(), 80u);
  EXPECT_GT(agreement(run(integer, paths), run(exact, paths)), 0.7);
}

// Nearest neighbour and whole pixels move boxes a little, they lose none that is sure.
TEST(Detectors, ChipModeSeesTheSameObjects) {
  SHRIKE_NEEDS_SHARED(kInteger);
  const auto paths = some_pictures(12);
  DetectorOptions options;
  options.mode = DetectMode::kChip;
  Detector chip(shared(kInteger), options);
  Detector evaluation(shared(kInteger));
  const auto found = run(chip, paths);
  for (const auto& picture : found) {
    EXPECT_LE(picture.size(), 10u);
    for (const auto& d : picture) EXPECT_EQ(d.x1, static_cast<float>(static_cast<int>(d.x1)));
  }
  EXPECT_GT(agreement(found, run(evaluation, paths)), 0.7);
}

TEST(Detectors, ThreadsDoNotChangeTheResult) {
  SHRIKE_NEEDS_SHARED(kInteger);
  const auto paths = some_pictures(4);
  DetectorOptions one;
  one.integer.threads = 1;
  Detector single(shared(kInteger), one), several(shared(kInteger));
  const auto a = run(single, paths), b = run(several, paths);
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].size(), b[i].size());
    for (size_t k = 0; k < a[i].size(); ++k) EXPECT_EQ(std::memcmp(&a[i][k], &b[i][k], sizeof a[i][k]), 0);
  }
}

TEST(Detectors, TinyPicturesWork) {
  SHRIKE_NEEDS_SHARED(kInteger);
  for (const DetectMode mode : {DetectMode::kEvaluation, DetectMode::kChip}) {
    DetectorOptions options;
    options.mode = mode;
    Detector detector(shared(kInteger), options);
    for (const auto& [width, height] : {std::pair{1, 1}, {1, 900}, {900, 1}, {2, 3}}) {
      const data::Image image{width, height,
                              std::vector<uint8_t>(static_cast<size_t>(width) * height * 3, 128)};
      const Results results = detector.detect(detector.prepare(image), detector.default_options());
      for (const auto& d : results.objects) {
        EXPECT_LE(d.x2, width);
        EXPECT_LE(d.y2, height);
      }
    }
  }
}

TEST(Detectors, ABadPictureIsToldAndSkippedOrEndsTheRun) {
  SHRIKE_NEEDS_SHARED(kInteger);
  Detector detector(shared(kInteger));
  auto paths = some_pictures(3);
  paths[1] = shared(kInteger);  // no picture
  RunOptions options;
  options.detect = detector.default_options();
  std::vector<size_t> done, failed;
  EXPECT_THROW(detect_all(detector, paths, options, [](Picture) {}), Error);
  options.on_error = [&](size_t index, const std::string& message) {
    failed.push_back(index);
    EXPECT_THAT(message, testing::HasSubstr(kInteger));
  };
  detect_all(detector, paths, options, [&](Picture picture) { done.push_back(picture.index); });
  EXPECT_THAT(done, testing::ElementsAre(0, 2));
  EXPECT_THAT(failed, testing::ElementsAre(1));
}

TEST(Detectors, WrongFilesAndOptionsAreErrors) {
  EXPECT_THROW(Detector("/no/such/file.espdl"), Error);
  EXPECT_THROW(Detector("/no/such/file.onnx"), Error);
  SHRIKE_NEEDS_SHARED(kInteger);
  DetectorOptions sized;
  sized.size = {320, 320};
  EXPECT_THROW(Detector(shared(kInteger), sized), Error);
  EXPECT_THROW(Detector(shared("golden/zoo/models/esp32p4_sin_model.espdl")), Error);
  EXPECT_THROW(Detector(shared("golden/zoo/models/esp32p4_human_face_feat_mfn_s8_v1.espdl")), Error);
}

TEST(Categories, FollowTheDataSet) {
  Dataset data;
  data.category_ids = {4, 9};
  EXPECT_THAT(category_of_classes(data, class_names(2, "")), testing::ElementsAre(4, 9));
  // All of COCO's classes, few of them in the set.
  EXPECT_EQ(category_of_classes(data, class_names(80, "")).at(79), 90);
  EXPECT_THROW(category_of_classes(data, class_names(3, "")), Error);
  data.category_ids = {12};  // an id that COCO detection doesn't have
  EXPECT_THROW(category_of_classes(data, class_names(80, "")), Error);
}

TEST(Folders, MissingPartsAreNamed) {
  EXPECT_THROW(open_folder("/no/such/folder"), Error);
  EXPECT_THROW(open_folder("/tmp"), Error);
  SHRIKE_NEEDS_SHARED("data/coco_val400/instances.json");
  const Folder few = open_folder(shared("data/coco_val400"), {.limit = 3});
  EXPECT_EQ(few.paths.size(), 3u);
  for (const auto& truth : few.dataset.annotations) {
    EXPECT_TRUE(std::any_of(few.dataset.images.begin(), few.dataset.images.end(),
                            [&](const auto& image) { return image.id == truth.image_id; }));
  }
}

}  // namespace
}  // namespace shrike::evaluate
