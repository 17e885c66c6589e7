// Decoding of detection heads, in both modes, on made-up heads.
#include "shrike/detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "ops/float_math.h"

namespace shrike {
namespace {

constexpr int kBins = 16;
const ImagePlacement kWholePicture{1, 1, 0, 0, 10000, 10000};

// One level whose scores are all far below any threshold and whose DFL bins are flat; T is the element type.
template <typename T>
struct Head {
  int height, width, classes, bins, exponent, stride;
  std::vector<T> box, score;

  Head(int h, int w, int c, int e = 0, int s = 8, int b = kBins)
      : height(h),
        width(w),
        classes(c),
        bins(b),
        exponent(e),
        stride(s),
        box(static_cast<size_t>(h) * w * 4 * b, T{0}),
        score(static_cast<size_t>(h) * w * c, T{-100}) {}

  T& score_at(int y, int x, int c) { return score[static_cast<size_t>((y * width + x) * classes + c)]; }
  // Distances in stride units: one bin towers above the others.
  void set_box(int y, int x, int left, int top, int right, int bottom) {
    T* values = &box[static_cast<size_t>((y * width + x) * 4 * bins)];
    const int sides[4] = {left, top, right, bottom};
    for (int i = 0; i < 4; ++i) {
      if (bins == 1) {
        values[i] = static_cast<T>(sides[i]);
      } else {
        std::fill(values + i * bins, values + (i + 1) * bins, T{-100});
        values[i * bins + sides[i]] = T{100};
      }
    }
  }
  HeadLevel level() {
    const auto view = [&](std::vector<T>& values, int channels) {
      TensorView v;
      v.type = sizeof(T) == 4 ? DataType::kFloat32 : sizeof(T) == 2 ? DataType::kInt16 : DataType::kInt8;
      v.shape = {4, {1, height, width, channels}};
      v.exponent = exponent;
      v.data = values.data();
      v.bytes = values.size() * sizeof(T);
      return v;
    };
    return {view(box, 4 * bins), view(score, classes), stride};
  }
};

Status decode_status(const std::vector<HeadLevel>& levels, const ImagePlacement& placement,
                     const DetectOptions& options, std::vector<Detection>& results,
                     Rounding rounding = Rounding::kHalfEven) {
  std::vector<uint8_t> scratch(detect_scratch_bytes(options));
  results.resize(static_cast<size_t>(options.max_detections));
  int32_t count = 0;
  shrike::Head head = make_head(head_detect);
  head.rounding = rounding;
  head.level_count = static_cast<int32_t>(levels.size());
  std::copy_n(levels.begin(), std::min<size_t>(levels.size(), kMaxHeadLevels), head.levels);
  const Status status =
      decode_detections(head, placement, options, scratch.data(), scratch.size(), results.data(), &count);
  results.resize(static_cast<size_t>(count));
  return status;
}

std::vector<Detection> decode(const std::vector<HeadLevel>& levels, const DetectOptions& options,
                              const ImagePlacement& placement = kWholePicture,
                              Rounding rounding = Rounding::kHalfEven) {
  std::vector<Detection> results;
  const Status status = decode_status(levels, placement, options, results, rounding);
  EXPECT_TRUE(status.ok()) << status.detail;
  return results;
}

DetectOptions evaluation(float threshold = 0.001f) {
  DetectOptions options = evaluation_options();
  options.score_threshold = threshold;
  return options;
}

DetectOptions chip(float threshold = 0.25f) {
  DetectOptions options;
  options.score_threshold = threshold;
  return options;
}

// Cell (row 2, column 3), stride 8: centre (28, 20); distances 1, 2, 3, 1 strides.
TEST(Decode, BoxFromDistances) {
  Head<float> head(4, 5, 2);
  head.score_at(2, 3, 1) = 2;
  head.set_box(2, 3, 1, 2, 3, 1);
  for (const DetectOptions& options : {evaluation(), chip()}) {
    const auto found = decode({head.level()}, options);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].category, 1);
    EXPECT_NEAR(found[0].score, 1 / (1 + std::exp(-2.0)), 1e-6);
    EXPECT_EQ(found[0].x1, 20);
    EXPECT_EQ(found[0].y1, 4);
    EXPECT_EQ(found[0].x2, 52);
    EXPECT_EQ(found[0].y2, 28);
  }
}

TEST(Decode, IntegerHeadsGiveTheSame) {
  const auto run = [](auto head) {
    head.score_at(2, 3, 1) = 8;  // 8 * 2^-2
    head.set_box(2, 3, 1, 2, 3, 1);
    return decode({head.level()}, evaluation());
  };
  const auto bytes = run(Head<int8_t>(4, 5, 2, -2));
  const auto words = run(Head<int16_t>(4, 5, 2, -2));
  ASSERT_EQ(bytes.size(), 1u);
  ASSERT_EQ(words.size(), 1u);
  EXPECT_NEAR(bytes[0].score, 1 / (1 + std::exp(-2.0)), 1e-6);
  EXPECT_EQ(bytes[0].x1, 20);
  EXPECT_EQ(words[0].x1, bytes[0].x1);
  EXPECT_EQ(words[0].score, bytes[0].score);
}

// Two equal bins: their mean. Flat bins: 7.5.
TEST(Decode, DistanceIsTheExpectedBin) {
  Head<float> head(1, 1, 1);
  head.score_at(0, 0, 0) = 2;
  head.set_box(0, 0, 4, 0, 0, 0);
  head.box[5] = 100;                                              // left: bins 4 and 5
  std::fill(head.box.begin() + 32, head.box.begin() + 48, 1.0f);  // right: flat
  const auto found = decode({head.level()}, evaluation(), {1, 1, 100, 100, 10000, 10000});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].x1, 0);  // clipped
  const auto moved = decode({head.level()}, evaluation(), {1, 1, -100, -100, 10000, 10000});
  EXPECT_NEAR(moved[0].x1, 4 - 4.5 * 8 + 100, 1e-4);
  EXPECT_NEAR(moved[0].x2, 4 + 7.5 * 8 + 100, 1e-4);
}

TEST(Decode, OneBinIsTheDistanceItself) {
  Head<int8_t> head(1, 1, 1, 0, 16, 1);
  head.score_at(0, 0, 0) = 2;
  head.set_box(0, 0, -1, 0, 5, 2);
  const auto found = decode({head.level()}, evaluation());
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].x1, 24);
  EXPECT_EQ(found[0].x2, 88);
  EXPECT_EQ(found[0].y2, 40);
}

TEST(Decode, PlacementMapsBackAndClips) {
  Head<float> head(8, 8, 1);
  head.score_at(4, 4, 0) = 3;
  head.set_box(4, 4, 2, 1, 15, 1);  // centre (36, 36): 20, 28, 156, 44
  const ImagePlacement placement{1.5f, 2.0f, 10, 4, 100, 90};
  const auto exact = decode({head.level()}, evaluation(), placement);
  EXPECT_EQ(exact[0].x1, 15);
  EXPECT_EQ(exact[0].y1, 48);
  EXPECT_EQ(exact[0].x2, 100);
  EXPECT_EQ(exact[0].y2, 80);
  const auto whole = decode({head.level()}, chip(), placement);
  EXPECT_EQ(whole[0].x2, 99);  // last pixel
}

// (15 - 10.3...) parts: coordinates are cut towards zero, also below it.
TEST(Decode, ChipTruncatesTowardsZero) {
  Head<float> head(2, 2, 1);
  head.score_at(0, 0, 0) = 3;
  head.set_box(0, 0, 0, 0, 1, 1);  // 4, 4, 12, 12
  const auto found = decode({head.level()}, chip(), {0.7f, 0.7f, 0, 0, 100, 100});
  EXPECT_EQ(found[0].x1, 2);  // 2.8
  EXPECT_EQ(found[0].x2, 8);  // 8.4
}

// logit(0.25) = -1.0986. With exponent -1 the chip's limit is round(-2.197) = -2, so -1 (score .378) passes
// and -2 (score .269) does not, although .269 > .25; the evaluation keeps it.
TEST(Threshold, ChipComparesIntegers) {
  Head<int8_t> head(1, 3, 1, -1);
  head.score_at(0, 0, 0) = -1;
  head.score_at(0, 1, 0) = -2;
  head.score_at(0, 2, 0) = -3;
  for (int x = 0; x < 3; ++x) head.set_box(0, x, 0, 0, 0, 0);
  EXPECT_EQ(decode({head.level()}, chip()).size(), 1u);
  EXPECT_EQ(decode({head.level()}, evaluation(0.25f)).size(), 2u);
}

// exponent 0, threshold with logit -1.5: a tie, to even -2 (P4) or up to -1 (others).
TEST(Threshold, TieRoundsAsTheTargetDoes) {
  Head<int8_t> head(1, 1, 1, 0);
  head.score_at(0, 0, 0) = -1;
  // The float32 threshold whose logit is exactly -1.5.
  float threshold = 0.18242f;
  while (threshold < 0.18243f && log_f32(threshold / (1.0f - threshold)) != -1.5f) {
    threshold = std::nextafter(threshold, 1.0f);
  }
  ASSERT_EQ(log_f32(threshold / (1.0f - threshold)), -1.5f);
  EXPECT_EQ(decode({head.level()}, chip(threshold), kWholePicture, Rounding::kHalfEven).size(), 1u);
  EXPECT_EQ(decode({head.level()}, chip(threshold), kWholePicture, Rounding::kHalfUp).size(), 0u);
}

TEST(Threshold, ZeroKeepsEverythingAndOneNothing) {
  Head<int8_t> head(2, 2, 3, 0);
  std::fill(head.score.begin(), head.score.end(), int8_t{-128});
  for (DetectMode mode : {DetectMode::kEvaluation, DetectMode::kChip}) {
    DetectOptions options = evaluation(0);
    options.mode = mode;
    options.iou_threshold = 1;
    EXPECT_EQ(decode({head.level()}, options).size(), 12u);
    options.score_threshold = 1;
    EXPECT_EQ(decode({head.level()}, options).size(), 0u);
  }
}

// Two classes in one cell: the evaluation keeps both (NMS within classes), the chip the better one.
TEST(Nms, ClassesAreSeparateOnlyInEvaluation) {
  Head<float> head(1, 1, 3);
  head.score_at(0, 0, 0) = 1;
  head.score_at(0, 0, 2) = 2;
  head.set_box(0, 0, 1, 1, 1, 1);
  const auto both = decode({head.level()}, evaluation());
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].category, 2);
  EXPECT_EQ(both[1].category, 0);
  const auto best = decode({head.level()}, chip());
  ASSERT_EQ(best.size(), 1u);
  EXPECT_EQ(best[0].category, 2);
}

// Boxes 40 wide, 8 apart: as reals 32/48 = .667, as inclusive pixels (33 * 41)/(49 * 41) = .673.
TEST(Nms, OverlapIsStrictAndInclusiveOnTheChip) {
  Head<float> head(1, 8, 1);
  for (int x : {3, 4}) {
    head.score_at(0, x, 0) = static_cast<float>(5 - x);
    head.set_box(0, x, 2, 0, 3, 5);
  }
  const auto count = [&](DetectOptions options, float iou) {
    options.iou_threshold = iou;
    return decode({head.level()}, options).size();
  };
  EXPECT_EQ(count(evaluation(), 0.67f), 2u);
  EXPECT_EQ(count(chip(), 0.67f), 1u);
  EXPECT_EQ(count(chip(), 33.0f / 49.0f), 2u);  // equal is not greater
  EXPECT_EQ(count(evaluation(), 0.66f), 1u);
}

// A suppressed box suppresses nothing: A kills B, C overlaps only B and stays.
TEST(Nms, IsGreedy) {
  Head<float> head(1, 12, 1);
  const int columns[3] = {4, 5, 6};
  for (int i = 0; i < 3; ++i) {
    head.score_at(0, columns[i], 0) = static_cast<float>(3 - i);
    head.set_box(0, columns[i], 2, 0, 2, 1);
  }
  DetectOptions options = evaluation();
  options.iou_threshold = 0.5f;  // neighbours: 24/40 = .6, next but one: 16/48 = .33
  const auto found = decode({head.level()}, options);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].x1, 4 * 8 + 4 - 16);
  EXPECT_EQ(found[1].x1, 6 * 8 + 4 - 16);
}

TEST(Nms, LimitsKeepTheBest) {
  Head<float> head(1, 20, 1);
  for (int x = 0; x < 20; ++x) {
    head.score_at(0, x, 0) = static_cast<float>((x * 7) % 20) / 10;
    head.set_box(0, x, 0, 0, 0, 0);
  }
  const auto ten = decode({head.level()}, chip());
  ASSERT_EQ(ten.size(), 10u);
  EXPECT_TRUE(std::is_sorted(ten.begin(), ten.end(), [](auto& a, auto& b) { return a.score > b.score; }));
  EXPECT_NEAR(ten[0].score, 1 / (1 + std::exp(-1.9)), 1e-6);
  DetectOptions options = evaluation();
  options.max_candidates = 5;
  const auto five = decode({head.level()}, options);
  ASSERT_EQ(five.size(), 5u);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(five[i].score, ten[i].score);
}

TEST(Nms, EqualScoresKeepTheOrderOfTheHead) {
  Head<int8_t> first(1, 2, 2, 0, 8), second(1, 1, 2, 0, 16);
  for (auto* value : {&first.score_at(0, 1, 1), &first.score_at(0, 1, 0), &second.score_at(0, 0, 1)})
    *value = 3;
  DetectOptions options = evaluation();
  const auto found = decode({first.level(), second.level()}, options);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].category, 0);
  EXPECT_EQ(found[1].category, 1);
  EXPECT_EQ(found[2].category, 1);
  EXPECT_GT(found[2].x2, found[1].x2);  // the second level's
}

// Against a plain definition: all boxes decoded, sorted, compared with every kept one.
TEST(Nms, EqualsThePlainDefinitionOnRandomHeads) {
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    Head<int8_t> head(6, 7, 4, -3);
    for (int8_t& v : head.box) v = static_cast<int8_t>(static_cast<int>(random() % 64) - 32);
    for (int8_t& v : head.score) v = static_cast<int8_t>(static_cast<int>(random() % 80) - 60);
    DetectOptions everything = evaluation(0.1f);
    everything.iou_threshold = 1;
    everything.max_detections = 1000;
    DetectOptions options = everything;
    options.iou_threshold = 0.45f;
    const ImagePlacement large{1, 1, -1000, -1000, 100000, 100000};
    std::vector<Detection> expected;
    for (const Detection& d : decode({head.level()}, everything, large)) {
      const bool dropped = std::any_of(expected.begin(), expected.end(), [&](const Detection& k) {
        const double w = std::min(k.x2, d.x2) - std::max(k.x1, d.x1),
                     h = std::min(k.y2, d.y2) - std::max(k.y1, d.y1);
        if (k.category != d.category || w <= 0 || h <= 0) return false;
        const double area = double(k.x2 - k.x1) * (k.y2 - k.y1) + double(d.x2 - d.x1) * (d.y2 - d.y1);
        return w * h / (area - w * h) > 0.45;
      });
      if (!dropped) expected.push_back(d);
    }
    const auto found = decode({head.level()}, options, large);
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].x1, expected[i].x1);
      EXPECT_EQ(found[i].category, expected[i].category);
    }
  }
}

TEST(Robustness, BrokenNumbersStayInsideThePicture) {
  Head<float> head(2, 2, 1);
  const float odd[4] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                        -1e30f, 1e30f};
  for (size_t i = 0; i < head.box.size(); ++i) head.box[i] = odd[i % 4];
  head.score[0] = std::numeric_limits<float>::quiet_NaN();
  head.score[1] = std::numeric_limits<float>::infinity();
  head.score[2] = 1e30f;
  head.score[3] = -std::numeric_limits<float>::infinity();
  for (const DetectOptions& options : {evaluation(), chip()}) {
    for (const Detection& d : decode({head.level()}, options, {1, 1, 0, 0, 100, 80})) {
      EXPECT_GE(d.x1, 0);
      EXPECT_LE(d.x2, 100);
      EXPECT_GE(d.y1, 0);
      EXPECT_LE(d.y2, 80);
      EXPECT_EQ(d.score, 1);
    }
  }
}

TEST(Robustness, MistakesAreReported) {
  Head<int8_t> head(2, 2, 3);
  std::vector<Detection> results;
  const ImagePlacement placement{1, 1, 0, 0, 10, 10};
  const auto code = [&](const HeadLevel& level) {
    return decode_status({level}, placement, chip(), results).code;
  };
  HeadLevel level = head.level();
  level.score.shape.dims[1] = 1;
  EXPECT_EQ(code(level), StatusCode::kBadShape);
  level = head.level();
  level.box.shape.dims[3] = 66;
  EXPECT_EQ(code(level), StatusCode::kBadShape);
  level = head.level();
  level.box.type = DataType::kInt32;
  EXPECT_EQ(code(level), StatusCode::kUnsupportedType);
  level = head.level();
  level.stride = 0;
  EXPECT_EQ(code(level), StatusCode::kBadArgument);
  EXPECT_EQ(decode_status({}, placement, chip(), results).code, StatusCode::kBadArgument);
  EXPECT_EQ(decode_status({head.level()}, {}, chip(), results).code, StatusCode::kBadArgument);

  int32_t count = 0;
  uint8_t scratch[16];
  results.resize(10);
  shrike::Head whole = make_head(head_detect);
  whole.level_count = 1;
  whole.levels[0] = head.level();
  const Status small =
      decode_detections(whole, placement, chip(), scratch, sizeof scratch, results.data(), &count);
  EXPECT_EQ(small.code, StatusCode::kArenaTooSmall);
  EXPECT_EQ(small.needed, detect_scratch_bytes(chip()));
}

}  // namespace
}  // namespace shrike
