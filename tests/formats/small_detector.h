// A detector as small as one can be, for what is asked of a head's outputs.
#pragma once
#include <vector>

#include "tests/engine/graph_builder.h"

namespace shrike::tests {

// x [1,3,16,16] -> box0 (four sides of two bins, the red channel times `peak`) and score0 (two classes: the
// red channel from -40 to `best`).
inline GraphBuilder small_detector(float peak, float best) {
  std::vector<float> box(8 * 3, 0), score(2 * 3, 0);
  for (size_t i = 0; i < 8; ++i) box[3 * i] = i % 2 == 0 ? peak : -1;
  score[0] = score[3] = best + 40;
  GraphBuilder builder;
  builder.input("x", {1, 3, 16, 16})
      .constant("box_weight", {8, 3, 1, 1}, box)
      .constant("score_weight", {2, 3, 1, 1}, score)
      .constant("score_bias", {2}, {-40, -40})
      .variable("box0", {1, 8, 16, 16})
      .variable("score0", {1, 2, 16, 16})
      .node("Conv", {"x", "box_weight"}, {"box0"})
      .node("Conv", {"x", "score_weight", "score_bias"}, {"score0"})
      .outputs({"box0", "score0"});
  return builder;
}

}  // namespace shrike::tests
