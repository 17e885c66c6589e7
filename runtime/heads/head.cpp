// Which head a model's outputs are. The names are those that ESP-DL's postprocessors ask for; what they don't
// tell is in the metadata "head", written by toolchain/heads: a first word, then KEY=NUMBER,NUMBER,...
#include "heads/metadata.h"
#include "heads/values.h"
#include "shrike/detector.h"

namespace shrike {
namespace {

struct Names {
  const char* row;  // first word of the metadata
  HeadKind kind;
  BoxCode code;
  const char *box, *score, *objectness, *third;  // '#' stands for the level
  bool one_to_one = false, product_scores = false;
};

// As toolchain/heads/rows.cpp; more names come before fewer.
constexpr Names kNames[] = {
    {"pose", HeadKind::kKeyPoints, BoxCode::kDistances, "box#", "score#", nullptr, "kpt#"},
    {"segment", HeadKind::kMasks, BoxCode::kDistances, "box#", "score#", nullptr, "mc#"},
    {"rotated", HeadKind::kRotatedBoxes, BoxCode::kDistances, "box#", "score#", nullptr, "angle#"},
    {"objectness", HeadKind::kBoxes, BoxCode::kCentreSize, "box#", "score#", "obj#", nullptr},
    {"anchors", HeadKind::kBoxes, BoxCode::kAnchors, "box#", "score#", "obj#", nullptr},
    {"detect", HeadKind::kBoxes, BoxCode::kDistances, "box#", "score#", nullptr, nullptr},
    {"end-to-end", HeadKind::kBoxes, BoxCode::kDistances, "one2one_p#_box", "one2one_p#_cls", nullptr,
     nullptr, true},
    {"pico", HeadKind::kBoxes, BoxCode::kDistances, "bbox#", "score#", nullptr, nullptr, false, true},
};

TensorView output_of(const Model& model, const char* pattern, int32_t level) {
  char name[24];
  int32_t i = 0;
  for (; pattern[i] != '\0'; ++i) name[i] = pattern[i] == '#' ? static_cast<char>('0' + level) : pattern[i];
  name[i] = '\0';
  return model.output(name);
}

bool same(Text text, const char* word) {
  return text == word;
}

void read_anchors(MetadataReader& reader, Head& head) {
  const int32_t count = head.anchor_count < kMaxAnchors ? head.anchor_count : kMaxAnchors;
  for (int32_t level = 0; level < head.level_count; ++level) {
    for (int32_t i = 0; i < count; ++i) {
      for (float& side : head.levels[level].anchors[i]) {
        if (!reader.number(side)) return;
      }
    }
  }
}

void read_metadata(MetadataReader& reader, Head& head) {
  while (!reader.done()) {
    const Text key = reader.word();
    float value = 0;
    if (same(key, "anchors")) {
      read_anchors(reader, head);
    } else if (key.size > 0 && reader.number(value)) {
      if (same(key, "offset")) head.cell_offset = value;
      if (same(key, "one_to_one")) head.one_to_one = value != 0;
      if (same(key, "raw_third")) head.raw_third = value != 0;
      float values = 0;
      if (same(key, "key_points") && reader.number(values)) {
        head.key_points = static_cast<int32_t>(value);
        head.key_point_values = static_cast<int32_t>(values);
      }
    }
    reader.skip();
  }
}

int32_t channels(const TensorView& view) {
  return view.shape.rank == 4 ? view.shape.dims[3] : 0;
}

// The levels whose names are all there; false when there is none.
bool find_levels(const Model& model, const Names& names, int32_t input_height, Head& head) {
  head.level_count = 0;
  for (int32_t i = 0; i < 10 && head.level_count < kMaxHeadLevels; ++i) {
    HeadLevel level;
    level.box = output_of(model, names.box, i);
    level.score = output_of(model, names.score, i);
    if (names.objectness != nullptr) level.objectness = output_of(model, names.objectness, i);
    if (names.third != nullptr) level.third = output_of(model, names.third, i);
    const bool complete = is_given(level.box) && is_given(level.score) &&
                          (names.objectness == nullptr || is_given(level.objectness)) &&
                          (names.third == nullptr || is_given(level.third));
    if (!complete) continue;
    // Maps may be rounded up or down: the stride is what fits best.
    const int32_t height = level.box.shape.rank == 4 ? level.box.shape.dims[1] : 0;
    level.stride = height > 0 ? (input_height + height / 2) / height : 0;
    head.levels[head.level_count++] = level;
  }
  return head.level_count > 0;
}

}  // namespace

Status find_head(const Model& model, Head* head) {
  if (head == nullptr || model.input_count() < 1) {
    return make_status(StatusCode::kBadArgument, "a loaded model and memory for its head must be given");
  }
  const Shape& input = model.input(0).shape;
  if (input.rank != 4)
    return make_status(StatusCode::kBadShape, "the model's input is not a picture [1,H,W,C]");
  const Text metadata = model.metadata("head");
  MetadataReader reader(metadata);
  const Text row = reader.word();
  const Names* chosen = nullptr;
  for (const Names& names : kNames) {
    Head candidate;
    if (!find_levels(model, names, input.dims[1], candidate)) continue;
    if (chosen != nullptr && !same(row, names.row)) continue;
    chosen = &names;
    *head = candidate;
    if (row.size == 0 || same(row, names.row)) break;
  }
  if (chosen == nullptr) {
    return make_status(StatusCode::kNotFound,
                       "the model has no outputs box0 and score0, nor those of another head");
  }
  head->rounding = model.rounding();
  head->kind = chosen->kind;
  head->code = chosen->code;
  head->one_to_one = chosen->one_to_one;
  head->product_scores = chosen->product_scores;
  const HeadLevel& first = head->levels[0];
  if (chosen->objectness != nullptr) {
    head->anchor_count = channels(first.objectness);
    if (chosen->code == BoxCode::kCentreSize) head->cell_offset = 0;
  }
  if (head->kind == HeadKind::kKeyPoints) {
    head->key_point_values = channels(first.third) % 3 == 0 ? 3 : 2;
    head->key_points = channels(first.third) / head->key_point_values;
  }
  if (head->kind == HeadKind::kMasks) head->prototypes = model.output("p");
  if (same(row, chosen->row)) read_metadata(reader, *head);
  return {};
}

}  // namespace shrike
