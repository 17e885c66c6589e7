// Every decoder of runtime/heads on numbers of a generator, as lines of text that hold the bits of the
// results: the program heads.cpp prints them on the board, tests/firmware compares them with those of the PC.
#pragma once
#include <stdio.h>
#include <string.h>

#include "shrike/detector.h"

namespace head_cases {

constexpr int32_t kMostDetections = 12, kMostCandidates = 64, kMostPoints = 4;
constexpr int32_t kLevels = 3, kClasses = 3, kCoefficients = 8;
constexpr int32_t kHeights[kLevels] = {8, 4, 2}, kWidths[kLevels] = {12, 6, 3};

// Numbers and the memory they lie in.
class Numbers {
 public:
  explicit Numbers(uint32_t seed) : state_(seed) {}

  // Real values of about [-4, 4) in steps that differ from tensor to tensor.
  shrike::TensorView tensor(shrike::DataType type, int32_t height, int32_t width, int32_t channels) {
    shrike::TensorView view;
    view.type = type;
    view.shape = {4, {1, height, width, channels}};
    const int32_t bits = type == shrike::DataType::kInt8 ? 8 : 16;
    view.exponent = type == shrike::DataType::kFloat32 ? 0 : 3 - bits;
    view.data = &words_[used_];
    const uint32_t count = static_cast<uint32_t>(height * width * channels);
    view.bytes = count * shrike::size_of(type);
    used_ += static_cast<uint32_t>(view.bytes + 3) / 4;
    for (uint32_t i = 0; i < count; ++i) put(view, i);
    return view;
  }

 private:
  void put(const shrike::TensorView& view, uint32_t index) {
    state_ = state_ * 1664525u + 1013904223u;
    const int32_t number = static_cast<int16_t>(state_ >> 16);
    if (view.type == shrike::DataType::kInt8) {
      static_cast<int8_t*>(view.data)[index] = static_cast<int8_t>(number / 256);
    } else if (view.type == shrike::DataType::kInt16) {
      static_cast<int16_t*>(view.data)[index] = static_cast<int16_t>(number);
    } else {
      static_cast<float*>(view.data)[index] = static_cast<float>(number) / 8192;
    }
  }

  uint32_t state_;
  uint32_t used_ = 0;
  static inline uint32_t words_[1 << 15];
};

// FNV-1a over the bits of what belongs to a detection beyond its box.
class Hash {
 public:
  void add(const void* data, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) value_ = (value_ ^ static_cast<const uint8_t*>(data)[i]) * 16777619u;
  }
  unsigned long value() const { return value_; }

 private:
  uint32_t value_ = 2166136261u;
};

inline unsigned long bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline shrike::Head make(const shrike::HeadDecoder& decoder, shrike::DataType type, Numbers& numbers) {
  using shrike::HeadKind;
  shrike::Head head = make_head(decoder);
  const char* name = decoder_name(head);
  const bool face = strcmp(name, "face") == 0, anchors = strcmp(name, "anchors") == 0;
  const bool objectness = anchors || strcmp(name, "objectness") == 0;
  const bool single = objectness || face || head.one_to_one;
  head.rounding = type == shrike::DataType::kInt8 ? shrike::Rounding::kHalfEven : shrike::Rounding::kHalfUp;
  head.anchor_count = anchors || face ? 2 : 1;
  head.key_points = kMostPoints;
  head.key_point_values = 3;
  head.level_count = kLevels;
  for (int32_t i = 0; i < kLevels; ++i) {
    shrike::HeadLevel& level = head.levels[i];
    const auto map = [&](int32_t channels) {
      return numbers.tensor(type, kHeights[i], kWidths[i], channels * head.anchor_count);
    };
    level.stride = 8 << i;
    level.box = map(single ? 4 : 4 * 8);
    level.score = map(kClasses);
    if (objectness) level.objectness = map(1);
    if (head.kind == HeadKind::kKeyPoints) level.third = map(3 * kMostPoints);
    if (head.kind == HeadKind::kMasks) level.third = map(kCoefficients);
    if (head.kind == HeadKind::kRotatedBoxes) level.third = map(1);
    for (int32_t a = 0; a < head.anchor_count; ++a) {
      level.anchors[a][0] = static_cast<float>((12 + 7 * a) << i);
      level.anchors[a][1] = static_cast<float>((9 + 11 * a) << i);
    }
  }
  if (head.kind == HeadKind::kMasks) head.prototypes = numbers.tensor(type, 16, 24, kCoefficients);
  return head;
}

// What comes with the detection's box, as a hash.
inline unsigned long extra_of(const shrike::Head& head, const shrike::Detection& detection,
                              const shrike::ImagePlacement& placement, shrike::DetectMode mode) {
  Hash hash;
  if (head.kind == shrike::HeadKind::kKeyPoints) {
    shrike::KeyPoint points[kMostPoints] = {};
    if (!decode_key_points(head, detection, placement, mode, points).ok()) return 0;
    hash.add(points, sizeof points);
  }
  if (head.kind == shrike::HeadKind::kMasks) {
    static uint8_t scratch[4 * 16 * 24 + 16], mask[256 * 256];
    const shrike::MaskArea area = mask_area(detection, mode);
    if (!decode_mask(head, detection, placement, mode, scratch, sizeof scratch, mask, sizeof mask).ok())
      return 0;
    hash.add(mask, static_cast<size_t>(area.width) * static_cast<size_t>(area.height));
  }
  return hash.value();
}

// Tells `line` each line of text.
template <typename Line>
void decode_boxes(const shrike::HeadDecoder& decoder, shrike::DataType type, shrike::DetectMode mode,
                  Line&& line) {
  Numbers numbers(static_cast<uint32_t>(type) * 7919u + 1);
  const shrike::Head head = make(decoder, type, numbers);
  // A picture of 150 x 90 in an input of 96 x 64.
  const shrike::ImagePlacement placement{1.5625f, 1.5625f, 0, 3, 150, 90};
  shrike::DetectOptions options;
  options.mode = mode;
  options.score_threshold = 0.3f;
  options.iou_threshold = 0.5f;
  options.max_detections = kMostDetections;
  options.max_candidates = kMostCandidates;
  static uint8_t scratch[12 * kMostCandidates + 16];
  static shrike::Detection found[kMostDetections];
  int32_t count = 0;
  const shrike::Status status =
      decode_detections(head, placement, options, scratch, sizeof scratch, found, &count);
  char text[160];
  snprintf(text, sizeof text, "%s type %d mode %d: %d (%s)", decoder_name(head), static_cast<int>(type),
           static_cast<int>(mode), static_cast<int>(count), status.detail);
  line(text);
  for (int32_t i = 0; i < count; ++i) {
    const shrike::Detection& d = found[i];
    snprintf(text, sizeof text, "  %d %lu %08lx %08lx %08lx %08lx %08lx %08lx %08lx",
             static_cast<int>(d.category), static_cast<unsigned long>(d.place), bits_of(d.score),
             bits_of(d.x1), bits_of(d.y1), bits_of(d.x2), bits_of(d.y2), bits_of(d.angle),
             extra_of(head, d, placement, mode));
    line(text);
  }
}

template <typename Line>
void decode_classifier(shrike::DataType type, bool softmax, Line&& line) {
  Numbers numbers(41);
  const shrike::TensorView output = numbers.tensor(type, 1, 1, 100);
  shrike::ClassScore best[5];
  int32_t count = 0;
  const shrike::Status status = decode_classes(output, softmax, 0.001f, best, 5, &count);
  char text[80];
  snprintf(text, sizeof text, "classes type %d: %d (%s)", static_cast<int>(type), static_cast<int>(count),
           status.detail);
  line(text);
  for (int32_t i = 0; i < count; ++i) {
    snprintf(text, sizeof text, "  %d %08lx", static_cast<int>(best[i].category), bits_of(best[i].score));
    line(text);
  }
}

template <typename Line>
void decode_all(Line&& line) {
  using shrike::DataType;
  constexpr DataType kTypes[] = {DataType::kInt8, DataType::kInt16, DataType::kFloat32};
  for (const DataType type : kTypes) {
    for (int32_t i = 0; i < shrike::kAllHeads.count; ++i) {
      decode_boxes(*shrike::kAllHeads.decoders[i], type, shrike::DetectMode::kChip, line);
      decode_boxes(*shrike::kAllHeads.decoders[i], type, shrike::DetectMode::kEvaluation, line);
    }
    decode_classifier(type, true, line);
    decode_classifier(type, false, line);
  }
}

}  // namespace head_cases
