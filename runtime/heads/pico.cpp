// PicoDet by the names of ESP-DL's class for it (spec/runtime-and-vision.md 7, pico).
#include "heads/decoder.h"
#include "heads/values.h"
#include "ops/float_math.h"

namespace shrike {
namespace {

// The network multiplied the two probabilities; the root of that is shown.
void collect_products(CandidateList& list, const Head&, const LevelMap& level, const DetectOptions& options) {
  const bool all = !(options.score_threshold > 0);
  const int64_t count = score_count(level);
  for (int64_t i = 0; i < count; ++i) {
    const float product = read_value(level.tensors->score, i);
    if (all || product > options.score_threshold * options.score_threshold) {
      list.add(candidate_at(level, i, product > 0 ? sqrtf(product) : 0));
    }
  }
}

}  // namespace

const HeadDecoder head_pico = {.name = "pico",
                               .kind = HeadKind::kBoxes,
                               .box = "bbox#",
                               .score = "score#",
                               .objectness = nullptr,
                               .third = nullptr,
                               .collect = collect_products,
                               .box_of = box_from_distances,
                               .bins = true};

}  // namespace shrike
