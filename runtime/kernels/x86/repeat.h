// Loops over arrays of vectors, written out before the compiler decides what stays in memory: GCC unrolls its
// own loops later, and arrays that such a loop indexes are stored and loaded around it.
#pragma once

#define SHRIKE_INLINE __attribute__((always_inline))

namespace shrike {
namespace {

template <int kValue>
struct Number {
  constexpr operator int() const { return kValue; }
};

// body(Number<0>()), body(Number<1>()), ... body(Number<kCount - 1>()).
template <int kCount, int kNext = 0, class Body>
[[gnu::always_inline]] inline void repeat(const Body& body) {
  if constexpr (kNext < kCount) {
    body(Number<kNext>());
    repeat<kCount, kNext + 1>(body);
  }
}

}  // namespace
}  // namespace shrike
