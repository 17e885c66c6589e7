#include "ops/parallel.h"

namespace shrike {
namespace {

class CallingThread final : public WorkerPool {
 public:
  constexpr CallingThread() = default;
  int threads() const override { return 1; }
  void run(void (*task)(void* argument, int index), void* argument, int count) override {
    for (int i = 0; i < count; ++i) task(argument, i);
  }
};

constinit CallingThread the_calling_thread;

// Where part `index` of `parts` of [0, count) begins.
int32_t begin_of(int32_t count, int32_t index, int32_t parts) {
  return static_cast<int32_t>(static_cast<int64_t>(count) * index / parts);
}

struct Job {
  const void* body;
  PieceBody call;
  int32_t slots, pieces;
  int32_t taken[kMostSlots];  // of each share
};

void run_slot(void* argument, int slot) {
  Job& job = *static_cast<Job*>(argument);
  for (int32_t i = 0; i < job.slots; ++i) {
    const int32_t share = (slot + i) % job.slots;
    const int32_t first = begin_of(job.pieces, share, job.slots);
    const int32_t count = begin_of(job.pieces, share + 1, job.slots) - first;
    for (;;) {
      const int32_t piece = __atomic_fetch_add(&job.taken[share], 1, __ATOMIC_RELAXED);
      if (piece >= count) break;
      job.call(job.body, first + piece, slot);
    }
  }
}

struct Ranges {
  const void* body;
  RangeBody call;
  int32_t count, pieces;
};

}  // namespace

WorkerPool* calling_thread() {
  return &the_calling_thread;
}

void share_out(WorkerPool* workers, int32_t pieces, int32_t slots, const void* body, PieceBody call) {
  if (slots <= 1) {
    for (int32_t piece = 0; piece < pieces; ++piece) call(body, piece, 0);
    return;
  }
  Job job{body, call, slots, pieces, {}};
  workers->run(run_slot, &job, slots);
}

void parallel_for(WorkerPool* workers, int32_t count, int32_t grain, const void* body, RangeBody call) {
  Ranges ranges{body, call, count, grain < 1 ? count : count / grain};
  const int32_t slots = slots_for(workers->threads(), ranges.pieces);
  if (slots <= 1) {
    if (count > 0) call(body, 0, count, 0);
    return;
  }
  if (ranges.pieces > slots * kPiecesASlot) ranges.pieces = slots * kPiecesASlot;
  share_out(workers, ranges.pieces, slots, &ranges, [](const void* own, int32_t piece, int32_t slot) {
    const Ranges& all = *static_cast<const Ranges*>(own);
    all.call(all.body, begin_of(all.count, piece, all.pieces), begin_of(all.count, piece + 1, all.pieces),
             slot);
  });
}

}  // namespace shrike
