#include "toolchain/system/reserved_memory.h"

#include <windows.h>

#include "toolchain/support/error.h"
#include "toolchain/support/format.h"

namespace shrike {

// Windows promises all of it at once, so there must be room for it in memory or paging file; pages are taken
// when they are touched.
ReservedMemory::ReservedMemory(size_t bytes)
    : data_(::VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE)), bytes_(bytes) {
  if (data_ != nullptr) return;
  bytes_ = 0;
  fail("the system refuses {} of memory for the model; close programs, or make the paging file larger",
       format_bytes(bytes));
}

ReservedMemory::~ReservedMemory() {
  if (data_ != nullptr) ::VirtualFree(data_, 0, MEM_RELEASE);
}

// The addresses stay reserved until all is released.
void ReservedMemory::shrink(size_t bytes) {
  SYSTEM_INFO system = {};
  ::GetSystemInfo(&system);
  const size_t page = system.dwPageSize;
  const size_t keep = (bytes + page - 1) / page * page;
  if (keep == 0 || keep >= bytes_) return;
  ::VirtualFree(static_cast<uint8_t*>(data_) + keep, bytes_ - keep, MEM_DECOMMIT);
  bytes_ = keep;
}

uint64_t physical_memory() {
  MEMORYSTATUSEX status = {};
  status.dwLength = sizeof status;
  return ::GlobalMemoryStatusEx(&status) ? status.ullTotalPhys : 0;
}

}  // namespace shrike
