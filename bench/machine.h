// What this machine can do, measured: the yardstick of the benchmarks.
#pragma once
#include <string>

namespace shrike::bench {

// Core clock under load in GHz, from the time of a chain of dependent additions (one cycle each).
double clock_ghz();
// Cycles of the time-stamp counter per second, in GHz; 0 where there is none. Its ratio to the clock tells
// turbo.
double timestamp_ghz();

struct Peak {
  std::string instruction;  // e.g. "vpmaddwd ymm"
  double gmacs;             // 10^9 multiply-adds a second, all threads together
};

// Best multiply-add rate of 8-bit convolution's inner instruction of `isa`, on `threads` threads at once,
// from a loop of nothing else. Sets without vectors are measured by the instruction that the best set uses.
Peak multiply_add_peak(const std::string& isa, int threads);

}  // namespace shrike::bench
