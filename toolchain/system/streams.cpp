#include "toolchain/system/streams.h"

#include <cstdio>

namespace shrike {

bool standard_output_is_written() {
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

}  // namespace shrike
