// The decoders of output heads that a program may choose from. As with operators, naming one links it: a
// detector's firmware holds the one decoder that its model needs ("shrike info --ops FILE" names it).
//
//   const shrike::HeadDecoder* const kUsed[] = {&shrike::head_detect};
//   const shrike::HeadSet kHeads = {kUsed, 1};
//   status = shrike::find_head(model, kHeads, &head);
#pragma once
#include <stdint.h>

namespace shrike {

struct HeadDecoder;  // runtime/heads/decoder.h

struct HeadSet {
  const HeadDecoder* const* decoders;
  int32_t count;
};

// Every decoder. Links all of them.
extern const HeadSet kAllHeads;

extern const HeadDecoder head_anchors;     // YOLOv5, YOLOv7: sizes are fractions of anchors
extern const HeadDecoder head_detect;      // YOLOv8, YOLO11, ESPDet, NanoDet: distances of sides
extern const HeadDecoder head_end_to_end;  // YOLO26: distances, one box an object
extern const HeadDecoder head_face;        // Espressif's faces, first stage: corners of anchors
extern const HeadDecoder head_objectness;  // YOLOX: sizes are powers of e
extern const HeadDecoder head_pico;        // PicoDet: scores are products
extern const HeadDecoder head_pose;        // detect with key points
extern const HeadDecoder head_rotated;     // detect with an angle
extern const HeadDecoder head_segment;     // detect with masks

// The decoder called `name` ("detect", "end-to-end", ...), the first word of a file's metadata "head"; null
// when it is not in the set.
const HeadDecoder* find_decoder(const HeadSet& heads, const char* name);

}  // namespace shrike
