#include "toolchain/data/loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>

namespace shrike::data {
namespace {

TEST(InOrder, ItemsArriveInOrderFromAnyNumberOfThreads) {
  for (const int threads : {1, 2, 5}) {
    std::vector<size_t> seen;
    in_order<size_t>(
        100, threads, 4,
        [](size_t i) {
          if (i % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
          return i * i;
        },
        [&](size_t index, size_t value) {
          EXPECT_EQ(value, index * index);
          seen.push_back(index);
        });
    ASSERT_EQ(seen.size(), 100u);
    for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i);
  }
}

TEST(InOrder, NeverMoreThanTheLimitAreWaiting) {
  std::atomic<int> alive{0}, highest{0};
  in_order<int>(
      60, 3, 4,
      [&](size_t) {
        const int now = ++alive;
        int seen = highest;
        while (now > seen && !highest.compare_exchange_weak(seen, now)) {
        }
        return 0;
      },
      [&](size_t, int) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        --alive;
      });
  EXPECT_LE(highest, 4 + 1);  // four ahead and the one in the sink
}

TEST(InOrder, TheFirstErrorStopsTheWork) {
  std::atomic<size_t> made{0};
  size_t delivered = 0;
  const auto run = [&] {
    in_order<int>(
        1000, 2, 4,
        [&](size_t i) {
          ++made;
          if (i == 10) throw std::runtime_error("ten");
          return 1;
        },
        [&](size_t, int) { ++delivered; });
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_EQ(delivered, 10u);
  EXPECT_LT(made, 20u);
}

TEST(InOrder, AnErrorOfTheConsumerStopsTheWork) {
  std::atomic<size_t> made{0};
  const auto run = [&] {
    in_order<int>(
        1000, 2, 4,
        [&](size_t) {
          ++made;
          return 1;
        },
        [&](size_t index, int) {
          if (index == 3) throw std::runtime_error("full");
        });
  };
  EXPECT_THROW(run(), std::runtime_error);
  EXPECT_LT(made, 20u);
}

TEST(InOrder, NothingToDo) {
  in_order<int>(
      0, 2, 4, [](size_t) { return 1; }, [](size_t, int) { FAIL(); });
}

}  // namespace
}  // namespace shrike::data
