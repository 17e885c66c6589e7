// Every decoder, for programs that decode any file.
#include "shrike/heads.h"

namespace shrike {
namespace {

constexpr const HeadDecoder* kDecoders[] = {
    &head_pose,   &head_segment,    &head_rotated, &head_objectness, &head_anchors,
    &head_detect, &head_end_to_end, &head_pico,    &head_face,
};

}  // namespace

const HeadSet kAllHeads = {kDecoders, static_cast<int32_t>(sizeof kDecoders / sizeof kDecoders[0])};

}  // namespace shrike
