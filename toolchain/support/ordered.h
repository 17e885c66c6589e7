// Parallel work whose results are consumed in order, so that sums of floats do not depend on the number of
// threads, and of which only a few wait, so that memory does not depend on the number of items.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace shrike {

// All cores for 0.
inline int resolve_threads(int threads) {
  return threads > 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

// Calls consume(index, make(worker, index)) for 0..count-1 in order on the calling thread; `make` runs on
// `threads` workers (fewer where the system gives fewer), numbered from 0. At most `ahead` items (0: two a
// thread) are finished or in work beyond the one that is consumed. The first exception, in item order or
// consume's, stops the work and is thrown here.
template <typename Item>
void ordered_parallel(size_t count, int threads, const std::function<Item(int worker, size_t index)>& make,
                      const std::function<void(size_t index, Item&& item)>& consume, size_t ahead = 0) {
  threads = std::max(threads, 1);
  struct Slot {
    std::optional<Item> item;
    std::exception_ptr error;
    bool ready = false;
  };
  std::vector<Slot> ring(ahead > 0 ? ahead : 2 * static_cast<size_t>(threads));
  std::mutex mutex;
  std::condition_variable changed;
  size_t next = 0, consumed = 0;
  bool stop = false;

  const auto work = [&](int worker) {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stop || next >= count || next < consumed + ring.size(); });
      if (stop || next >= count) return;
      const size_t index = next++;
      lock.unlock();
      Slot made;
      try {
        made.item.emplace(make(worker, index));
      } catch (...) {
        made.error = std::current_exception();
      }
      made.ready = true;
      lock.lock();
      ring[index % ring.size()] = std::move(made);
      changed.notify_all();
    }
  };

  struct Team {
    std::mutex& mutex;
    std::condition_variable& changed;
    bool& stop;
    std::vector<std::thread> threads;
    ~Team() {
      {
        const std::lock_guard lock(mutex);
        stop = true;
      }
      changed.notify_all();
      for (std::thread& thread : threads) thread.join();
    }
  } team{mutex, changed, stop, {}};
  team.threads.reserve(static_cast<size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) team.threads.emplace_back(work, i);
  } catch (const std::system_error&) {  // as many as the system gives
  }
  if (team.threads.empty()) {
    for (size_t index = 0; index < count; ++index) consume(index, make(0, index));
    return;
  }

  for (size_t index = 0; index < count; ++index) {
    Slot slot;
    {
      std::unique_lock lock(mutex);
      Slot& here = ring[index % ring.size()];
      changed.wait(lock, [&] { return here.ready; });
      slot = std::exchange(here, Slot{});
      consumed = index + 1;
    }
    changed.notify_all();
    if (slot.error) std::rethrow_exception(slot.error);
    consume(index, std::move(*slot.item));
  }
}

// Runs task(i) for i in [0, count) on `threads` threads; the tasks are independent.
inline void parallel(size_t count, int threads, const std::function<void(size_t index)>& task) {
  ordered_parallel<int>(
      count, threads,
      [&](int, size_t index) {
        task(index);
        return 0;
      },
      [](size_t, int&&) {});
}

}  // namespace shrike
