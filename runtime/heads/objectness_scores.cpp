#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {

// No box whose own probability is too small can reach the threshold.
void collect_with_objectness(CandidateList& list, const Head&, const LevelMap& level,
                             const DetectOptions& options) {
  const bool all = !(options.score_threshold > 0);
  const int64_t places = int64_t{level.cells} * level.anchors;
  for (int64_t place = 0; place < places; ++place) {
    const float objectness = sigmoid_f32(read_value(level.tensors->objectness, place));
    if (!all && !(objectness > options.score_threshold)) continue;
    for (int32_t c = 0; c < level.classes; ++c) {
      const int64_t index = place * level.classes + c;
      const float score = objectness * sigmoid_f32(read_value(level.tensors->score, index));
      if (all || score > options.score_threshold) list.add(candidate_at(level, index, score));
    }
  }
}

}  // namespace shrike
