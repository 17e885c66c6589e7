#include "toolchain/support/progress.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>

#include "toolchain/system/streams.h"

namespace shrike {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> silent{false};

constexpr auto kTerminalInterval = std::chrono::milliseconds(100);
constexpr auto kLogInterval = std::chrono::seconds(10);

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void silence_progress() {
  silent = true;
}

Progress::Progress(std::string what, int64_t total)
    : what_(std::move(what)),
      total_(total),
      terminal_(error_is_terminal()),
      start_(Clock::now()),
      last_(start_) {}

Progress::~Progress() {
  if (silent || done_ == 0) return;
  if (terminal_) {
    if (drawn_) std::fputc('\n', stderr);
  } else {
    draw("");
  }
}

void Progress::update(int64_t done, const std::string& note) {
  done_ = done;
  if (silent) return;
  const Clock::time_point now = Clock::now();
  const bool finished = total_ > 0 && done_ >= total_;
  const bool due =
      terminal_ ? finished || !drawn_ || now - last_ >= kTerminalInterval : now - last_ >= kLogInterval;
  if (!due) return;
  last_ = now;
  draw(note);
}

void Progress::draw(const std::string& note) {
  const double elapsed = seconds_between(start_, Clock::now());
  std::string line = fmt::format("{} ", what_);
  if (total_ > 0) {
    const double share = static_cast<double>(done_) / static_cast<double>(total_);
    if (terminal_) {
      constexpr int kWidth = 30;
      const int filled = static_cast<int>(share * kWidth + 0.5);
      line += fmt::format("[{:.<{}}] ", std::string(static_cast<size_t>(filled), '#'), kWidth);
    }
    line += fmt::format("{}/{} ", done_, total_);
    if (done_ >= total_) {
      line += fmt::format("in {:.1f} s", elapsed);
    } else if (done_ > 0) {
      line += fmt::format("{:.0f} s left", elapsed / share - elapsed);
    }
  } else {
    line += fmt::format("{} in {:.1f} s", done_, elapsed);
  }
  if (!note.empty()) line += fmt::format("  {}", note);
  if (terminal_) {
    constexpr size_t kColumns = 100;
    if (line.size() > kColumns) line.resize(kColumns);
    fmt::print(stderr, "\r{}\x1b[K", line);
  } else {
    fmt::print(stderr, "{}\n", line);
  }
  std::fflush(stderr);
  drawn_ = true;
}

}  // namespace shrike
