// What the board is to print: the network run here, as the board will run it.
#pragma once
#include <string>
#include <vector>

#include "toolchain/board/facts.h"
#include "toolchain/data/image.h"

namespace shrike::board {

struct Expected {
  bool seeded = false;                           // the inputs are integers, which can be generated
  std::vector<std::string> on_seed, on_picture;  // SHA-256 of every output; empty texts where it was not run
  std::vector<std::string> objects;              // lines about the picture: name, score, box
  std::string operators_source;                  // the set of operators that the model needs
};

// `picture` (may be null) is in the form in which it is embedded.
Expected expected_of(const Facts& facts, const data::Image* picture, float score_threshold,
                     float iou_threshold, int max_detections);

// A picture no larger than the network's input on either side, its ratio kept.
data::Image picture_for(const Facts& facts, const data::Image& picture);

}  // namespace shrike::board
