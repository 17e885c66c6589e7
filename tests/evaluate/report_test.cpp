// What `shrike eval --html` shows beside the protocol's numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>

#include "toolchain/data/image.h"
#include "toolchain/evaluate/report.h"

namespace shrike::evaluate::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

GroundTruth label(int64_t image, int category, double x) {
  GroundTruth truth;
  truth.image_id = image;
  truth.category_id = category;
  truth.x = truth.y = x;
  truth.width = truth.height = 10;
  truth.area = 100;
  return truth;
}

Detection found(int64_t image, int category, double x, double score) {
  Detection detection;
  detection.image_id = image;
  detection.category_id = category;
  detection.x = detection.y = x;
  detection.width = detection.height = 10;
  detection.score = score;
  return detection;
}

// Two images: in the first one of two labels is found, with a wrong box between; in the second nothing is
// there.
Dataset two_images() {
  Dataset set;
  set.images = {{1, "one.png", 64, 64}, {2, "two.png", 64, 64}};
  set.category_ids = {7};
  set.category_names = {{7, "bird"}};
  set.annotations = {label(1, 7, 0), label(1, 7, 30)};
  return set;
}
const std::vector<Detection> kFound = {found(1, 7, 0, 0.9), found(1, 7, 50, 0.8), found(2, 7, 5, 0.1)};

TEST(Report, CurvesHavePrecisionAtEveryRecall) {
  const PrecisionCurves curves = precision_curves(two_images(), kFound);
  for (size_t recall = 0; recall <= 50; ++recall) EXPECT_NEAR(curves.half[recall], 1, 1e-12) << recall;
  for (size_t recall = 51; recall <= 100; ++recall) EXPECT_EQ(curves.half[recall], 0) << recall;
  const double mean = std::accumulate(curves.mean.begin(), curves.mean.end(), 0.0) / 101;
  EXPECT_NEAR(mean, evaluate(two_images(), kFound).map(), 1e-12);
}

TEST(Report, FaultsAreMissedLabelsAndBoxesOfNone) {
  const std::vector<Faults> sure = faults(two_images(), kFound, Measure::kBoxes, 0.25);
  ASSERT_EQ(sure.size(), 2u);
  EXPECT_EQ(sure[0].image_id, 1);
  EXPECT_EQ(sure[0].labels, 2);
  EXPECT_EQ(sure[0].missed, 1);
  EXPECT_EQ(sure[0].wrong, 1);
  EXPECT_EQ(sure[1].missed + sure[1].wrong, 0);  // 0.1 is not greater than 0.25
  EXPECT_EQ(faults(two_images(), kFound, Measure::kBoxes, 0.05)[1].wrong, 1);
}

class ReportPictures : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("shrike_report_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    for (const char* name : {"one.png", "two.png"})
      data::save_image({64, 64, std::vector<uint8_t>(64 * 64 * 3, 90)}, (folder_ / name).string());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Folder folder() const {
    return {two_images(), {(folder_ / "one.png").string(), (folder_ / "two.png").string()}, false};
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(ReportPictures, WorstComeFirstAndFaultlessOnesNotAtAll) {
  const auto at = [&](double score, size_t count) {
    std::vector<std::string> names;
    for (const ReportPicture& p : worst_pictures(folder(), kFound, Measure::kBoxes, score, count)) {
      EXPECT_THAT(std::string(p.jpeg.begin(), p.jpeg.begin() + 2), "\xFF\xD8");
      names.push_back(p.name + ": " + p.remark);
    }
    return names;
  };
  EXPECT_THAT(at(0.25, 5), testing::ElementsAre("one.png: 1 of 2 labels missed, 1 boxes wrong"));
  EXPECT_THAT(at(0.05, 5), testing::ElementsAre("one.png: 1 of 2 labels missed, 1 boxes wrong",
                                                "two.png: 0 of 0 labels missed, 1 boxes wrong"));
  EXPECT_EQ(at(0.05, 1).size(), 1u);
}

TEST(Report, ThePageIsWholeInItselfAndTakesNoNameForMarkup) {
  Report report;
  report.file = "</title><script>alert(1)</script>.espdl";
  report.integer = true;
  report.figures = {{"AP", "0.5000"}};
  report.tables = {{"Classes", {"class", "AP"}, {{"a <b> & \"c\"", "0.1"}}}};
  report.curves = {{"boxes", precision_curves(two_images(), kFound)}};
  report.pictures = {{"one.png", "1 of 2 labels missed", {1, 2, 3, 4}}};
  const std::string page = to_page(report);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("http://")));
  EXPECT_THAT(page, Not(HasSubstr("https://")));
  EXPECT_THAT(page, HasSubstr("a &lt;b&gt; &amp; &quot;c&quot;"));
  EXPECT_THAT(page, HasSubstr("<path class=\"half\""));
  EXPECT_THAT(page, HasSubstr("data:image/jpeg;base64,AQIDBA=="));
  EXPECT_THAT(page, HasSubstr("the browser"));  // where to see it at work
}

}  // namespace
}  // namespace shrike::evaluate::tests
