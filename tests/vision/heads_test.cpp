// Every kind of head by the examples of spec/heads.md section 5, computed by hand there.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "heads/rotated.h"
#include "shrike/detector.h"

namespace shrike {
namespace {

constexpr float kNever = -100;  // a logit that no threshold lets through

// A map of floats, NHWC.
struct Map {
  int height, width, channels;
  std::vector<float> values;

  Map(int h, int w, int c, float fill)
      : height(h), width(w), channels(c), values(static_cast<size_t>(h * w * c), fill) {}
  void set(int x, int y, const std::vector<float>& cell) {
    for (size_t c = 0; c < cell.size(); ++c)
      values[static_cast<size_t>((y * width + x) * channels) + c] = cell[c];
  }
  TensorView view() {
    TensorView view;
    view.type = DataType::kFloat32;
    view.shape = {4, {1, height, width, channels}};
    view.data = values.data();
    view.bytes = values.size() * sizeof(float);
    return view;
  }
};

const ImagePlacement kPlain{1, 1, 0, 0, 1000, 1000};

std::vector<Detection> decode(const Head& head, DetectOptions options = evaluation_options(),
                              const ImagePlacement& placement = kPlain) {
  options.score_threshold = 0.25f;
  std::vector<uint8_t> scratch(detect_scratch_bytes(options));
  std::vector<Detection> results(static_cast<size_t>(options.max_detections));
  int32_t count = 0;
  const Status status =
      decode_detections(head, placement, options, scratch.data(), scratch.size(), results.data(), &count);
  EXPECT_TRUE(status.ok()) << status.detail;
  results.resize(static_cast<size_t>(count));
  return results;
}

void expect_centre(const Detection& d, float cx, float cy, float width, float height) {
  EXPECT_NEAR((d.x1 + d.x2) / 2, cx, 1e-3);
  EXPECT_NEAR((d.y1 + d.y2) / 2, cy, 1e-3);
  EXPECT_NEAR(d.x2 - d.x1, width, 1e-3);
  EXPECT_NEAR(d.y2 - d.y1, height, 1e-3);
}

void expect_box(const Detection& d, float x1, float y1, float x2, float y2) {
  EXPECT_NEAR(d.x1, x1, 1e-3);
  EXPECT_NEAR(d.y1, y1, 1e-3);
  EXPECT_NEAR(d.x2, x2, 1e-3);
  EXPECT_NEAR(d.y2, y2, 1e-3);
}

TEST(HeadAnchors, SizesAreFractionsOfTheAnchors) {
  Map box(10, 20, 12, 0), score(10, 20, 6, kNever), objectness(10, 20, 3, kNever);
  box.set(10, 7, {0, 0, 0, 0, 0.2f, -0.4f, 0.1f, -0.3f});  // the second of three anchors
  objectness.set(10, 7, {kNever, 1});
  score.set(10, 7, {kNever, kNever, kNever, 2});
  Head head = make_head(head_anchors);
  head.anchor_count = 3;
  head.level_count = 1;
  head.levels[0] = {box.view(), score.view(), 16, objectness.view(), {}, {{0, 0}, {62, 45}, {0, 0}, {0, 0}}};
  const auto found = decode(head);
  ASSERT_EQ(found.size(), 1u);
  expect_centre(found[0], 169.5947f, 116.8420f, 68.3496f, 32.5979f);
  EXPECT_NEAR(found[0].score, 0.6439, 1e-4);
  EXPECT_EQ(found[0].category, 1);
  EXPECT_EQ(found[0].place, (7u * 20 + 10) * 3 + 1);
}

TEST(HeadObjectness, SizesArePowersOfE) {
  Map box(8, 8, 4, 0), score(8, 8, 1, kNever), objectness(8, 8, 1, kNever);
  box.set(5, 3, {0.25f, -0.5f, 1.2f, 0.7f});
  objectness.set(5, 3, {1.5f});
  score.set(5, 3, {0.5f});
  Head head = make_head(head_objectness);
  head.level_count = 1;
  head.levels[0] = {box.view(), score.view(), 8, objectness.view(), {}, {}};
  const auto found = decode(head);
  ASSERT_EQ(found.size(), 1u);
  expect_centre(found[0], 42.0f, 20.0f, 26.5609f, 16.1100f);
  EXPECT_NEAR(found[0].score, 0.5089, 1e-4);
}

struct OneCell {
  Map box, score, third;
  OneCell(const std::vector<float>& sides, const std::vector<float>& extra)
      : box(6, 8, 4, 0), score(6, 8, 1, kNever), third(6, 8, static_cast<int>(extra.size()), 0) {
    box.set(4, 2, sides);
    score.set(4, 2, {1});
    third.set(4, 2, extra);
  }
  Head head(const HeadDecoder& decoder = head_detect) {
    Head head = make_head(decoder);
    head.level_count = 1;
    head.levels[0] = {box.view(), score.view(), 16, {}, third.view(), {}};
    return head;
  }
};

TEST(HeadDistances, AreCountedFromTheOffsetOfTheCell) {
  OneCell cell({2.5f, 1, 3, 1.5f}, {0});
  Head head = cell.head();
  expect_box(decode(head).at(0), 32, 24, 120, 64);
  head.cell_offset = 0;
  expect_box(decode(head).at(0), 24, 16, 112, 56);
}

TEST(HeadKeyPoints, OldAndNewFormula) {
  OneCell cell({1, 1, 1, 1}, {1.2f, -0.3f, 0.5f});
  Head head = cell.head(head_pose);
  head.key_points = 1;
  head.key_point_values = 3;
  const Detection found = decode(head).at(0);
  KeyPoint point;
  ASSERT_TRUE(decode_key_points(head, found, kPlain, DetectMode::kEvaluation, &point).ok());
  EXPECT_NEAR(point.x, 102.4, 1e-3);
  EXPECT_NEAR(point.y, 22.4, 1e-3);
  EXPECT_NEAR(point.score, 0.6225, 1e-4);
  head.raw_third = true;
  ASSERT_TRUE(decode_key_points(head, found, kPlain, DetectMode::kEvaluation, &point).ok());
  EXPECT_NEAR(point.x, 91.2, 1e-3);
  EXPECT_NEAR(point.y, 35.2, 1e-3);
}

// The chip compares the raw visibility with one half, truncates and clips (spec/runtime-and-vision.md 7).
TEST(HeadKeyPoints, TheChipZeroesHiddenPoints) {
  OneCell cell({1, 1, 1, 1}, {1.2f, -0.3f, 0.5f, 1.2f, -0.3f, 0.49f});
  Head head = cell.head(head_pose);
  head.key_points = 2;
  head.key_point_values = 3;
  KeyPoint points[2];
  ASSERT_TRUE(
      decode_key_points(head, decode(head).at(0), {1, 1, 0, 0, 90, 90}, DetectMode::kChip, points).ok());
  EXPECT_EQ(points[0].x, 89);  // 102.4 clipped
  EXPECT_EQ(points[0].y, 22);
  EXPECT_EQ(points[1].x, 0);
  EXPECT_EQ(points[1].y, 0);
}

TEST(HeadRotated, TheCentreMovesInTheBoxsOwnDirections) {
  const float kZero = -std::log(3.0f), kEighthTurn = 0;
  OneCell flat({1, 2, 3, 1}, {kZero}), turned({1, 2, 3, 1}, {kEighthTurn}), raw({1, 2, 3, 1}, {kPi / 2});
  Head head = flat.head(head_rotated);
  const Detection a = decode(head).at(0);
  expect_centre(a, 88, 32, 64, 48);
  EXPECT_NEAR(a.angle, 0, 1e-6);
  head.levels[0].third = turned.third.view();
  const Detection b = decode(head).at(0);
  expect_centre(b, 88.9706f, 45.6569f, 64, 48);
  EXPECT_NEAR(b.angle, kPi / 4, 1e-6);
  head.levels[0].third = raw.third.view();
  head.raw_third = true;
  expect_centre(decode(head).at(0), 80, 56, 64, 48);
}

TEST(HeadRotated, LikenessOfTurnedBoxes) {
  const auto box = [](float cx, float width, float height, float angle) {
    return RotatedBox{cx - width / 2, 50 - height / 2, cx + width / 2, 50 + height / 2, angle};
  };
  const RotatedBox plain = box(50, 40, 20, 0);
  EXPECT_NEAR(probabilistic_overlap(plain, box(60, 40, 20, 0)), 0.7009, 1e-4);
  EXPECT_NEAR(probabilistic_overlap(plain, box(50, 40, 20, kPi / 2)), 0.5528, 1e-4);
  EXPECT_NEAR(probabilistic_overlap(plain, plain), 0.99955, 1e-4);  // 1 - exp(-1e-7) in float32
  EXPECT_NEAR(probabilistic_overlap(box(50, 20, 20, 0), box(50, 20, 20, kPi / 4)), 0.99955, 1e-4);
}

TEST(HeadRotated, SineAndCosine) {
  for (int i = -400; i <= 400; ++i) {
    const float x = static_cast<float>(i) * 0.02f;
    EXPECT_NEAR(sin_f32(x), std::sin(static_cast<double>(x)), 2e-7) << x;
    EXPECT_NEAR(cos_f32(x), std::cos(static_cast<double>(x)), 1e-6) << x;
  }
}

// Two equal boxes: a network of one box an object keeps both, any other keeps one.
TEST(HeadEndToEnd, DoesNotSuppressOverlaps) {
  Map box(2, 2, 4, 1), score(2, 2, 2, kNever);
  score.set(0, 0, {1, 2});
  Head head = make_head(head_detect);
  head.level_count = 1;
  head.levels[0] = {box.view(), score.view(), 8, {}, {}, {}};
  head.one_to_one = true;
  const auto both = decode(head);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].category, 1);
  EXPECT_EQ(both[1].category, 0);
  EXPECT_EQ(decode(head, {}).size(), 1u);  // the chip's class keeps one class a cell
}

// The chip's ESPDet keeps a score that equals the threshold's integer, yolo11 does not.
TEST(HeadDistances, PlainDistancesKeepScoresAtTheThreshold) {
  const auto found = [](int32_t bins) {
    std::vector<int8_t> box(static_cast<size_t>(4 * bins), 0), score = {0};
    Head head = make_head(head_detect);
    head.level_count = 1;
    HeadLevel& level = head.levels[0];
    level.box.type = level.score.type = DataType::kInt8;
    level.box.shape = {4, {1, 1, 1, 4 * bins}};
    level.score.shape = {4, {1, 1, 1, 1}};
    level.box.data = box.data();
    level.score.data = score.data();
    level.stride = 8;
    DetectOptions options;
    options.score_threshold = 0.5f;  // logit 0
    std::vector<uint8_t> scratch(detect_scratch_bytes(options));
    Detection results[10];
    int32_t count = 0;
    EXPECT_TRUE(
        decode_detections(head, kPlain, options, scratch.data(), scratch.size(), results, &count).ok());
    return count;
  };
  EXPECT_EQ(found(1), 1);
  EXPECT_EQ(found(16), 0);
}

// Scores that are products already: the threshold is squared, the root is shown.
TEST(HeadPico, ShowsTheRootOfItsScores) {
  Map box(1, 2, 32, 0), score(1, 2, 1, 0);
  score.set(0, 0, {0.49f});
  score.set(1, 0, {0.06f});  // root 0.245
  Head head = make_head(head_pico);
  head.level_count = 1;
  head.levels[0] = {box.view(), score.view(), 8, {}, {}, {}};
  const auto results = decode(head);
  ASSERT_EQ(results.size(), 1u);
  EXPECT_NEAR(results[0].score, 0.7, 1e-6);
}

// Cell (2, 1) of the first level has its centre at (25, 17); its first anchor is 16 pixels wide.
TEST(HeadFace, MovesTheCornersOfAnAnchorByItsShares) {
  Map box(13, 18, 8, 0), score(13, 18, 2, kNever);
  box.set(2, 1, {-0.25f, 0.5f, 0.125f, 0});
  score.set(2, 1, {1});
  Head head = make_head(head_face);
  head.anchor_count = 2;
  head.level_count = 1;
  head.levels[0] = {box.view(), score.view(), 8, {}, {}, {{16, 16}, {32, 32}}};
  const auto found = decode(head);
  ASSERT_EQ(found.size(), 1u);
  expect_box(found[0], 13, 17, 35, 25);
}

// Prototypes of 8x8 cells of a 32x32 input, positive in the left half.
TEST(HeadMasks, AreDecidedByTheSumOfCoefficientsTimesPrototypes) {
  Map box(4, 4, 4, 0), score(4, 4, 1, kNever), coefficients(4, 4, 2, 0), prototypes(8, 8, 2, 0);
  box.set(1, 1, {1.5f, 1.5f, 1.5f, 1.5f});  // centre 12, 12: 0 .. 24
  score.set(1, 1, {2});
  coefficients.set(1, 1, {2, -1});
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x)
      prototypes.set(x, y, {x < 4 ? 1.0f : -1.0f, x < 4 ? 1.0f : 0.5f});  // 1, or -2.5
  }
  Head head = make_head(head_segment);
  head.level_count = 1;
  head.levels[0] = {box.view(), score.view(), 8, {}, coefficients.view(), {}};
  head.prototypes = prototypes.view();
  for (const DetectMode mode : {DetectMode::kEvaluation, DetectMode::kChip}) {
    DetectOptions options = mode == DetectMode::kChip ? DetectOptions{} : evaluation_options();
    const ImagePlacement placement{1, 1, 0, 0, 32, 32};
    const auto results = decode(head, options, placement);
    ASSERT_EQ(results.size(), 1u);
    const MaskArea area = mask_area(results[0], mode);
    EXPECT_EQ(area.width, 24);
    EXPECT_EQ(area.height, 24);
    std::vector<uint8_t> mask(static_cast<size_t>(area.width * area.height)),
        scratch(mask_scratch_bytes(head));
    ASSERT_TRUE(decode_mask(head, results[0], placement, mode, scratch.data(), scratch.size(), mask.data(),
                            mask.size())
                    .ok());
    for (int y = 0; y < area.height; ++y) {
      EXPECT_EQ(mask[static_cast<size_t>(y * 24 + 13)], 1) << y;
      EXPECT_EQ(mask[static_cast<size_t>(y * 24 + 16)], 0) << y;
    }
  }
}

TEST(HeadMasks, MistakesAreReported) {
  OneCell cell({1, 1, 1, 1}, {1, 1});
  Head head = cell.head(head_segment);
  uint8_t memory[8];
  const Detection detection = decode(head).at(0);
  EXPECT_EQ(
      decode_mask(head, detection, kPlain, DetectMode::kChip, memory, sizeof memory, memory, sizeof memory)
          .code,
      StatusCode::kBadArgument);
  Map prototypes(2, 2, 3, 0);  // three channels for two coefficients
  head.prototypes = prototypes.view();
  std::vector<uint8_t> scratch(mask_scratch_bytes(head)), mask(32 * 32);
  EXPECT_EQ(
      decode_mask(head, detection, kPlain, DetectMode::kChip, scratch.data(), 3, mask.data(), mask.size())
          .code,
      StatusCode::kArenaTooSmall);
  EXPECT_EQ(decode_mask(head, detection, kPlain, DetectMode::kChip, scratch.data(), scratch.size(),
                        mask.data(), mask.size())
                .code,
            StatusCode::kBadShape);
  Detection elsewhere = detection;
  elsewhere.place = 48;  // behind the last cell
  KeyPoint point;
  EXPECT_EQ(decode_key_points(head, elsewhere, kPlain, DetectMode::kChip, &point).code,
            StatusCode::kBadArgument);
}

TEST(Classes, AreSortedAndCut) {
  std::vector<int8_t> logits = {0, 4, 4, -8, 2};
  TensorView view;
  view.type = DataType::kInt8;
  view.shape = {2, {1, 5}};
  view.exponent = -1;
  view.data = logits.data();
  ClassScore best[3];
  int32_t count = 0;
  ASSERT_TRUE(decode_classes(view, true, 0, best, 3, &count).ok());
  ASSERT_EQ(count, 3);
  EXPECT_EQ(best[0].category, 1);  // equal scores: the lower index first
  EXPECT_EQ(best[1].category, 2);
  EXPECT_EQ(best[2].category, 4);
  const double sum = 1 + 2 * std::exp(2.0) + std::exp(-4.0) + std::exp(1.0);
  EXPECT_NEAR(best[0].score, std::exp(2.0) / sum, 1e-6);
  ASSERT_TRUE(decode_classes(view, false, 1.5f, best, 3, &count).ok());
  EXPECT_EQ(count, 2);
  EXPECT_EQ(best[1].score, 2);
}

}  // namespace
}  // namespace shrike
