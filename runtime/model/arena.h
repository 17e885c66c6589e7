// The caller's memory during load(): lasting tables grow from the bottom, temporary ones from the top.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace shrike {

class Arena {
 public:
  // Offsets are relative to `base` rounded up to this; alignments up to it are then alignments of addresses.
  static constexpr uint64_t kAlignment = 64;

  Arena() = default;
  Arena(void* memory, uint64_t bytes) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(memory);
    const uint64_t skip = (kAlignment - address % kAlignment) % kAlignment;
    base_ = static_cast<uint8_t*>(memory) + (skip < bytes ? skip : bytes);
    size_ = skip < bytes ? bytes - skip : 0;
  }

  // From here on what is kept is counted, but given back by forget(), so that a model that does not fit can
  // be measured. Lasting memory from `mark` (a value of bottom()) on counts as never asked for.
  void measure_from(uint64_t mark) {
    bottom_ = mark;
    forgotten_ = 0;
  }
  // Gives back what was kept since `mark` while it stays counted. Alignments of what follows are as if it
  // were there.
  void forget(uint64_t mark) {
    const uint64_t end = bottom_ + forgotten_;
    bottom_ = mark + (end - mark) % kAlignment;
    forgotten_ = end - bottom_;
  }
  // Counts memory that is kept, without taking it.
  void count(uint64_t bytes, uint64_t alignment) {
    const uint64_t begin = align(bottom_, alignment);
    reserve(begin, bytes, top_);
    const uint64_t whole = bytes / kAlignment * kAlignment;
    bottom_ = begin + (bytes - whole);
    forgotten_ += whole;
  }

  // Zero-filled memory that stays; null when it does not fit (needed() then says how much would).
  void* keep(uint64_t bytes, uint64_t alignment) {
    const uint64_t begin = align(bottom_, alignment);
    if (!reserve(begin, bytes, top_)) return nullptr;
    bottom_ = begin + bytes;
    memset(base_ + begin, 0, static_cast<size_t>(bytes));
    return base_ + begin;
  }

  // Memory without defined contents that lives until release_temporary().
  void* temporary(uint64_t bytes) {
    const uint64_t size = align(bytes, kAlignment);
    if (size < bytes || !reserve(bottom_, top_, size)) return nullptr;
    top_ += size;
    return base_ + (size_ - size_ % kAlignment - top_);
  }
  uint64_t temporary_mark() const { return top_; }
  void release_temporary(uint64_t mark) { top_ = mark; }

  // Room of fixed size behind the lasting memory, e.g. for the planned activations: contents undefined.
  uint8_t* keep_raw(uint64_t bytes, uint64_t alignment) {
    const uint64_t begin = align(bottom_, alignment);
    if (!reserve(begin, bytes, top_)) return nullptr;
    bottom_ = begin + bytes;
    return base_ + begin;
  }

  uint8_t* base() const { return base_; }
  uint64_t bottom() const { return bottom_; }
  // All that was kept, forgotten or not.
  uint64_t kept() const { return bottom_ + forgotten_; }
  // Bytes that the caller's memory needs for everything asked for so far, whatever its alignment to 16.
  uint64_t needed() const { return with_slack(peak_); }
  static constexpr uint64_t with_slack(uint64_t bytes) {
    return bytes + (kAlignment - 16) + (kAlignment - 1);
  }

  static constexpr uint64_t align(uint64_t value, uint64_t alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
  }

 private:
  bool reserve(uint64_t a, uint64_t b, uint64_t c) {
    constexpr uint64_t kLimit = uint64_t{1} << 62;
    if (a > kLimit || b > kLimit || c > kLimit || forgotten_ > kLimit) {
      peak_ = kLimit;
      return false;
    }
    const uint64_t total = a + b + c;
    if (total + forgotten_ > peak_) peak_ = total + forgotten_;
    return total <= size_ - size_ % kAlignment;
  }

  uint8_t* base_ = nullptr;
  uint64_t size_ = 0;
  uint64_t bottom_ = 0;
  uint64_t top_ = 0;
  uint64_t peak_ = 0;
  uint64_t forgotten_ = 0;  // a multiple of kAlignment
};

}  // namespace shrike
