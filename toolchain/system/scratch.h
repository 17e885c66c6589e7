// Numbers that are made early and read back once, much later: on disk instead of in memory.
#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "toolchain/system/file.h"

namespace shrike {

// A file without a name, which is gone with the process whatever ends it. It is in the folder that TMPDIR
// names, else in /var/tmp: /tmp is memory on many systems.
class Scratch {
 public:
  Scratch();

  // Where the values are from now on. Nothing when they could not be written (no such folder, a full disk):
  // they stay with the caller then. May be called from several threads at once, as read() may.
  std::optional<int64_t> write(std::span<const float> values);
  // Throws Error when they can't be read.
  std::vector<float> read(int64_t place, size_t count) const;

 private:
  Descriptor file_;  // none where none can be made
  std::mutex mutex_;
  int64_t end_ = 0;
};

}  // namespace shrike
