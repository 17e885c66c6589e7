#include "toolchain/system/reserved_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include "toolchain/support/error.h"
#include "toolchain/support/format.h"

namespace shrike {

ReservedMemory::ReservedMemory(size_t bytes) : bytes_(bytes) {
  data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    bytes_ = 0;
    fail("the system refuses {} of memory for the model; raise the memory limit (ulimit -v)",
         format_bytes(bytes));
  }
}

ReservedMemory::~ReservedMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
}

void ReservedMemory::shrink(size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t keep = (bytes + page - 1) / page * page;
  if (keep == 0 || keep >= bytes_) return;
  munmap(static_cast<uint8_t*>(data_) + keep, bytes_ - keep);
  bytes_ = keep;
}

uint64_t physical_memory() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace shrike
