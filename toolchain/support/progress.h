// Progress of long work on stderr: a bar on a terminal, now and then a plain line in a log.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace shrike {

class Progress {
 public:
  // `what` is a short name such as "calibrate"; `total` steps are expected (0: unknown).
  Progress(std::string what, int64_t total);
  // Ends the line; the last state stays visible.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` is appended, e.g. the layer at work.
  void update(int64_t done, const std::string& note = "");
  void step(const std::string& note = "") { update(done_ + 1, note); }

 private:
  void draw(const std::string& note);

  std::string what_;
  int64_t total_;
  int64_t done_ = 0;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_, last_;
};

// --quiet: nothing is shown from here on.
void silence_progress();

}  // namespace shrike
