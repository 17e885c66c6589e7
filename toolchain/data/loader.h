// Work in the background, results in order: worker threads make items ahead of the consumer, never more than
// a few, so memory is bounded whatever the number of items.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace shrike::data {

// Calls sink(index, make(index)) for 0..count-1 in order on the calling thread; `make` runs on `threads`
// workers, at most `ahead` items are finished or in work beyond the one in `sink`. The first exception (in
// item order, or the sink's) stops the work and is thrown here.
template <typename Item>
void in_order(size_t count, int threads, size_t ahead, const std::function<Item(size_t)>& make,
              const std::function<void(size_t, Item)>& sink) {
  struct Slot {
    std::optional<Item> item;
    std::exception_ptr error;
    bool ready = false;
  };
  std::vector<Slot> ring(ahead < 1 ? 1 : ahead);
  std::mutex mutex;
  std::condition_variable changed;
  size_t next = 0, consumed = 0;
  bool stop = false;

  const auto work = [&] {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return stop || next >= count || next < consumed + ring.size(); });
      if (stop || next >= count) return;
      const size_t index = next++;
      lock.unlock();
      Slot made;
      try {
        made.item.emplace(make(index));
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
  for (int i = 0; i < (threads < 1 ? 1 : threads); ++i) team.threads.emplace_back(work);

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
    sink(index, std::move(*slot.item));
  }
}

}  // namespace shrike::data
