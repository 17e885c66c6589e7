// Whether it pays to share work with threads that may have lost their cores.
#pragma once
#include <algorithm>
#include <chrono>

namespace shrike::host {

// When something else runs on the machine, a worker may lose its core in the middle of a task, and the caller
// can do nothing but wait until it gets one back: milliseconds, where the whole network takes a few. Or the
// caller loses its own to a worker. Time lost that is long beside the work the caller did gives that away.
// Then the caller works alone for kRest times as long as it lost, each time in a row twice as many, and tries
// again.
class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  bool alone(Clock::time_point now) const { return now < until_; }

  // Whether note() wants to know how long the caller had no core. Asking takes a call of the system, so it is
  // asked only for a while after a job in which that may have happened.
  bool watches() const { return watched_ > 0; }

  // A job that was shared out: the caller worked from `start` to `worked`, `without_core` of that without a
  // core, then waited until `end`.
  void note(Clock::time_point start, Clock::time_point worked, Clock::time_point end,
            Clock::duration without_core) {
    const Clock::duration lost = end - worked + without_core, work = worked - start - without_core;
    if (worked - start > kSlice) {
      watched_ = kWatched;
    } else if (watched_ > 0) {
      --watched_;
    }
    if (lost > kNoticeable && 2 * lost > work) {
      until_ = end + lost * rest_;
      rest_ = std::min(2 * rest_, kLongestRest);
    } else if (end - until_ > kForgiven) {
      rest_ = kRest;
    }
  }

 private:
  static constexpr std::chrono::microseconds kNoticeable{150};
  static constexpr std::chrono::milliseconds kForgiven{500};
  static constexpr std::chrono::milliseconds kSlice{1};  // who loses a core hardly gets it back sooner
  static constexpr int kRest = 16, kLongestRest = 256;
  static constexpr int kWatched = 1000;  // jobs: a few runs of a network

  Clock::time_point until_{};
  int rest_ = kRest;
  int watched_ = 0;
};

}  // namespace shrike::host
