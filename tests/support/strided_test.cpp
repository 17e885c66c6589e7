#include "toolchain/support/strided.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shrike {
namespace {

using ::testing::ElementsAre;

// [2, 3] with its second axis outside, as channels last are.
TEST(Strided, WalksInLogicalOrderWhereverTheElementsLie) {
  const int8_t stored[] = {1, 4, 2, 5, 3, 6};
  const StridedValues values{stored, ElementKind::kInt8, 0.5f, {2, 3}, {1, 2}};
  EXPECT_EQ(values.count(), 6);
  EXPECT_THAT(values.every(1), ElementsAre(0.5f, 1, 1.5f, 2, 2.5f, 3));
  EXPECT_THAT(values.every(2), ElementsAre(0.5f, 1.5f, 2.5f));
  EXPECT_THAT(values.every(4), ElementsAre(0.5f, 2.5f)) << "a step longer than the last axis";
  EXPECT_THAT(values.every(5), ElementsAre(0.5f, 3));
  EXPECT_THAT(values.every(7), ElementsAre(0.5f));
}

TEST(Strided, TakesScalarsAndOtherKinds) {
  const float number = 7;
  EXPECT_THAT((StridedValues{&number, ElementKind::kFloat, 2, {}, {}}.every(3)), ElementsAre(7))
      << "floats have no unit";
  const int16_t integers[] = {300, -300};
  EXPECT_THAT((StridedValues{integers, ElementKind::kInt16, 0.01f, {1, 2}, {2, 1}}.every(1)),
              ElementsAre(3, -3));
}

}  // namespace
}  // namespace shrike
