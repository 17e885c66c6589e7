// The loss of distillation against hand calculation and finite differences (spec/training.md section 6.3).
#include "toolchain/train/distillation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "toolchain/support/random.h"

namespace shrike::train {
namespace {

constexpr int64_t kBins = 3, kClasses = 2, kCells = 4;

// One level of 2 x 2 cells.
Results small_head() {
  DetectionHead head;
  head.head.bins = kBins;
  head.head.classes = kClasses;
  head.head.levels.push_back({{"box0", "score0"}, 2, 2, 8});
  head.outputs = {"box0", "score0"};
  return {head, head.outputs, {}};
}

engine::Array filled(std::vector<int64_t> shape, float value) {
  engine::Array array{std::move(shape), {}};
  int64_t count = 1;
  for (const int64_t size : array.shape) count *= size;
  array.values.assign(static_cast<size_t>(count), value);
  return array;
}

// Boxes, scores and one feature of one picture.
std::vector<engine::Array> arrays(float score) {
  return {filled({1, 4 * kBins, 2, 2}, 0), filled({1, kClasses, 2, 2}, score), filled({1, 2, 2, 2}, 1)};
}

DistillationTerms terms_of(const std::vector<engine::Array>& teacher,
                           const std::vector<engine::Array>& student,
                           std::vector<engine::Array>& derivatives) {
  derivatives.clear();
  for (const engine::Array& array : student) derivatives.push_back(filled(array.shape, 0));
  return distillation_loss(small_head(), teacher, student, {}, 1, derivatives);
}

// Formats end at the background: how far below it the float network's logits lie is no error.
TEST(Distillation, BackgroundThatAFormatClipsIsNoError) {
  const std::vector<engine::Array> teacher = arrays(-14), student = arrays(-8);
  std::vector<engine::Array> derivatives;
  EXPECT_EQ(terms_of(teacher, student, derivatives).total(), 0);
  for (const float slope : derivatives[1].values) EXPECT_EQ(slope, 0);
  EXPECT_GT(terms_of(teacher, arrays(-7), derivatives).classes, 0);
}

TEST(Distillation, GradientsAreThoseOfFiniteDifferences) {
  std::vector<engine::Array> teacher = arrays(0), student = arrays(0);
  Random random(5);
  for (size_t i = 0; i < teacher.size(); ++i) {
    for (float& value : teacher[i].values) value = static_cast<float>(random.uniform(-2, 2));
    for (float& value : student[i].values) value = static_cast<float>(random.uniform(-2, 2));
  }
  std::vector<engine::Array> derivatives, ignored;
  const double loss = terms_of(teacher, student, derivatives).total();
  EXPECT_GT(loss, 0.1);
  constexpr float kStep = 1e-2f;
  for (size_t i = 0; i < student.size(); ++i) {
    for (size_t k = 0; k < student[i].values.size(); ++k) {
      std::vector<engine::Array> high = student, low = student;
      high[i].values[k] += kStep;
      low[i].values[k] -= kStep;
      const double slope =
          (terms_of(teacher, high, ignored).total() - terms_of(teacher, low, ignored).total()) /
          (static_cast<double>(high[i].values[k]) - low[i].values[k]);
      EXPECT_NEAR(derivatives[i].values[k], slope, 1e-4 + 1e-3 * std::abs(slope)) << i << " " << k;
    }
  }
}

// Numbers, and class logits that count from the background on.
TEST(Distillation, OfANetworkWithoutAHeadIsTheNoiseOfItsOutputs) {
  const Results results{std::nullopt, {"numbers", "logits"}, {-std::numeric_limits<float>::infinity(), -8}};
  std::vector<engine::Array> teacher = {filled({1, 6}, 0), filled({1, 6}, 0)}, student = teacher;
  Random random(6);
  for (size_t i = 0; i < 2; ++i) {
    for (float& value : teacher[i].values) value = static_cast<float>(random.uniform(-12, 2));
    for (float& value : student[i].values) value = static_cast<float>(random.uniform(-12, 2));
  }
  teacher[1].values[0] = -20;
  student[1].values[0] = -9;
  const auto loss = [&](std::vector<engine::Array>& derivatives) {
    derivatives = {filled({1, 6}, 0), filled({1, 6}, 0)};
    return distillation_loss(results, teacher, student, {.output_gain = 1}, 1, derivatives).total();
  };
  double expected = 0;
  for (size_t i = 0; i < 2; ++i) {
    double error = 0, power = 0;
    for (size_t k = 0; k < 6; ++k) {
      const double floor = i == 1 ? -8 : -1e9, zero = i == 1 ? -8 : 0;
      const double wanted = std::max<double>(teacher[i].values[k], floor),
                   found = std::max<double>(student[i].values[k], floor);
      error += (found - wanted) * (found - wanted);
      power += (wanted - zero) * (wanted - zero);
    }
    expected += error / power / 2;
  }
  std::vector<engine::Array> derivatives, ignored;
  EXPECT_NEAR(loss(derivatives), expected, 1e-6 * expected);
  EXPECT_EQ(derivatives[1].values[0], 0);
  constexpr float kStep = 1e-2f;
  for (size_t i = 0; i < 2; ++i) {
    for (size_t k = 0; k < 6; ++k) {
      float& value = student[i].values[k];
      const float old = value;
      value = old + kStep;
      const double high = loss(ignored);
      value = old - kStep;
      const double low = loss(ignored);
      value = old;
      EXPECT_NEAR(derivatives[i].values[k], (high - low) / (2 * kStep), 1e-3) << i << " " << k;
    }
  }
}

}  // namespace
}  // namespace shrike::train
