#include "toolchain/system/thread_time.h"

#include <ctime>

namespace shrike {

std::chrono::nanoseconds thread_time() {
  timespec time = {};
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) != 0) return {};
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace shrike
