// The parts of a batch on several threads.
#pragma once
#include <cstddef>
#include <functional>

namespace shrike::train {

// Calls work(0) .. work(count - 1) on up to `threads` threads; the first exception by index is thrown here.
void for_each_part(size_t count, int threads, const std::function<void(size_t)>& work);

// Before the first thread is made: all threads take memory from one heap. Else each keeps one of its own, and
// what a thread of an earlier step has freed is of no use to those of the next.
void share_one_heap();

// Lets the allocator keep what is freed: every step takes and frees the same large blocks, which otherwise go
// back to the system and cost page faults, more than half of the time with small networks.
void keep_freed_memory();

// `threads`, or as many as there are cores for 0.
int thread_count(int threads);

}  // namespace shrike::train
