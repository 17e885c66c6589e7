// YOLO26 (spec/heads.md 2.5), by the names of ESP-DL's class for it.
#include "heads/decoder.h"

namespace shrike {

const HeadDecoder head_end_to_end = {.name = "end-to-end",
                                     .kind = HeadKind::kBoxes,
                                     .box = "one2one_p#_box",
                                     .score = "one2one_p#_cls",
                                     .objectness = nullptr,
                                     .third = nullptr,
                                     .collect = collect_logits,
                                     .box_of = box_from_distances,
                                     .bins = true,
                                     .one_to_one = true};

}  // namespace shrike
