// Sharing loop iterations out to the model's workers. Pieces depend only on the thread count and never on
// timing, and every iteration writes its own elements, so results are the same for any number of threads.
#pragma once
#include "shrike/model.h"

namespace shrike {

// Calls body(begin, end, slot) over [0, count) in at most one piece per thread, each of at least `grain`
// iterations (but the last); `slot` numbers the pieces from 0.
template <typename Body>
inline void parallel_for(WorkerPool* workers, int32_t count, int32_t grain, const Body& body) {
  int32_t pieces = grain < 1 ? count : count / grain;
  if (pieces > workers->threads()) pieces = workers->threads();
  if (pieces <= 1) {
    if (count > 0) body(0, count, 0);
    return;
  }
  struct Job {
    const Body* body;
    int32_t count, pieces;
  } job{&body, count, pieces};
  workers->run(
      [](void* argument, int index) {
        const Job& shared = *static_cast<const Job*>(argument);
        const int64_t total = shared.count;
        const int32_t begin = static_cast<int32_t>(total * index / shared.pieces);
        const int32_t end = static_cast<int32_t>(total * (index + 1) / shared.pieces);
        (*shared.body)(begin, end, index);
      },
      &job, pieces);
}

}  // namespace shrike
