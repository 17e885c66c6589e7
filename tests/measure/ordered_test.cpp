#include "toolchain/support/ordered.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace shrike {
namespace {

TEST(OrderedParallel, ConsumesInOrderWhateverTheThreads) {
  for (const int threads : {1, 2, 7}) {
    std::vector<size_t> seen;
    ordered_parallel<size_t>(
        100, threads, [](int, size_t index) { return index * index; },
        [&](size_t index, size_t&& result) {
          EXPECT_EQ(result, index * index);
          seen.push_back(index);
        });
    ASSERT_EQ(seen.size(), 100u);
    for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i);
  }
}

TEST(OrderedParallel, AWorkerMakesOneItemAtATime) {
  std::atomic<int> busy[3] = {};
  ordered_parallel<int>(
      200, 3,
      [&](int worker, size_t) {
        EXPECT_EQ(busy[worker]++, 0);
        return busy[worker]--;
      },
      [](size_t, int&&) {});
}

TEST(OrderedParallel, NoMoreThanTheLimitAreWaiting) {
  std::atomic<int> alive{0}, highest{0};
  ordered_parallel<int>(
      60, 3,
      [&](int, size_t) {
        const int now = ++alive;
        int seen = highest;
        while (now > seen && !highest.compare_exchange_weak(seen, now)) {
        }
        return 0;
      },
      [&](size_t, int&&) { --alive; }, 4);
  EXPECT_LE(highest, 4 + 1);  // four ahead and the one that is consumed
}

TEST(OrderedParallel, TheFirstFailureInOrderIsThrown) {
  std::atomic<size_t> made{0};
  size_t consumed = 0;
  const auto run = [&] {
    ordered_parallel<int>(
        1000, 2,
        [&](int, size_t index) -> int {
          ++made;
          if (index >= 20) throw std::runtime_error(std::to_string(index));
          return 0;
        },
        [&](size_t, int&&) { ++consumed; });
  };
  try {
    run();
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "20");
  }
  EXPECT_EQ(consumed, 20u);
  EXPECT_LT(made, 40u);
}

TEST(OrderedParallel, AFailureOfTheConsumerStopsTheWork) {
  std::atomic<size_t> made{0};
  EXPECT_THROW(ordered_parallel<int>(
                   1000, 2,
                   [&](int, size_t) {
                     ++made;
                     return 0;
                   },
                   [](size_t index, int&&) {
                     if (index == 20) throw std::runtime_error("full");
                   }),
               std::runtime_error);
  EXPECT_LT(made, 40u);
}

}  // namespace
}  // namespace shrike
