// The EDL1/EDL2 container around the FlatBuffers payload (spec/espdl-format.md section 1).
#pragma once
#include <stddef.h>

#include "shrike/status.h"

namespace shrike::format {

constexpr uintptr_t kPayloadAlignment = 16;

struct Payload {
  const uint8_t* data = nullptr;
  uint32_t size = 0;
};

// Finds the payload of a single-model container. Bytes behind the payload are ignored. The payload must come
// out 16-byte aligned for use in place: an EDL1 file (payload at byte 12) never does when the file itself is
// aligned, so it gives kBadArgument and has to be rewritten with an EDL2 header first.
Status open_container(const void* file, size_t file_bytes, Payload* payload);

}  // namespace shrike::format
