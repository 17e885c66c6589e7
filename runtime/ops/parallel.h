// Sharing work out to the model's workers. Pieces depend only on the thread count and never on timing, and
// every piece writes its own elements, so results are the same for any number of threads.
#pragma once
#include "shrike/model.h"

namespace shrike {

constexpr int32_t kMostSlots = 32;   // threads that take part in one node
constexpr int32_t kPiecesASlot = 8;  // a thread that loses its core holds up no more than one of them

// What a loop of its own makes faster is worth its code where code costs nothing; a chip's flash does.
constexpr bool kCodeIsCheap = sizeof(void*) == 8;

// The workers of a model without any: the thread that calls.
WorkerPool* calling_thread();

// How many threads at most share `pieces` pieces; as many sets of scratch are in use at a time.
inline int32_t slots_for(int32_t threads, int32_t pieces) {
  const int32_t slots = threads < kMostSlots ? threads : kMostSlots;
  return pieces < slots ? pieces : slots;
}

// A body as a function of its address, so that what shares work out is there once and not for every body.
using PieceBody = void (*)(const void* body, int32_t piece, int32_t slot);
using RangeBody = void (*)(const void* body, int32_t begin, int32_t end, int32_t slot);
void share_out(WorkerPool* workers, int32_t pieces, int32_t slots, const void* body, PieceBody call);
void parallel_for(WorkerPool* workers, int32_t count, int32_t grain, const void* body, RangeBody call);

// Calls body(piece, slot) for every piece; slots count from 0 to slots - 1, and a slot works on one piece at
// a time. A slot begins with its own share, always the same part of the range, because what its thread wrote
// for the node before is still in its cache; then it takes pieces of the others' shares.
template <typename Body>
inline void share_out(WorkerPool* workers, int32_t pieces, int32_t slots, const Body& body) {
  share_out(workers, pieces, slots, &body, [](const void* own, int32_t piece, int32_t slot) {
    (*static_cast<const Body*>(own))(piece, slot);
  });
}

// Calls body(begin, end, slot) over parts of [0, count), each of at least `grain` iterations (but when there
// are fewer).
template <typename Body>
inline void parallel_for(WorkerPool* workers, int32_t count, int32_t grain, const Body& body) {
  parallel_for(workers, count, grain, &body, [](const void* own, int32_t begin, int32_t end, int32_t slot) {
    (*static_cast<const Body*>(own))(begin, end, slot);
  });
}

}  // namespace shrike
