// Generated input: the sequence with which `shrike run --seed` fills a network, so that a board and a PC
// compute the same without a picture between them.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace shrike::esp {

// splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). One sequence goes
// through all inputs, in the network's order; an element is the low bits of its number.
class SeededInput {
 public:
  explicit SeededInput(uint64_t seed) : state_(seed) {}

  // `element_bytes`: 1, 2 or 4, little-endian.
  void fill(void* data, size_t elements, size_t element_bytes) {
    uint8_t* bytes = static_cast<uint8_t*>(data);
    for (size_t i = 0; i < elements; ++i) {
      const uint64_t number = next();
      memcpy(bytes + i * element_bytes, &number, element_bytes);
    }
  }

 private:
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

}  // namespace shrike::esp
