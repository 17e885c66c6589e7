// What a decoder of a head is: one constant a head, in a file of its own, so that a program links those that
// it names (shrike/heads.h). What all heads share stands in decode.cpp.
#pragma once
#include "heads/candidates.h"
#include "heads/metadata.h"
#include "shrike/detector.h"

namespace shrike {

constexpr int32_t kMaxBins = 64;

struct Box {
  float x1, y1, x2, y2;
  float angle;
};

// Tensors of a level that fit together.
struct LevelMap {
  const HeadLevel* tensors;
  int32_t width, cells, classes, bins, anchors;
  uint32_t first_place;
};

struct HeadDecoder {
  const char* name;  // first word of the metadata "head"
  HeadKind kind;
  // Names of a level's tensors, '#' stands for its number; null: the head has no such tensor. Those that
  // ESP-DL's postprocessors ask for (spec/heads.md 3); toolchain/heads/rows.cpp has the same.
  const char *box, *score, *objectness, *third;
  // Offers the level's scores that pass the threshold.
  void (*collect)(CandidateList& list, const Head& head, const LevelMap& level, const DetectOptions& options);
  // The box of a place of the level, in pixels of the network input.
  Box (*box_of)(const Head& head, const LevelMap& level, uint32_t place);
  bool bins = false;        // sides may be distributions
  bool one_to_one = false;  // Head's defaults
  float cell_offset = 0.5f;
  // Likeness of two boxes of a class, 0..1; null: intersection over union.
  float (*overlap)(const Box& a, const Box& b) = nullptr;
  // Fills in what the head's files do not hold; null: they hold it.
  void (*complete)(Head& head) = nullptr;
  // Reads the values of a key of the metadata that only this head has; null: none.
  void (*read)(MetadataReader& reader, const Text& key, Head& head) = nullptr;
};

// ---- shared by several decoders

// The logit of a probability.
float logit_f32(float probability);
inline int64_t score_count(const LevelMap& level) {
  return int64_t{level.cells} * level.anchors * level.classes;
}
// Where a number of the score tensor stands: [cell][anchor][class].
inline Candidate candidate_at(const LevelMap& level, int64_t index, float score) {
  return {score, level.first_place + static_cast<uint32_t>(index / level.classes),
          static_cast<int32_t>(index % level.classes)};
}

// Scores are logits.
void collect_logits(CandidateList& list, const Head& head, const LevelMap& level,
                    const DetectOptions& options);
// Scores are the product of two probabilities, one of them of the box.
void collect_with_objectness(CandidateList& list, const Head& head, const LevelMap& level,
                             const DetectOptions& options);

// Four sides in pixels of the input, as numbers or as distributions over bins.
void read_sides(const LevelMap& level, uint32_t place, float (&sides)[4]);
// A cell's reference point in pixels of the input.
void reference_point(const Head& head, const LevelMap& level, uint32_t place, float* x, float* y);
Box box_from_distances(const Head& head, const LevelMap& level, uint32_t place);

inline Box box_from_centre(float cx, float cy, float width, float height) {
  return {cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, 0};
}

}  // namespace shrike
