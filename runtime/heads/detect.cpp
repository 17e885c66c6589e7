// YOLOv8, YOLO11, YOLOv10, ESPDet, NanoDet (spec/heads.md 2.3, 2.6).
#include "heads/decoder.h"

namespace shrike {

const HeadDecoder head_detect = {.name = "detect",
                                 .kind = HeadKind::kBoxes,
                                 .box = "box#",
                                 .score = "score#",
                                 .objectness = nullptr,
                                 .third = nullptr,
                                 .collect = collect_logits,
                                 .box_of = box_from_distances,
                                 .bins = true};

}  // namespace shrike
