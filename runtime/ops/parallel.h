// Sharing work out to the model's workers. Pieces depend only on the thread count and never on timing, and
// every piece writes its own elements, so results are the same for any number of threads.
#pragma once
#include "shrike/model.h"

namespace shrike {

constexpr int32_t kMostSlots = 32;   // threads that take part in one node
constexpr int32_t kPiecesASlot = 8;  // a thread that loses its core holds up no more than one of them

// How many threads at most share `pieces` pieces; as many sets of scratch are in use at a time.
inline int32_t slots_for(int32_t threads, int32_t pieces) {
  const int32_t slots = threads < kMostSlots ? threads : kMostSlots;
  return pieces < slots ? pieces : slots;
}

// Calls body(piece, slot) for every piece; slots count from 0 to slots - 1, and a slot works on one piece at
// a time. A slot begins with its own share, always the same part of the range, because what its thread wrote
// for the node before is still in its cache; then it takes pieces of the others' shares.
template <typename Body>
inline void share_out(WorkerPool* workers, int32_t pieces, int32_t slots, const Body& body) {
  if (slots <= 1) {
    for (int32_t piece = 0; piece < pieces; ++piece) body(piece, 0);
    return;
  }
  struct Job {
    const Body* body;
    int32_t slots, pieces;
    int32_t taken[kMostSlots];  // of each share
    int32_t first(int32_t share) const {
      return static_cast<int32_t>(static_cast<int64_t>(pieces) * share / slots);
    }
  } job{&body, slots, pieces, {}};
  workers->run(
      [](void* argument, int slot) {
        Job& shared = *static_cast<Job*>(argument);
        for (int32_t i = 0; i < shared.slots; ++i) {
          const int32_t share = (slot + i) % shared.slots;
          const int32_t first = shared.first(share), count = shared.first(share + 1) - first;
          for (;;) {
            const int32_t piece = __atomic_fetch_add(&shared.taken[share], 1, __ATOMIC_RELAXED);
            if (piece >= count) break;
            (*shared.body)(first + piece, slot);
          }
        }
      },
      &job, slots);
}

// Calls body(begin, end, slot) over parts of [0, count), each of at least `grain` iterations (but when there
// are fewer).
template <typename Body>
inline void parallel_for(WorkerPool* workers, int32_t count, int32_t grain, const Body& body) {
  int32_t pieces = grain < 1 ? count : count / grain;
  const int32_t slots = slots_for(workers->threads(), pieces);
  if (slots <= 1) {
    if (count > 0) body(0, count, 0);
    return;
  }
  if (pieces > slots * kPiecesASlot) pieces = slots * kPiecesASlot;
  share_out(workers, pieces, slots, [&body, count, pieces](int32_t piece, int32_t slot) {
    const int64_t total = count;
    body(static_cast<int32_t>(total * piece / pieces), static_cast<int32_t>(total * (piece + 1) / pieces),
         slot);
  });
}

}  // namespace shrike
