// Weights between two integers (spec/training.md section 6.3, item 7).
#include "toolchain/train/oscillation.h"

#include <gtest/gtest.h>

#include "toolchain/train/optimizer.h"

namespace shrike::train {
namespace {

// A weight whose best value is 10.5 units, trained straight through its rounding: how often it changes its
// integer in the last sixth of the run.
int late_flips(bool damping) {
  constexpr double kUnit = 0.25, kRate = 0.02, kBest = 10.5;
  constexpr int64_t kSteps = 600;
  Values weight = {{static_cast<float>(10.2 * kUnit)}};
  Optimizer optimizer(Optimizer::Kind::kAdam, weight);
  int flips = 0;
  for (int64_t step = 0; step < kSteps; ++step) {
    const int64_t before = nearest_integer(weight[0][0], kUnit, 8);
    const double rate = kRate * cosine(step, kSteps, 0, 0.1);
    const Values slope = {{static_cast<float>(static_cast<double>(before) - kBest)}};
    optimizer.step(weight, slope, {rate * kUnit}, {0}, 0.9);
    if (damping) {
      const double share = damping_share(static_cast<double>(step) / kSteps, rate);
      weight[0][0] = damped(weight[0][0], kUnit, 8, share);
    }
    if (step >= kSteps * 5 / 6 && nearest_integer(weight[0][0], kUnit, 8) != before) ++flips;
  }
  return flips;
}

TEST(Oscillation, DampingHoldsAWeightBetweenTwoIntegers) {
  EXPECT_GT(late_flips(false), 10);
  EXPECT_EQ(late_flips(true), 0);
}

TEST(Oscillation, DampingPullsTowardsTheIntegerThatTheWeightRoundsTo) {
  EXPECT_FLOAT_EQ(damped(0.4f, 1, 8, 0.5), 0.2f);
  EXPECT_FLOAT_EQ(damped(-1.4f, 1, 8, 0.5), -1.2f);
  EXPECT_FLOAT_EQ(damped(200.0f, 1, 8, 0.5), 163.5f);  // beyond the range: towards its end, 127
  EXPECT_EQ(damped(0.4f, 1, 8, 0), 0.4f);
}

TEST(Oscillation, DampingBeginsAfterAThirdAndEndsAtAWholeStep) {
  EXPECT_EQ(damping_share(0.2, 0.01), 0);
  EXPECT_DOUBLE_EQ(damping_share(1, 0.01), 0.01 / 0.5);
}

}  // namespace
}  // namespace shrike::train
