// Complete verification of a FlatBuffers payload against the schema of spec/espdl-format.md section 2.
#pragma once
#include "container.h"  // beside this file, so that the host can include it too
#include "shrike/status.h"

namespace shrike::format {

// Follows every field of every table that the schema knows and checks offsets, vtables, vector lengths,
// string terminators, alignment and nesting, so that flat.h can read without checks. Shared tables are
// allowed; the total work is bounded by a multiple of the payload's size, and so is what a reader of the
// accepted payload can meet. Status::offset is relative to the start of the payload.
Status verify_payload(const Payload& payload);

}  // namespace shrike::format
