#include "toolchain/host/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace shrike::host {
namespace {

// About 50 microseconds: longer than the gap between two nodes, short enough not to burn a core while idle.
constexpr int kSpins = 2000;

inline void relax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

struct ThreadPool::Impl {
  // One job at a time. `ticket` packs the job's number (high half) and the next task index (low half), so a
  // worker that wakes up late can't take a task of a job that is over.
  std::atomic<uint64_t> ticket{0};
  std::atomic<uint32_t> job{0};
  std::atomic<int> unfinished{0};
  std::atomic<bool> stop{false};
  std::atomic<int> sleepers{0};
  void (*task)(void*, int) = nullptr;
  void* argument = nullptr;
  std::atomic<int> count{0};
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;

  void work(uint32_t number) {
    for (;;) {
      uint64_t current = ticket.load(std::memory_order_acquire);
      if (static_cast<uint32_t>(current >> 32) != number) return;
      const int index = static_cast<int>(current & 0xffffffffu);
      if (index >= count.load(std::memory_order_relaxed)) return;
      if (!ticket.compare_exchange_weak(current, current + 1, std::memory_order_acq_rel)) continue;
      task(argument, index);
      unfinished.fetch_sub(1, std::memory_order_release);
    }
  }

  void loop() {
    uint32_t seen = 0;
    for (;;) {
      uint32_t number = job.load(std::memory_order_acquire);
      for (int spin = 0; number == seen && spin < kSpins && !stop.load(std::memory_order_relaxed); ++spin) {
        relax();
        number = job.load(std::memory_order_acquire);
      }
      if (number == seen) {
        std::unique_lock lock(mutex);
        sleepers.fetch_add(1);
        wake.wait(lock, [&] { return stop.load() || job.load() != seen; });
        sleepers.fetch_sub(1);
        number = job.load();
      }
      if (stop.load()) return;
      seen = number;
      work(number);
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>()) {
  for (int i = 1; i < threads; ++i) impl_->workers.emplace_back([this] { impl_->loop(); });
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stop.store(true);
  }
  impl_->wake.notify_all();
  for (std::thread& worker : impl_->workers) worker.join();
}

int ThreadPool::threads() const {
  return static_cast<int>(impl_->workers.size()) + 1;
}

void ThreadPool::run(void (*task)(void* argument, int index), void* argument, int count) {
  Impl& impl = *impl_;
  if (count <= 1 || impl.workers.empty()) {
    for (int i = 0; i < count; ++i) task(argument, i);
    return;
  }
  const uint32_t number = impl.job.load(std::memory_order_relaxed) + 1;
  impl.task = task;
  impl.argument = argument;
  impl.count.store(count, std::memory_order_relaxed);
  impl.unfinished.store(count, std::memory_order_relaxed);
  impl.ticket.store(uint64_t{number} << 32, std::memory_order_release);
  impl.job.store(number);
  if (impl.sleepers.load() > 0) {
    {
      const std::lock_guard lock(impl.mutex);
    }  // a worker between its check and its wait must not miss the wake-up
    impl.wake.notify_all();
  }
  impl.work(number);
  for (int spin = 0; impl.unfinished.load(std::memory_order_acquire) > 0; ++spin) {
    if (spin < kSpins) {
      relax();
    } else {
      std::this_thread::yield();  // a worker in the middle of a task has lost its core
    }
  }
}

}  // namespace shrike::host
