// Whether it pays to share work with threads that may have lost their cores.
#pragma once
#include <algorithm>
#include <chrono>

namespace shrike::host {

// When something else runs on the machine, a worker may lose its core in the middle of a task, and the caller
// can do nothing but wait until it gets one back: milliseconds, where the whole network takes a few. A wait
// that is long beside the work the caller did itself gives that away. Then the caller works alone for kRest
// times as long as it waited, each time in a row twice as many, and tries again.
class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  bool alone(Clock::time_point now) const { return now < until_; }

  // A job that was shared out: the caller worked from `start` to `worked`, then waited until `end`.
  void note(Clock::time_point start, Clock::time_point worked, Clock::time_point end) {
    const Clock::duration waited = end - worked;
    if (waited > kNoticeable && 2 * waited > worked - start) {
      until_ = end + waited * rest_;
      rest_ = std::min(2 * rest_, kLongestRest);
    } else if (end - until_ > kForgiven) {
      rest_ = kRest;
    }
  }

 private:
  static constexpr std::chrono::microseconds kNoticeable{150};
  static constexpr std::chrono::milliseconds kForgiven{500};
  static constexpr int kRest = 16, kLongestRest = 256;

  Clock::time_point until_{};
  int rest_ = kRest;
};

}  // namespace shrike::host
