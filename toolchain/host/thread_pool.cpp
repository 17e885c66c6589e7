#include "toolchain/host/thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "toolchain/host/patience.h"
#include "toolchain/system/thread_time.h"

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
  // A share of a job's tasks: the last ones before `end`. `ticket` packs the job's number (high half) and how
  // many tasks are left (low half), so a thread that wakes up late can't take a task of a job that is over.
  // `end` is read only by who took a task, which keeps the job from ending.
  struct alignas(64) Share {
    std::atomic<uint64_t> ticket{0};
    uint32_t end = 0;
  };

  // One job at a time. Every thread begins with its own share, always the same part of the index range,
  // because what it wrote for the node before is still in its cache; then it helps the others.
  std::vector<Share> shares;
  std::atomic<uint32_t> job{0};
  std::atomic<int> unfinished{0};
  Patience patience;
  std::atomic<bool> stop{false};
  std::atomic<int> sleepers{0};
  void (*task)(void*, int) = nullptr;
  void* argument = nullptr;
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;

  explicit Impl(int threads) : shares(static_cast<size_t>(threads)) {}

  void hand_out(uint32_t number, int count) {
    unfinished.store(count, std::memory_order_relaxed);
    const uint64_t tasks = static_cast<uint64_t>(count), threads = shares.size();
    for (uint64_t i = 0; i < threads; ++i) {
      const uint64_t begin = tasks * i / threads, end = tasks * (i + 1) / threads;
      shares[i].end = static_cast<uint32_t>(end);
      shares[i].ticket.store(uint64_t{number} << 32 | (end - begin), std::memory_order_release);
    }
  }

  void work_on(Share& share, uint32_t number) {
    uint64_t current = share.ticket.load(std::memory_order_acquire);
    while (static_cast<uint32_t>(current >> 32) == number) {
      const uint32_t left = static_cast<uint32_t>(current);
      if (left == 0) return;
      if (!share.ticket.compare_exchange_weak(current, current - 1, std::memory_order_acq_rel)) continue;
      task(argument, static_cast<int>(share.end - left));
      if (unfinished.fetch_sub(1, std::memory_order_release) == 1) unfinished.notify_one();
      current = share.ticket.load(std::memory_order_acquire);
    }
  }

  // `thread`: 0 is the one that calls run().
  void work(size_t thread, uint32_t number) {
    for (size_t i = 0; i < shares.size(); ++i) work_on(shares[(thread + i) % shares.size()], number);
  }

  void loop(size_t thread) {
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
      work(thread, number);
    }
  }
};

ThreadPool::ThreadPool(int threads) : impl_(std::make_unique<Impl>(threads < 1 ? 1 : threads)) {
  impl_->workers.reserve(impl_->shares.size());
  try {
    for (size_t i = 1; i < impl_->shares.size(); ++i)
      impl_->workers.emplace_back([this, i] { impl_->loop(i); });
  } catch (const std::system_error&) {  // as many as the system gives; they do the shares of the others
  }
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
  const auto start = Patience::Clock::now();
  if (count <= 1 || impl.workers.empty() || impl.patience.alone(start)) {
    for (int i = 0; i < count; ++i) task(argument, i);
    return;
  }
  const uint32_t number = impl.job.load(std::memory_order_relaxed) + 1;
  impl.task = task;
  impl.argument = argument;
  impl.hand_out(number, count);
  impl.job.store(number);
  if (impl.sleepers.load() > 0) {
    {
      const std::lock_guard lock(impl.mutex);
    }  // a worker between its check and its wait must not miss the wake-up
    impl.wake.notify_all();
  }
  const bool watched = impl.patience.watches();
  const auto core_before = watched ? thread_time() : std::chrono::nanoseconds{};
  impl.work(0, number);
  const auto core = watched ? thread_time() - core_before : std::chrono::nanoseconds{};
  const auto worked = Patience::Clock::now();
  int spins = 0;
  for (int left; (left = impl.unfinished.load(std::memory_order_acquire)) > 0;) {
    if (++spins < kSpins) {
      relax();
    } else {
      impl.unfinished.wait(left, std::memory_order_acquire);  // leaves the core to a worker that lost its own
    }
  }
  const bool known = watched && core.count() > 0;
  const auto without_core = known ? worked - start - core : Patience::Clock::duration{};
  impl.patience.note(start, worked, Patience::Clock::now(), without_core);
}

}  // namespace shrike::host
