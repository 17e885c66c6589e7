// Parallel work whose results are consumed in order, so that sums of floats do not depend on the number of
// threads.
#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace shrike::quantize {

inline int resolve_threads(int threads) {
  return threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// Calls produce(worker, i) for i in [0, count) on `threads` threads and consume(i, result) in the order of i,
// one at a time. At most 2 * threads results wait. The first exception stops the work and is thrown here.
template <typename Result>
void ordered_parallel(size_t count, int threads,
                      const std::function<Result(int worker, size_t index)>& produce,
                      const std::function<void(size_t index, Result&& result)>& consume) {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<size_t, Result> finished;
  size_t next_produced = 0, next_consumed = 0;
  std::exception_ptr failure;

  const auto work = [&](int worker) {
    for (;;) {
      size_t index;
      {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] {
          return failure || next_produced >= count ||
                 next_produced < next_consumed + 2 * static_cast<size_t>(threads);
        });
        if (failure || next_produced >= count) return;
        index = next_produced++;
      }
      try {
        Result result = produce(worker, index);
        std::lock_guard lock(mutex);
        finished.emplace(index, std::move(result));
      } catch (...) {
        std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
      changed.notify_all();
    }
  };

  std::vector<std::thread> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back(work, i);
  try {
    while (next_consumed < count) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return failure || finished.contains(next_consumed); });
      if (failure) break;
      Result result = std::move(finished.extract(next_consumed).mapped());
      lock.unlock();
      consume(next_consumed, std::move(result));
      lock.lock();
      ++next_consumed;
      lock.unlock();
      changed.notify_all();
    }
  } catch (...) {
    std::lock_guard lock(mutex);
    if (!failure) failure = std::current_exception();
  }
  changed.notify_all();
  for (std::thread& worker : workers) worker.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace shrike::quantize
