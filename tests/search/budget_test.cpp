#include "toolchain/search/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::ThrowsMessage;

TEST(Budget, TakesTimesSizesAndShares) {
  EXPECT_THAT(parse_budget("2.5s").milliseconds, Optional(2500.0));
  EXPECT_THAT(parse_budget("800ms").milliseconds, Optional(800.0));
  EXPECT_THAT(parse_budget("3.2MB").bytes, Optional(3.2e6));
  EXPECT_THAT(parse_budget("3200kB").bytes, Optional(3.2e6));
  EXPECT_THAT(parse_budget("3MiB").bytes, Optional(3.0 * 1024 * 1024));
  EXPECT_THAT(parse_budget("+10%").percent, Optional(10.0));
  EXPECT_THAT(parse_budget("+0%").percent, Optional(0.0));
  EXPECT_FALSE(parse_budget("+10%").milliseconds.has_value());
}

TEST(Budget, TakesSeveralParts) {
  const Budget budget = parse_budget("600ms,3MB");
  EXPECT_THAT(budget.milliseconds, Optional(600.0));
  EXPECT_THAT(budget.bytes, Optional(3e6));
}

TEST(Budget, NamesThePartThatIsNone) {
  for (const char* text : {"", "fast", "2.5", "s", "-3MB", "10%", "+3MB", "+-3%", "0ms", "2.5 s", "nans",
                           "infs", "3MB2", "600ms,,3MB"}) {
    SCOPED_TRACE(text);
    EXPECT_THAT([&] { parse_budget(text); }, ThrowsMessage<Error>(HasSubstr("budget: expected a time")));
  }
  EXPECT_THAT([] { parse_budget("600ms,3Mb"); }, ThrowsMessage<Error>(HasSubstr("got '3Mb'")));
  EXPECT_THAT([] { parse_budget("600ms,2s"); },
              ThrowsMessage<Error>(HasSubstr("'2s' limits what another part")));
}

TEST(Budget, AShareIsAboveTheStartsTimeOrElseItsSize) {
  const Budget budget = parse_budget("+10%");
  EXPECT_DOUBLE_EQ(limits_of(budget, {500.0, 3e6}).milliseconds, 550);
  EXPECT_FALSE(std::isfinite(limits_of(budget, {500.0, 3e6}).bytes));
  EXPECT_DOUBLE_EQ(limits_of(budget, {std::nullopt, 3e6}).bytes, 3.3e6);
}

TEST(Budget, TheTighterOfTwoTimesHolds) {
  EXPECT_DOUBLE_EQ(limits_of(parse_budget("+10%,520ms"), {500.0, 3e6}).milliseconds, 520);
  EXPECT_DOUBLE_EQ(limits_of(parse_budget("+10%,600ms"), {500.0, 3e6}).milliseconds, 550);
}

TEST(Budget, SaysWhatTheStartTakesWhenItExceedsIt) {
  EXPECT_THAT(
      [] {
        limits_of(parse_budget("400ms"), {500.0, 3e6});
      },
      ThrowsMessage<Error>(AllOf(HasSubstr("400.0 ms"), HasSubstr("500.0 ms"))));
  EXPECT_THAT(
      [] {
        limits_of(parse_budget("2MB"), {500.0, 3e6});
      },
      ThrowsMessage<Error>(AllOf(HasSubstr("2.000 MB"), HasSubstr("3.000 MB"))));
  EXPECT_THAT(
      [] {
        limits_of(parse_budget("400ms"), {std::nullopt, 3e6});
      },
      ThrowsMessage<Error>(HasSubstr("no published timings")));
}

TEST(Limits, AllowWhatIsWithinBoth) {
  const Limits limits{550, 3e6};
  EXPECT_TRUE(limits.allow({550.0, 3e6}));
  EXPECT_FALSE(limits.allow({550.1, 3e6}));
  EXPECT_FALSE(limits.allow({500.0, 3e6 + 1}));
  EXPECT_TRUE(limits.allow({std::nullopt, 3e6}));
}

}  // namespace
}  // namespace shrike::quantize
