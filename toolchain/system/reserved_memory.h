// A large range of addresses of which only the touched pages cost memory.
#pragma once
#include <cstddef>
#include <cstdint>

namespace shrike {

class ReservedMemory {
 public:
  ReservedMemory() = default;
  // Page aligned; throws Error when the system refuses.
  explicit ReservedMemory(size_t bytes);
  ~ReservedMemory();
  ReservedMemory(ReservedMemory&& other) noexcept;
  ReservedMemory& operator=(ReservedMemory&& other) noexcept;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // Gives everything behind the first `bytes` back.
  void shrink(size_t bytes);

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

// Bytes of memory in this machine: the limit for what a file may ask for.
uint64_t physical_memory();

}  // namespace shrike
