#include "bench/machine.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace shrike::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The best of many short measurements: interruptions and neighbours only ever make them slower.
template <class Function>
double best_rate(Function measure) {
  double best = 0;
  for (int i = 0; i < 100; ++i) best = std::max(best, measure());
  return best;
}

constexpr int64_t kSteps = 100'000;

#if defined(__x86_64__)

// Independent sums hide the latency. Whole steps are spelled out: a compiler would merge the equal sums or
// keep them in memory. Register contents don't matter for the time.
__attribute__((target("avx2"))) void run_vpmaddubsw(int64_t steps) {
#define SHRIKE_STEP(sum)                     \
  "vpmaddubsw %%ymm14, %%ymm15, %%ymm13\n\t" \
  "vpmaddwd %%ymm13, %%ymm12, %%ymm13\n\t"   \
  "vpaddd %%ymm13, %%ymm" #sum ", %%ymm" #sum "\n\t"
  for (int64_t i = 0; i < steps; ++i) {
    asm volatile(SHRIKE_STEP(0) SHRIKE_STEP(1) SHRIKE_STEP(2) SHRIKE_STEP(3) SHRIKE_STEP(4) SHRIKE_STEP(5)
                     SHRIKE_STEP(6) SHRIKE_STEP(7) SHRIKE_STEP(8) SHRIKE_STEP(9)::
                         : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                           "xmm13", "xmm14", "xmm15");
  }
#undef SHRIKE_STEP
}

__attribute__((target("avx512f,avx512vnni"))) void run_vpdpbusd(int64_t steps) {
#define SHRIKE_STEP(sum) "vpdpbusd %%zmm14, %%zmm15, %%zmm" #sum "\n\t"
  for (int64_t i = 0; i < steps; ++i) {
    asm volatile(SHRIKE_STEP(0) SHRIKE_STEP(1) SHRIKE_STEP(2) SHRIKE_STEP(3) SHRIKE_STEP(4) SHRIKE_STEP(5)
                     SHRIKE_STEP(6) SHRIKE_STEP(7) SHRIKE_STEP(8) SHRIKE_STEP(9) SHRIKE_STEP(10)
                         SHRIKE_STEP(11)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                               "xmm10", "xmm11", "xmm14", "xmm15");
  }
#undef SHRIKE_STEP
}

// The encoding of AVX-VNNI, which processors without AVX-512 understand.
__attribute__((target("avx2"))) void run_vpdpbusd_ymm(int64_t steps) {
#define SHRIKE_STEP(sum) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #sum "\n\t"
  for (int64_t i = 0; i < steps; ++i) {
    asm volatile(SHRIKE_STEP(0) SHRIKE_STEP(1) SHRIKE_STEP(2) SHRIKE_STEP(3) SHRIKE_STEP(4) SHRIKE_STEP(5)
                     SHRIKE_STEP(6) SHRIKE_STEP(7) SHRIKE_STEP(8) SHRIKE_STEP(9) SHRIKE_STEP(10)
                         SHRIKE_STEP(11)::
                             : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                               "xmm10", "xmm11", "xmm14", "xmm15");
  }
#undef SHRIKE_STEP
}

#endif

struct Loop {
  const char* instruction;
  void (*run)(int64_t steps);
  double macs_per_step;
};

Loop loop_of(const std::string& isa) {
#if defined(__x86_64__)
  if (isa == "avx512vnni" || isa == "avx512vbmi") return {"vpdpbusd zmm", run_vpdpbusd, 12 * 64};
  if (isa == "avxvnni") return {"vpdpbusd ymm", run_vpdpbusd_ymm, 12 * 32};
  if (isa == "avx2") return {"vpmaddubsw + vpmaddwd ymm", run_vpmaddubsw, 10 * 32};
#endif
  const auto scalar = [](int64_t steps) {
    int32_t sums[8] = {}, input = 3, weight = 5;
    for (int64_t i = 0; i < steps; ++i) {
      for (int32_t& sum : sums) {
        asm volatile("" : "+r"(input));
        sum += input * weight;
      }
    }
    asm volatile("" ::"r"(sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7]));
  };
  return {"scalar", scalar, 8};
}

}  // namespace

double clock_ghz() {
  return best_rate([] {
    uint64_t value = 1;
    const uint64_t step = 1;
    const Clock::time_point start = Clock::now();
    for (int64_t i = 0; i < kSteps; ++i) {
      // A register operand: compilers and cores would merge chains of immediates.
      for (int k = 0; k < 8; ++k) {
        value += step;
        asm volatile("" : "+r"(value));
      }
    }
    return 8e-9 * static_cast<double>(kSteps) / seconds_since(start);
  });
}

double timestamp_ghz() {
#if defined(__x86_64__)
  const Clock::time_point start = Clock::now();
  const uint64_t from = __rdtsc();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const uint64_t to = __rdtsc();
  return 1e-9 * static_cast<double>(to - from) / seconds_since(start);
#else
  return 0;
#endif
}

Peak multiply_add_peak(const std::string& isa, int threads) {
  const bool scalar = isa == kPortableKernels.isa || isa == kPairKernels.isa;
  const Loop loop = loop_of(scalar ? best_kernels()->isa : isa);
  const auto measure = [&loop] {
    return best_rate([&loop] {
      const Clock::time_point start = Clock::now();
      loop.run(kSteps);
      return 1e-9 * loop.macs_per_step * static_cast<double>(kSteps) / seconds_since(start);
    });
  };
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> pool;
  for (double& rate : rates) pool.emplace_back([&rate, &measure] { rate = measure(); });
  for (std::thread& thread : pool) thread.join();
  const double gmacs = std::accumulate(rates.begin(), rates.end(), 0.0);
  return {loop.instruction, gmacs};
}

}  // namespace shrike::bench
