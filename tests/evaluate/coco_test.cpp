// The twelve COCO numbers on cases that can be computed by hand.
#include "toolchain/evaluate/coco.h"
#include "tests/own_temporary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/random.h"

namespace shrike::evaluate {
namespace {

enum { kAp, kAp50, kAp75, kApSmall, kApMedium, kApLarge, kAr1, kAr10, kAr100, kArSmall, kArMedium, kArLarge };

constexpr double kTolerance = 1e-9;

GroundTruth truth(int64_t image, double x, double y, double width, double height, int category = 1) {
  return {image, category, x, y, width, height, width * height, false, {}, {}, {}};
}

Detection found(int64_t image, double x, double y, double width, double height, double score,
                int category = 1) {
  return {image, category, x, y, width, height, score};
}

Dataset dataset(std::vector<GroundTruth> annotations, int images = 1, std::vector<int> categories = {1}) {
  Dataset data;
  for (int i = 1; i <= images; ++i) data.images.push_back({i, "image", 1000, 1000});
  data.category_ids = std::move(categories);
  data.annotations = std::move(annotations);
  return data;
}

TEST(Coco, PerfectDetectionsScoreOne) {
  const auto m = evaluate(dataset({truth(1, 10, 10, 50, 50), truth(2, 0, 0, 200, 100)}, 2),
                          {found(1, 10, 10, 50, 50, .9), found(2, 0, 0, 200, 100, .8)});
  EXPECT_NEAR(m.map(), 1, kTolerance);
  EXPECT_NEAR(m.map50(), 1, kTolerance);
  EXPECT_EQ(m.values[kApSmall], -1);
  EXPECT_NEAR(m.values[kApMedium], 1, kTolerance);
  EXPECT_NEAR(m.values[kApLarge], 1, kTolerance);
  EXPECT_EQ(m.values[kAr1], 1);
  EXPECT_EQ(m.values[kArSmall], -1);
}

TEST(Coco, NoGroundTruthIsUndefinedEverywhere) {
  const auto m = evaluate(dataset({}), {found(1, 0, 0, 10, 10, .5)});
  EXPECT_THAT(m.values, testing::Each(-1));
}

TEST(Coco, NoDetectionsScoreZero) {
  const auto m = evaluate(dataset({truth(1, 0, 0, 50, 50)}), {});
  EXPECT_EQ(m.map(), 0);
  EXPECT_EQ(m.values[kAr100], 0);
  EXPECT_EQ(m.values[kApLarge], -1);
}

TEST(Coco, EmptyEverything) {
  EXPECT_THAT(evaluate(Dataset{}, {}).values, testing::Each(-1));
}

// Overlap 80x100 of 100x100: IoU 0.8 counts at .50 to .80, not at .85, .90, .95.
TEST(Coco, OverlapDecidesTheThresholdsPassed) {
  const auto m = evaluate(dataset({truth(1, 0, 0, 100, 100)}), {found(1, 0, 0, 80, 100, .9)});
  EXPECT_NEAR(m.map(), 0.7, kTolerance);
  EXPECT_NEAR(m.map50(), 1, kTolerance);
  EXPECT_NEAR(m.values[kAp75], 1, kTolerance);
  EXPECT_NEAR(m.values[kAr100], 0.7, kTolerance);
}

TEST(Coco, AnOverlapOfExactlyAHalfCounts) {
  const auto m = evaluate(dataset({truth(1, 0, 0, 100, 100)}), {found(1, 0, 0, 50, 100, .9)});
  EXPECT_NEAR(m.map(), 0.1, kTolerance);
  EXPECT_NEAR(m.map50(), 1, kTolerance);
}

// Order by score: hit, miss, hit. Two positives: recall .5 at precision 1, recall 1 at 2/3.
// 51 recalls (0 to .50) see precision 1, 50 see 2/3.
TEST(Coco, PrecisionIsInterpolatedAtHundredAndOneRecalls) {
  const auto m =
      evaluate(dataset({truth(1, 0, 0, 50, 50), truth(1, 200, 0, 50, 50)}),
               {found(1, 0, 0, 50, 50, .9), found(1, 500, 500, 50, 50, .8), found(1, 200, 0, 50, 50, .7)});
  EXPECT_NEAR(m.map(), (51 + 50 * 2.0 / 3) / 101, kTolerance);
  EXPECT_NEAR(m.values[kAr1], 0.5, kTolerance);
  EXPECT_NEAR(m.values[kAr10], 1, kTolerance);
}

// A later, higher precision lifts the earlier ones: miss, hit, hit over two positives gives 2/3 up to
// recall 1.
TEST(Coco, PrecisionNeverRisesWithRecall) {
  const auto m =
      evaluate(dataset({truth(1, 0, 0, 50, 50), truth(1, 200, 0, 50, 50)}),
               {found(1, 500, 500, 50, 50, .9), found(1, 0, 0, 50, 50, .8), found(1, 200, 0, 50, 50, .7)});
  EXPECT_NEAR(m.map(), 2.0 / 3, kTolerance);
}

TEST(Coco, ASecondDetectionOfTheSameBoxIsAMiss) {
  const auto m =
      evaluate(dataset({truth(1, 0, 0, 50, 50), truth(1, 200, 0, 50, 50)}),
               {found(1, 0, 0, 50, 50, .9), found(1, 0, 0, 50, 50, .8), found(1, 200, 0, 50, 50, .7)});
  EXPECT_NEAR(m.map(), (51 + 50 * 2.0 / 3) / 101, kTolerance);
}

// The better-scored detection takes its best box, although the other one fits as well; the second takes what
// is left.
TEST(Coco, MatchingIsGreedyByScore) {
  const auto m = evaluate(dataset({truth(1, 0, 0, 100, 100), truth(1, 20, 0, 100, 100)}),
                          {found(1, 20, 0, 100, 100, .9), found(1, 20, 0, 100, 100, .8)});
  // First: IoU 1 with the second box. Second: IoU 80/120 with the first: passes .50, .55, .60, .65.
  const double both = 1, one = 51.0 / 101;
  EXPECT_NEAR(m.map(), (4 * both + 6 * one) / 10, kTolerance);
}

// Equal scores keep the order of images, then of the list. In image 1 the miss stands first, so precision is
// 1/2 at recall .5 and 2/3 at recall 1 (lifting the first): 2/3 everywhere.
TEST(Coco, TiesKeepTheOrderGiven) {
  const Dataset data = dataset({truth(1, 0, 0, 50, 50), truth(2, 0, 0, 50, 50)}, 2);
  const Detection miss = found(1, 500, 500, 50, 50, .5), first = found(1, 0, 0, 50, 50, .5),
                  second = found(2, 0, 0, 50, 50, .5);
  EXPECT_NEAR(evaluate(data, {miss, first, second}).map(), 2.0 / 3, kTolerance);
  EXPECT_NEAR(evaluate(data, {second, miss, first}).map(), 2.0 / 3,
              kTolerance);  // image 1 comes first all the same
  EXPECT_NEAR(evaluate(data, {first, miss, second}).map(), (51 + 50 * 2.0 / 3) / 101, kTolerance);
}

// Two detections of equal score on one box: the one listed first takes it, the other misses.
TEST(Coco, TiesOnOneBoxGoToTheFirst) {
  const Dataset data = dataset({truth(1, 0, 0, 100, 100)});
  const Detection exact = found(1, 0, 0, 100, 100, .5), loose = found(1, 0, 0, 60, 100, .5);
  EXPECT_NEAR(evaluate(data, {exact, loose}).map(), 1, kTolerance);
  // `loose` is first at .50, .55, .60 (hit, then miss) and misses above (miss, then hit: precision 1/2).
  EXPECT_NEAR(evaluate(data, {loose, exact}).map(), (3 * 1.0 + 7 * 0.5) / 10, kTolerance);
}

TEST(Coco, CategoriesAreSeparateAndAveraged) {
  const auto m =
      evaluate(dataset({truth(1, 0, 0, 50, 50, 1), truth(1, 100, 0, 50, 50, 2)}, 1, {1, 2, 3}),
               {found(1, 0, 0, 50, 50, .9, 1), found(1, 100, 0, 50, 50, .9, 1), found(1, 5, 5, 9, 9, .9, 3)});
  // Category 1: the hit comes first. Category 2: nothing found. Category 3: no ground truth, left out.
  EXPECT_NEAR(m.map(), 0.5, kTolerance);
}

TEST(Coco, DetectionsOfUnknownCategoriesAreLeftOut) {
  const auto m =
      evaluate(dataset({truth(1, 0, 0, 50, 50)}), {found(1, 0, 0, 50, 50, .5), found(1, 0, 0, 9, 9, .9, 77)});
  EXPECT_NEAR(m.map(), 1, kTolerance);
}

// Any number of detections inside a crowd are neither hits nor misses; the crowd is no positive.
TEST(Coco, CrowdsSwallowDetections) {
  GroundTruth crowd = truth(1, 0, 0, 400, 400);
  crowd.crowd = true;
  const Dataset data = dataset({crowd, truth(1, 600, 600, 50, 50)});
  const auto m = evaluate(data, {found(1, 10, 10, 50, 50, .9), found(1, 100, 10, 50, 50, .9),
                                 found(1, 10, 100, 50, 50, .9), found(1, 600, 600, 50, 50, .5)});
  EXPECT_NEAR(m.map(), 1, kTolerance);
  EXPECT_NEAR(m.values[kAr100], 1, kTolerance);
  // AR1 sees only the first detection, which the crowd swallows.
  EXPECT_EQ(m.values[kAr1], 0);
}

// Half of the detection lies in the crowd: intersection over its own area is .5, so it is swallowed at .50
// only.
TEST(Coco, CrowdOverlapIsMeasuredByTheDetectionsOwnArea) {
  GroundTruth crowd = truth(1, 0, 0, 400, 400);
  crowd.crowd = true;
  const auto m = evaluate(dataset({crowd, truth(1, 600, 600, 50, 50)}),
                          {found(1, 350, 0, 100, 100, .9), found(1, 600, 600, 50, 50, .5)});
  EXPECT_NEAR(m.map50(), 1, kTolerance);
  EXPECT_NEAR(m.values[kAp75], 0.5, kTolerance);
}

// A true box is preferred to a crowd even where the crowd overlaps more.
TEST(Coco, TrueBoxesGoBeforeCrowds) {
  GroundTruth crowd = truth(1, 0, 0, 400, 400);
  crowd.crowd = true;
  const auto m = evaluate(dataset({crowd, truth(1, 0, 0, 100, 70)}), {found(1, 0, 0, 100, 100, .9)});
  EXPECT_NEAR(m.map50(), 1, kTolerance);
  EXPECT_EQ(m.values[kAp75], 0);  // IoU .7 no longer suffices: swallowed, and the box is not found
}

TEST(Coco, OnlyACrowdIsUndefined) {
  GroundTruth crowd = truth(1, 0, 0, 400, 400);
  crowd.crowd = true;
  EXPECT_THAT(evaluate(dataset({crowd}), {found(1, 0, 0, 50, 50, .9)}).values, testing::Each(-1));
}

TEST(Coco, AreaRangesCountTheirOwnBoxesOnly) {
  const auto m =
      evaluate(dataset({truth(1, 0, 0, 20, 20), truth(1, 100, 0, 60, 60), truth(1, 300, 0, 200, 200)}),
               {found(1, 0, 0, 20, 20, .9), found(1, 300, 0, 200, 200, .8)});
  EXPECT_NEAR(m.values[kApSmall], 1, kTolerance);
  EXPECT_EQ(m.values[kApMedium], 0);
  EXPECT_NEAR(m.values[kApLarge], 1, kTolerance);
  EXPECT_NEAR(m.values[kArSmall], 1, kTolerance);
  EXPECT_EQ(m.values[kArMedium], 0);
  EXPECT_NEAR(m.values[kAr100], 2.0 / 3, kTolerance);
}

TEST(Coco, BoundaryAreasBelongToBothRanges) {
  const auto m = evaluate(dataset({truth(1, 0, 0, 32, 32)}), {found(1, 0, 0, 32, 32, .9)});
  EXPECT_NEAR(m.values[kApSmall], 1, kTolerance);
  EXPECT_NEAR(m.values[kApMedium], 1, kTolerance);
  EXPECT_EQ(m.values[kApLarge], -1);
}

// A wrong detection of large area is no miss of the small range; one of small area is.
TEST(Coco, MissesOutsideTheAreaRangeAreForgiven) {
  const Dataset data = dataset({truth(1, 0, 0, 20, 20)});
  const Detection hit = found(1, 0, 0, 20, 20, .5);
  EXPECT_NEAR(evaluate(data, {found(1, 500, 500, 200, 200, .9), hit}).values[kApSmall], 1, kTolerance);
  EXPECT_NEAR(evaluate(data, {found(1, 500, 500, 20, 20, .9), hit}).values[kApSmall], 0.5, kTolerance);
}

// The annotation's area (of the mask) decides its range, not the box.
TEST(Coco, TheAnnotatedAreaDecides) {
  GroundTruth thin = truth(1, 0, 0, 100, 100);
  thin.area = 500;
  const auto m = evaluate(dataset({thin}), {found(1, 0, 0, 100, 100, .9)});
  EXPECT_NEAR(m.values[kApSmall], 1, kTolerance);
  EXPECT_EQ(m.values[kApLarge], -1);
}

// 150 detections of one image and category: only the hundred best count, so a hit in place 101 does not.
TEST(Coco, OnlyTheHundredBestCount) {
  std::vector<Detection> detections;
  for (int i = 0; i < 149; ++i) detections.push_back(found(1, 500, 500, 30, 30, .9 - i * .001));
  const Dataset data = dataset({truth(1, 0, 0, 50, 50)});
  const auto with_hit_at = [&](int place) {
    auto list = detections;
    list.push_back(found(1, 0, 0, 50, 50, .9005 - place * .001));  // just before detections[place]
    return evaluate(data, list);
  };
  EXPECT_NEAR(with_hit_at(99).map(), 1.0 / 100, kTolerance);
  EXPECT_EQ(with_hit_at(99).values[kAr10], 0);
  EXPECT_EQ(with_hit_at(100).map(), 0);
  EXPECT_NEAR(with_hit_at(9).values[kAr10], 1, kTolerance);
  EXPECT_EQ(with_hit_at(10).values[kAr10], 0);
}

// The limit is per category: a hundred of one class don't displace another's.
TEST(Coco, TheLimitIsPerCategory) {
  std::vector<Detection> detections;
  for (int i = 0; i < 150; ++i) detections.push_back(found(1, 500, 500, 30, 30, .9, 1));
  detections.push_back(found(1, 0, 0, 50, 50, .1, 2));
  EXPECT_NEAR(evaluate(dataset({truth(1, 0, 0, 50, 50, 2)}, 1, {1, 2}), detections).map(), 1, kTolerance);
}

TEST(Coco, DegenerateBoxesAreHarmless) {
  const auto m = evaluate(dataset({truth(1, 0, 0, 0, 0), truth(1, 0, 0, 50, 50)}),
                          {found(1, 0, 0, 0, 0, .9), found(1, 0, 0, -5, 10, .8), found(1, 0, 0, 50, 50, .7)});
  EXPECT_TRUE(std::isfinite(m.map()));
  EXPECT_GT(m.map(), 0);
}

TEST(Coco, TheOrderOfImagesInTheFileDoesNotMatter) {
  Dataset data = dataset({truth(1, 0, 0, 50, 50), truth(2, 0, 0, 50, 50), truth(3, 0, 0, 50, 50)}, 3);
  const std::vector<Detection> detections = {found(3, 0, 0, 50, 50, .5), found(1, 200, 0, 50, 50, .5),
                                             found(2, 0, 0, 40, 50, .5)};
  const auto before = evaluate(data, detections).values;
  std::reverse(data.images.begin(), data.images.end());
  EXPECT_EQ(evaluate(data, detections).values, before);
}

TEST(Coco, DetectionsOfUnknownImagesOrWithoutScoreAreErrors) {
  const Dataset data = dataset({truth(1, 0, 0, 50, 50)});
  EXPECT_THROW(evaluate(data, {found(9, 0, 0, 50, 50, .5)}), Error);
  EXPECT_THROW(evaluate(data, {found(1, 0, 0, 50, 50, std::numeric_limits<double>::quiet_NaN())}), Error);
}

// One image in two is found: the AP of a draw is the share of those that it holds.
TEST(CocoErrors, ADrawIsTheDataSetWithItsImagesRepeated) {
  std::vector<GroundTruth> truths;
  std::vector<Detection> detections;
  for (int image = 1; image <= 20; ++image) {
    truths.push_back(truth(image, 0, 0, 50, 50, 1 + image % 3));
    if (image % 2 == 0)
      detections.push_back(found(image, 0, 0, 50, 50, 0.505 + image / 100.0, 1 + image % 3));
    detections.push_back(found(image, 500, 500, 50, 50, 0.6, 1 + image % 3));
  }
  const Dataset data = dataset(truths, 20, {1, 2, 3});
  const std::vector<double> drawn = redrawn_precision(data, detections, Measure::kBoxes, 3, 7);
  ASSERT_EQ(drawn.size(), 3u);
  for (uint64_t draw = 0; draw < 3; ++draw) {
    Random random(7, draw);
    Dataset repeated = dataset({}, 20, {1, 2, 3});
    std::vector<Detection> of_repeated;
    for (int copy = 1; copy <= 20; ++copy) {
      const auto original = static_cast<int64_t>(random.below(20)) + 1;
      for (GroundTruth t : truths) {
        if (t.image_id != original) continue;
        t.image_id = copy;
        repeated.annotations.push_back(t);
      }
      for (Detection d : detections) {
        if (d.image_id != original) continue;
        d.image_id = copy;
        of_repeated.push_back(d);
      }
    }
    EXPECT_NEAR(drawn[draw], evaluate(repeated, of_repeated).map(), kTolerance);
  }
}

TEST(CocoErrors, ShrinkWithTheImagesAndAreNoneForWhatNeverFails) {
  const auto error = [](int images, int every) {
    std::vector<GroundTruth> truths;
    std::vector<Detection> detections;
    for (int image = 1; image <= images; ++image) {
      truths.push_back(truth(image, 0, 0, 50, 50));
      if (image % every == 0) detections.push_back(found(image, 0, 0, 50, 50, 0.9));
    }
    return standard_deviation(redrawn_precision(dataset(truths, images), detections, Measure::kBoxes, 400));
  };
  EXPECT_EQ(error(50, 1), 0);
  // A share of one half in n images: sqrt(1/4 / n), within a tenth with 400 draws (3 standard errors of it).
  EXPECT_NEAR(error(100, 2), 0.05, 0.005);
  EXPECT_NEAR(error(400, 2), 0.025, 0.0027);
}

TEST(CocoErrors, DetectionsAreReadBackAsTheyWereWritten) {
  const std::string path = tests::own_temporary("detections.json");
  const std::vector<Detection> written = {found(1, 0.1, 2, 30.5, 4, 0.123456789),
                                          found(2, 5, 6, 7, 8, 0.5, 3)};
  write_file_atomically(path, std::string_view(detections_json(written)));
  const std::vector<Detection> read = load_detections(path);
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(detections_json(read), detections_json(written));
  write_file_atomically(path, std::string_view("{\"images\": []}"));
  EXPECT_THROW(load_detections(path), Error);
  write_file_atomically(path,
                        std::string_view("[{\"image_id\": 1, \"category_id\": 1, \"bbox\": [1, 2, 3, 4]}]"));
  EXPECT_THROW(load_detections(path), Error);
}

}  // namespace
}  // namespace shrike::evaluate
