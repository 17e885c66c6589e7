// The detection loss and its assigner against hand calculation and finite differences (spec/training.md
// sections 2 and 8).
#include "toolchain/train/loss.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "toolchain/support/random.h"

namespace shrike::train {
namespace {

// Places of a `side` x `side` picture at strides 8, 16 and 32, each predicting a box of `size` pixels about
// itself with the same logit.
std::vector<Prediction> uniform_predictions(int side, double size, const float* logit) {
  std::vector<Prediction> result;
  for (const int stride : {8, 16, 32}) {
    for (int row = 0; row < side / stride; ++row) {
      for (int column = 0; column < side / stride; ++column) {
        const double x = (column + 0.5) * stride, y = (row + 0.5) * stride;
        result.push_back({x, y, {x - size / 2, y - size / 2, x + size / 2, y + size / 2}, logit, 0});
      }
    }
  }
  return result;
}

int count_of(const std::vector<Assignment>& assigned, int truth) {
  return static_cast<int>(
      std::count_if(assigned.begin(), assigned.end(), [&](const Assignment& a) { return a.truth == truth; }));
}

double best_target(const std::vector<Assignment>& assigned) {
  double best = 0;
  for (const Assignment& a : assigned) best = std::max(best, a.target);
  return best;
}

TEST(CompleteIou, IsOneForEqualBoxesAndSubtractsDistanceAndAspect) {
  EXPECT_NEAR(complete_iou({1, 2, 5, 6}, {1, 2, 5, 6}), 1, 1e-6);
  // Two unit squares three apart: no overlap, centres 3 apart, hull 4 x 1.
  EXPECT_NEAR(complete_iou({0, 0, 1, 1}, {3, 0, 4, 1}), -9.0 / 17, 1e-6);
  // The same centre and area, 4 x 1 against 1 x 4: overlap 1 of 7.
  const double v = 4 / (M_PI * M_PI) * std::pow(std::atan(4.0) - std::atan(0.25), 2);
  EXPECT_NEAR(complete_iou({-2, -0.5, 2, 0.5}, {-0.5, -2, 0.5, 2}), 1.0 / 7 - v * v / (v - 1.0 / 7 + 1),
              1e-6);
}

TEST(CompleteIou, GradientIsThatOfFiniteDifferencesWithTheAspectWeightHeld) {
  // Where both aspects are equal, the weight's own derivative vanishes: plain differences are exact.
  const Box wanted{0, 0, 4, 2};
  const Box box{1, 0.5, 5.5, 2.75};
  double slope[4];
  complete_iou(box, wanted, slope);
  for (int i = 0; i < 4; ++i) {
    Box high = box, low = box;
    double* const corners_high[4] = {&high.x1, &high.y1, &high.x2, &high.y2};
    double* const corners_low[4] = {&low.x1, &low.y1, &low.x2, &low.y2};
    *corners_high[i] += 1e-5;
    *corners_low[i] -= 1e-5;
    EXPECT_NEAR(slope[i], (complete_iou(high, wanted) - complete_iou(low, wanted)) / 2e-5, 1e-4) << i;
  }
}

TEST(Assigner, GivesAnObjectItsTenBestPlacesAndTheBestOfThemItsOverlapAsTarget) {
  const float logit = 0;
  const std::vector<Prediction> predictions = uniform_predictions(128, 64, &logit);
  const Truth truth{0, 32, 32, 96, 96};
  const std::vector<Assignment> assigned = assign(predictions, {truth});
  EXPECT_EQ(count_of(assigned, 0), 10);
  double best = 0;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const Prediction& p = predictions[i];
    if (assigned[i].truth == 0) {
      EXPECT_TRUE(p.x > 32 && p.x < 96 && p.y > 32 && p.y < 96);
      best = std::max(best, complete_iou({32, 32, 96, 96}, p.box));
    }
  }
  EXPECT_NEAR(best_target(assigned), best, 1e-6);
}

TEST(Assigner, ATieBetweenIdenticalObjectsGoesToTheFirst) {
  const float logit = 0;
  const Truth first{0, 32, 32, 96, 96}, second{1, 32, 32, 96, 96};
  const std::vector<Assignment> assigned = assign(uniform_predictions(128, 64, &logit), {first, second});
  EXPECT_EQ(count_of(assigned, 0), 10);
  EXPECT_EQ(count_of(assigned, 1), 0);
}

TEST(Assigner, AContestedPlaceGoesToTheObjectThatItsBoxOverlapsMost) {
  const float logits[2] = {4, -4};  // the first class scores far higher
  std::vector<Prediction> predictions = {{20, 20, {10, 10, 30, 30}, logits, 1}};
  const Truth loose{0, 5, 5, 40, 40}, tight{1, 10, 10, 31, 30};
  EXPECT_EQ(assign(predictions, {loose, tight})[0].truth, 1);
}

TEST(Assigner, AnObjectBetweenThePlacesIsLookedForInALargerSquare) {
  const float logit = 0;
  std::vector<Prediction> predictions = uniform_predictions(128, 16, &logit);
  for (Prediction& p : predictions) p.box = {61, 61, 67, 67};
  const Truth tiny{0, 62, 62, 66, 66};  // no place of stride 8 lies within
  EXPECT_GT(count_of(assign(predictions, {tiny}), 0), 0);
  AssignerOptions plain;
  plain.smallest_stride = 0;
  EXPECT_EQ(count_of(assign(predictions, {tiny}, plain), 0), 0);
}

TEST(Assigner, WithoutObjectsEverythingIsBackground) {
  const float logit = 0;
  EXPECT_EQ(count_of(assign(uniform_predictions(64, 16, &logit), {}), -1), 64 + 16 + 4);
}

// A head of two levels with random logits for a few pictures.
struct Head {
  static constexpr int kClasses = 3, kBins = 8, kPictures = 2;
  std::vector<float> box[2], score[2], box_gradient[2], score_gradient[2];

  Head() {
    Random random(7);
    for (int i = 0; i < 2; ++i) {
      const size_t cells = i == 0 ? 64 : 16;
      box[i].resize(kPictures * 4 * kBins * cells);
      score[i].resize(kPictures * kClasses * cells);
      for (float& v : box[i]) v = static_cast<float>(random.uniform(-1, 1));
      for (float& v : score[i]) v = static_cast<float>(random.uniform(-2, 1));
      box_gradient[i].assign(box[i].size(), 0);
      score_gradient[i].assign(score[i].size(), 0);
    }
  }

  LossTerms loss(const std::vector<std::vector<Truth>>& truths, bool gradients, LossOptions options = {}) {
    options.classes = kClasses;
    options.bins = kBins;
    std::vector<LossLevel> levels(2);
    for (int i = 0; i < 2; ++i) {
      levels[i] = {box[i].data(),
                   score[i].data(),
                   gradients ? box_gradient[i].data() : nullptr,
                   gradients ? score_gradient[i].data() : nullptr,
                   i == 0 ? 8 : 4,
                   i == 0 ? 8 : 4,
                   i == 0 ? 8.0 : 16.0};
    }
    return detection_loss(levels, truths, options);
  }
};

TEST(DetectionLoss, WithoutObjectsOnlyTheClassTermIsLeft) {
  Head head;
  const LossTerms terms = head.loss({{}, {}}, false);
  EXPECT_EQ(terms.box, 0);
  EXPECT_EQ(terms.distribution, 0);
  double sum = 0;
  for (const auto& scores : head.score) {
    for (const float x : scores) sum += std::log1p(std::exp(static_cast<double>(x)));
  }
  EXPECT_NEAR(terms.classes, 0.5 * sum, 1e-3);
}

// Else a quantised network would be told to hold a background that nobody reads, and coarser scores with it.
TEST(DetectionLoss, BackgroundThatAFormatClipsIsNoError) {
  Head deep, clipped;
  for (int i = 0; i < 2; ++i) {
    for (size_t k = 0; k < deep.score[i].size(); k += 2) deep.score[i][k] = -20;
    clipped.score[i] = deep.score[i];
    for (float& x : clipped.score[i]) x = std::max(x, -8.0f);
  }
  const std::vector<std::vector<Truth>> none = {{}, {}}, one = {{{0, 4, 4, 30, 30}}, {}};
  EXPECT_GT(clipped.loss(none, false).classes, deep.loss(none, false).classes + 1e-3);
  EXPECT_EQ(clipped.loss(none, false, {.background = -8}).classes,
            deep.loss(none, false, {.background = -8}).classes);
  clipped.loss(one, true, {.background = -8});
  for (int i = 0; i < 2; ++i) {
    for (size_t k = 0; k < clipped.score[i].size(); ++k) {
      if (clipped.score[i][k] > -8) continue;
      EXPECT_LE(clipped.score_gradient[i][k], 0);  // zero, or towards an object that is there
    }
  }
}

TEST(DetectionLoss, ClassGradientIsScoreMinusTarget) {
  Head head;
  head.loss({{}, {}}, true);
  for (size_t i = 0; i < head.score[0].size(); ++i) {
    const double expected = 0.5 * Head::kPictures / (1 + std::exp(-static_cast<double>(head.score[0][i])));
    ASSERT_NEAR(head.score_gradient[0][i], expected, 1e-5);
  }
}

// One place, one object: the target score is held at its best and the loss is a plain function of the box
// logits, up to the assignment's own dependence, which the weight takes out.
struct OnePlace {
  static constexpr int kBins = 8;
  std::vector<float> box = std::vector<float>(4 * kBins), score = {2.0f};
  std::vector<float> box_gradient = std::vector<float>(4 * kBins), score_gradient = {0};
  std::vector<std::vector<Truth>> truths = {{{0, 4.0f, 6.0f, 28.0f, 27.0f}}};

  LossTerms loss(double box_gain, double distribution_gain) {
    LossOptions options;
    options.classes = 1;
    options.bins = kBins;
    options.box_gain = box_gain;
    options.class_gain = 0;
    options.distribution_gain = distribution_gain;
    return detection_loss({{box.data(), score.data(), box_gradient.data(), score_gradient.data(), 1, 1, 32}},
                          truths, options);
  }
  // The target score, from the box term: 1 - overlap is known.
  double target() {
    std::array<double, 4> d{};
    for (int side = 0; side < 4; ++side) {
      double sum = 0, mean = 0;
      for (int k = 0; k < kBins; ++k) {
        const double e = std::exp(static_cast<double>(box[static_cast<size_t>(side * kBins + k)]));
        sum += e;
        mean += k * e;
      }
      d[static_cast<size_t>(side)] = mean / sum;
    }
    const Box wanted{truths[0][0].x1 / 32, truths[0][0].y1 / 32, truths[0][0].x2 / 32, truths[0][0].y2 / 32};
    return loss(1, 0).box / (1 - complete_iou({0.5 - d[0], 0.5 - d[1], 0.5 + d[2], 0.5 + d[3]}, wanted));
  }
};

TEST(DetectionLoss, BoxAndDistributionGradientsAreThoseOfFiniteDifferences) {
  OnePlace place;
  Random random(3);
  for (float& v : place.box) v = static_cast<float>(random.uniform(-0.5, 0.5));
  // Near the wanted distances, so that the overlap is real.
  for (int side = 0; side < 4; ++side) place.box[static_cast<size_t>(side * OnePlace::kBins)] += 4;
  for (const bool of_box : {true, false}) {
    std::fill(place.box_gradient.begin(), place.box_gradient.end(), 0.0f);
    const double gain = of_box ? 7.5 : 1.5;
    const auto per_target = [&] {
      const LossTerms terms = of_box ? place.loss(gain, 0) : place.loss(0, gain);
      return (terms.box + terms.distribution) / place.target();
    };
    const double target = place.target();
    std::fill(place.box_gradient.begin(), place.box_gradient.end(), 0.0f);
    of_box ? place.loss(gain, 0) : place.loss(0, gain);
    const std::vector<float> gradient = place.box_gradient;
    for (size_t i = 0; i < place.box.size(); ++i) {
      const float old = place.box[i];
      place.box[i] = old + 1e-2f;
      const double high = per_target();
      place.box[i] = old - 1e-2f;
      const double low = per_target();
      place.box[i] = old;
      EXPECT_NEAR(gradient[i], target * (high - low) / 2e-2, 4e-3 * target * gain) << i << " box " << of_box;
    }
  }
}

TEST(DetectionLoss, ADistanceBetweenTwoBinsWantsBothInProportion) {
  // 3.25 cells to every side: 0.75 of bin 3, 0.25 of bin 4 is the minimum.
  OnePlace place;
  const float centre = 16, reach = 3.25f * 32;
  place.truths = {{{0, centre - reach, centre - reach, centre + reach, centre + reach}}};
  for (int side = 0; side < 4; ++side) {
    for (int k = 0; k < OnePlace::kBins; ++k) {
      const double wanted = k == 3 ? 0.75 : k == 4 ? 0.25 : 1e-9;
      place.box[static_cast<size_t>(side * OnePlace::kBins + k)] = static_cast<float>(std::log(wanted));
    }
  }
  const double entropy = -(0.75 * std::log(0.75) + 0.25 * std::log(0.25));
  const LossTerms terms = place.loss(0, 1.5);
  EXPECT_NEAR(terms.distribution, 1.5 * entropy * place.target(), 1e-4);
  std::fill(place.box_gradient.begin(), place.box_gradient.end(), 0.0f);
  place.loss(0, 1.5);
  for (const float g : place.box_gradient) EXPECT_NEAR(g, 0, 1e-5);
}

}  // namespace
}  // namespace shrike::train
