// Windows' allocator has no such settings.
#include "toolchain/system/heap.h"

namespace shrike {

void share_one_heap() {}
void keep_freed_memory() {}

}  // namespace shrike
