// How long the calling thread has had a core.
#pragma once
#include <chrono>

namespace shrike {

// Since some time in the past; differences of it fall behind the wall clock's while the thread waits for a
// core. Takes a call of the system. Always nothing where no fine clock is to be had.
std::chrono::nanoseconds thread_time();

}  // namespace shrike
