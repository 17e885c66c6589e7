#include "toolchain/engine/memory.h"

#include <c10/core/CPUAllocator.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace shrike::engine {
namespace {

constexpr size_t kAlignment = 64;    // LibTorch's own, and the room in front of a block that holds its size
constexpr size_t kGrain = 64 << 10;  // smaller blocks are not kept, sizes of others are multiples of it
constexpr size_t kMostKept = 128 << 20;

class KeptBlocks {
 public:
  // Null: there is none of this size.
  void* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(bytes);
    if (found == blocks_.end() || found->second.empty()) return nullptr;
    void* const block = found->second.back();
    found->second.pop_back();
    kept_ -= bytes;
    return block;
  }

  // False: there is no room, the block stays the caller's.
  bool give(void* block, size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (kept_ + bytes > kMostKept) return false;
    blocks_[bytes].push_back(block);
    kept_ += bytes;
    return true;
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    for (const auto& [bytes, blocks] : blocks_) {
      for (void* const block : blocks) std::free(block);
    }
    blocks_.clear();
    kept_ = 0;
  }

 private:
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> blocks_;
  size_t kept_ = 0;
};

KeptBlocks& kept_blocks() {
  static auto* const blocks =
      new KeptBlocks;  // never destroyed: the last tensors may be freed at the very end
  return *blocks;
}

void free_block(void* data) {
  if (data == nullptr) return;
  char* const block = static_cast<char*>(data) - kAlignment;
  const size_t bytes = *reinterpret_cast<const size_t*>(block);
  if (bytes < kGrain || !kept_blocks().give(block, bytes)) std::free(block);
}

struct TensorAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) const override {
    const c10::Device device(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &free_block, device};
    const size_t grain = bytes + kAlignment < kGrain ? kAlignment : kGrain;
    const size_t size = (bytes + kAlignment + grain - 1) / grain * grain;
    void* block = size < kGrain ? nullptr : kept_blocks().take(size);
    if (block == nullptr) block = std::aligned_alloc(kAlignment, size);
    if (block == nullptr) throw std::bad_alloc();
    *static_cast<size_t*>(block) = size;
    void* const data = static_cast<char*>(block) + kAlignment;
    return {data, data, &free_block, device};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
};

}  // namespace

void keep_memory_of_tensors() {
  static TensorAllocator allocator;
  [[maybe_unused]] static const bool set = (c10::SetCPUAllocator(&allocator, 1), true);
}

void free_memory_of_tensors() {
  kept_blocks().clear();
}

}  // namespace shrike::engine
