// The parts of a batch on several threads.
#pragma once
#include <cstddef>
#include <functional>

namespace shrike::train {

// Calls work(0) .. work(count - 1) on up to `threads` threads; the first exception by index is thrown here.
void for_each_part(size_t count, int threads, const std::function<void(size_t)>& work);

// `threads`, or as many as there are cores for 0.
int thread_count(int threads);

}  // namespace shrike::train
