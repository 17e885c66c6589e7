// Masks and key points by the examples of spec/heads.md sections 4 and 5.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "toolchain/evaluate/coco.h"
#include "toolchain/evaluate/rle.h"
#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

using testing::ElementsAre;

TEST(Runs, AreWrittenAsText) {
  const auto text = [](int height, int width, std::vector<uint32_t> counts) {
    const Rle rle{height, width, counts};
    EXPECT_EQ(from_text(to_text(rle), height, width).counts, counts);
    return to_text(rle);
  };
  EXPECT_EQ(text(5, 5, {6, 2, 3, 2, 12}), "62309");
  EXPECT_EQ(text(5, 5, {0, 5, 3, 4, 13}), "053O:");
  EXPECT_EQ(text(100, 10, {100, 5, 95, 5, 95, 6, 694}), "T35o2001gb0");
  EXPECT_EQ(text(5, 5, {0, 25}), "0i0");
  EXPECT_EQ(text(5, 5, {25}), "i0");
  EXPECT_THROW(from_text("i", 5, 5), Error);
  EXPECT_THROW(from_text("zzzzzzzzzzzz", 5, 5), Error);
}

TEST(Runs, GoAndComeBack) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<uint8_t> pixels(7 * 9);
    for (uint8_t& pixel : pixels) pixel = random() % 3 == 0;
    const Rle rle = encode(pixels.data(), 7, 9);
    EXPECT_EQ(decode(rle), pixels);
    EXPECT_EQ(rle.area(), std::count(pixels.begin(), pixels.end(), 1));
    EXPECT_EQ(from_text(to_text(rle), 7, 9).counts, rle.counts);
  }
}

TEST(Runs, OverlapByPixels) {
  const std::vector<uint8_t> left = {1, 1, 0, 0, 1, 1, 0, 0}, middle = {0, 1, 1, 0, 0, 1, 1, 0};
  const Rle a = encode(left.data(), 2, 4), b = encode(middle.data(), 2, 4);
  EXPECT_DOUBLE_EQ(overlap(a, b, false), 2.0 / 6);
  EXPECT_DOUBLE_EQ(overlap(a, b, true), 0.5);
  EXPECT_EQ(united({a, b}, 2, 4).area(), 6);
  EXPECT_EQ(overlap(a, encode(left.data(), 4, 2), false), 0);
}

TEST(Runs, APolygonCoversThePixelsInsideIt) {
  const Rle square = from_polygon({2, 1, 6, 1, 6, 4, 2, 4}, 8, 10);
  const auto pixels = decode(square);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 10; ++x) {
      EXPECT_EQ(pixels[static_cast<size_t>(y * 10 + x)], x >= 2 && x < 6 && y >= 1 && y < 4) << x << " " << y;
    }
  }
  EXPECT_EQ(from_polygon({-5, -5, 20, -5, 20, 20, -5, 20}, 8, 10).area(), 80);
  EXPECT_EQ(from_polygon({1, 1}, 8, 10).area(), 0);
}

Dataset one_label(GroundTruth truth) {
  Dataset dataset;
  dataset.images = {{1, "a.jpg", 200, 200}};
  dataset.category_ids = {1};
  dataset.category_names[1] = "person";
  truth.image_id = truth.category_id = 1;
  dataset.annotations = {truth};
  return dataset;
}

// Area 10000: the nose 5 pixels off gives 0.6298, a shoulder 10 pixels off 0.8185; 0.7242 is above five
// thresholds.
TEST(KeyPoints, SimilarityCountsDistancesInUnitsOfTheObject) {
  GroundTruth truth;
  truth.width = truth.height = 100;
  truth.area = 10000;
  truth.points.resize(17);
  truth.points[0] = {50, 50, 2};
  truth.points[5] = {20, 80, 1};
  Detection found;
  found.image_id = found.category_id = 1;
  found.width = found.height = 100;
  found.score = 0.9;
  found.points.resize(17);
  found.points[0] = {55, 50};
  found.points[5] = {20, 90};
  const Metrics metrics = evaluate(one_label(truth), {found}, Measure::kKeyPoints);
  EXPECT_NEAR(metrics.map(), 0.5, 1e-9);  // .50 .55 .60 .65 .70
  EXPECT_NEAR(metrics.map50(), 1, 1e-9);
  EXPECT_EQ(metrics.values[3], -1);  // no small ones
  ASSERT_EQ(metrics.categories.size(), 1u);
  EXPECT_EQ(metrics.categories[0].truths, 1);
}

TEST(KeyPoints, LabelsWithoutALabelledPointDoNotCount) {
  GroundTruth truth;
  truth.width = truth.height = 100;
  truth.area = 10000;
  truth.points.resize(17);
  const Metrics metrics = evaluate(one_label(truth), {}, Measure::kKeyPoints);
  EXPECT_EQ(metrics.map(), -1);
}

TEST(Masks, AreComparedByPixels) {
  GroundTruth truth;
  truth.width = 20;
  truth.height = 25;
  truth.area = 500;
  truth.mask = from_polygon({0, 0, 20, 0, 20, 25, 0, 25}, 200, 200);
  Detection found;
  found.image_id = found.category_id = 1;
  found.score = 0.9;
  found.width = 20;
  found.height = 25;
  found.mask = from_polygon({0, 0, 20, 0, 20, 21, 0, 21}, 200, 200);                   // 0.84 of it
  EXPECT_NEAR(evaluate(one_label(truth), {found}, Measure::kMasks).map(), 0.7, 1e-9);  // .50 ... .80
  EXPECT_NEAR(evaluate(one_label(truth), {found}).map(), 1, 1e-9);
}

// Exact areas, by hand (spec/heads.md 4.4 and 5).
TEST(TurnedBoxes, OverlapByAreas) {
  const auto box = [](double cx, double width, double height, double angle) {
    return turned_corners(cx - width / 2, 50 - height / 2, cx + width / 2, 50 + height / 2, angle);
  };
  const double quarter = std::acos(-1.0) / 2;
  const Corners plain = box(50, 40, 20, 0);
  EXPECT_NEAR(area(plain), 800, 1e-9);
  EXPECT_NEAR(overlap(plain, plain, false), 1, 1e-12);
  EXPECT_NEAR(overlap(plain, box(60, 40, 20, 0), false), 0.6, 1e-12);
  EXPECT_NEAR(overlap(plain, box(60, 40, 20, 0), true), 0.75, 1e-12);
  EXPECT_NEAR(overlap(plain, box(50, 40, 20, quarter), false), 1.0 / 3, 1e-12);
  // A square turned by an eighth has 2 (sqrt 2 - 1) of its area in common with itself.
  EXPECT_NEAR(overlap(box(50, 20, 20, 0), box(50, 20, 20, quarter / 2), false), std::sqrt(0.5), 1e-9);
  EXPECT_EQ(overlap(plain, box(100, 40, 20, 0.3), false), 0);
  // The same corners the other way round.
  const Corners reversed = {plain[0], plain[1], plain[6], plain[7], plain[4], plain[5], plain[2], plain[3]};
  EXPECT_NEAR(overlap(plain, reversed, false), 1, 1e-12);
  EXPECT_NEAR(overlap(reversed, box(60, 40, 20, 0), false), 0.6, 1e-12);
}

TEST(TurnedBoxes, AreMeasuredByTheirOverlap) {
  GroundTruth truth;
  truth.x = 30;
  truth.y = 40;
  truth.width = 40;
  truth.height = 20;
  truth.area = 800;
  const Corners label = turned_corners(30, 40, 70, 60, 0);
  truth.polygon.assign(label.begin(), label.end());
  Detection found;
  found.image_id = found.category_id = 1;
  found.score = 0.9;
  found.turned = turned_corners(35, 40, 75, 60, 0);  // 7/9 of it: .50 ... .75
  EXPECT_NEAR(evaluate(one_label(truth), {found}, Measure::kTurnedBoxes).map(), 0.6, 1e-9);
  found.turned = turned_corners(30, 40, 70, 60, std::acos(-1.0) / 2);  // a third
  EXPECT_EQ(evaluate(one_label(truth), {found}, Measure::kTurnedBoxes).map(), 0);
}

}  // namespace
}  // namespace shrike::evaluate
