// The search on the head of YOLO11n, eight convolutions at 64x64, with a handful of images.
#include "toolchain/search/auto_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "tests/shared_data.h"
#include "toolchain/pipeline/settings_file.h"

namespace shrike::quantize {
namespace {

using ::testing::Each;
using ::testing::Gt;

void no_progress(const std::string&, size_t, size_t) {}

class AutoSearchTest : public testing::Test {
 protected:
  AutoSearchTest()
      : folder_((std::filesystem::temp_directory_path() /
                 (std::string("shrike_search_") +
                  testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(getpid())))
                    .string()) {
    std::filesystem::create_directories(folder_ + "/images");
    settings_.size = {64, 64};
    settings_.outputs = {"/model.3/conv/Conv"};
    settings_.calibration_images = 4;
    settings_.refit_images = settings_.bias_images = settings_.search_images = 2;
  }
  ~AutoSearchTest() override { std::filesystem::remove_all(folder_); }

  // The first pictures of the shared calibration folder.
  void take_images(int count) {
    std::vector<std::filesystem::path> all;
    for (const auto& entry :
         std::filesystem::directory_iterator(tests::shared_root() + "/data/coco_calib320/images"))
      all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    for (int i = 0; i < count; ++i)
      std::filesystem::create_symlink(std::filesystem::absolute(all[i]),
                                      folder_ + "/images/" + all[i].filename().string());
  }

  static std::string model() { return tests::shared_root() + "/models/yolo11n.onnx"; }
  std::string images() const { return folder_ + "/images"; }
  AutoJudge judge(int judges = 4) const {
    return {model(), images(), settings_, judges, [](size_t, size_t) {}};
  }

  AutoResult search(const std::string& budget) const {
    return auto_search(model(), images(), settings_, {parse_budget(budget), 4, folder_ + "/journal"},
                       no_progress);
  }

  std::string folder_;
  Settings settings_;
};

#define SHRIKE_NEEDS_MODEL_AND_IMAGES()       \
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx"); \
  SHRIKE_NEEDS_SHARED("data/coco_calib320/images")

TEST_F(AutoSearchTest, WideningNothingIsTheFittedNetwork) {
  SHRIKE_NEEDS_MODEL_AND_IMAGES();
  take_images(8);
  AutoJudge judge = this->judge();
  const Judgement fitted = judge.judge_fitted(settings_);
  judge.judge_widened(settings_, {{}}, [&](size_t, const Judgement& judgement) {
    EXPECT_EQ(judgement.error, fitted.error);
    EXPECT_EQ(judgement.cost.milliseconds, fitted.cost.milliseconds);
    EXPECT_EQ(judgement.cost.bytes, fitted.cost.bytes);
  });
}

TEST_F(AutoSearchTest, WideningEverythingRemovesNearlyAllErrorAndCosts) {
  SHRIKE_NEEDS_MODEL_AND_IMAGES();
  take_images(8);
  AutoJudge judge = this->judge();
  const Judgement fitted = judge.judge_fitted(settings_);
  std::vector<std::string> all;
  for (const WideUnit& unit : wide_units(judge.graph(), settings_))
    all.insert(all.end(), unit.nodes.begin(), unit.nodes.end());
  ASSERT_GT(all.size(), 10u);
  judge.judge_widened(settings_, {all}, [&](size_t, const Judgement& judgement) {
    ASSERT_TRUE(judgement.feasible);
    EXPECT_LT(judgement.error, 0.5 * fitted.error);
    EXPECT_GT(*judgement.cost.milliseconds, 1.2 * *fitted.cost.milliseconds);
    EXPECT_GT(judgement.cost.bytes, 1.2 * fitted.cost.bytes);
  });
}

TEST_F(AutoSearchTest, TheInputsTellModelsSettingsAndImagesApart) {
  SHRIKE_NEEDS_MODEL_AND_IMAGES();
  take_images(8);
  const std::string inputs = judge().inputs();
  EXPECT_EQ(judge().inputs(), inputs);
  EXPECT_NE(judge(3).inputs(), inputs);
  settings_.threads = 1;
  EXPECT_EQ(judge().inputs(), inputs);
  settings_.refit_images = 1;
  EXPECT_NE(judge().inputs(), inputs);
}

TEST_F(AutoSearchTest, JudgesOnTheFittedImagesOnlyWhenThereAreNoOthers) {
  SHRIKE_NEEDS_MODEL_AND_IMAGES();
  take_images(4);
  EXPECT_TRUE(judge().judges_were_fitted());
  settings_.calibration_images = 3;
  EXPECT_FALSE(judge().judges_were_fitted());
}

TEST_F(AutoSearchTest, SpendsTheBudgetOnLessErrorAndNoMore) {
  SHRIKE_NEEDS_MODEL_AND_IMAGES();
  take_images(8);
  const AutoResult narrow = search("+1%"), wide = search("+40%");
  for (const AutoResult* result : {&narrow, &wide}) {
    const AutoRow &start = result->rows[0], &chosen = result->rows[result->chosen];
    EXPECT_TRUE(start.options.empty());
    EXPECT_EQ(start.wide_layers, 0);
    EXPECT_LE(*chosen.judgement.cost.milliseconds, result->limits.milliseconds);
    EXPECT_LE(chosen.judgement.error, start.judgement.error);
    EXPECT_FALSE(chosen.dominated);
  }
  EXPECT_LT(wide.rows[wide.chosen].judgement.error, wide.rows[0].judgement.error);
  EXPECT_LT(wide.rows[wide.chosen].judgement.error, narrow.rows[narrow.chosen].judgement.error);
  EXPECT_GT(wide.rows[wide.chosen].wide_layers, 0);
  EXPECT_GT(wide.remembered, 10u) << "the second budget should use the first one's trials";
}

TEST_F(AutoSearchTest, FindsTheSameFromAJournalCutAnywhere) {
  SHRIKE_NEEDS_MODEL_AND_IMAGES();
  take_images(8);
  const std::string found = to_yaml(search("+20%").settings());
  const std::string journal = folder_ + "/journal";
  const auto whole = std::filesystem::file_size(journal);
  for (const int share : {1, 4, 8}) {
    SCOPED_TRACE(share);
    std::filesystem::resize_file(journal, whole * static_cast<uintmax_t>(share) / 10);
    EXPECT_EQ(to_yaml(search("+20%").settings()), found);
    EXPECT_EQ(std::filesystem::file_size(journal), whole);
  }
}

}  // namespace
}  // namespace shrike::quantize
