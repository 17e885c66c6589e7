// Error reporting of the device floor: a code, where, and a short static phrase. Sentences are the host's
// job.
#pragma once
#include <stdint.h>

namespace shrike {

enum class StatusCode : uint8_t {
  kOk = 0,
  kBadArgument,          // a caller's mistake: null pointer, unaligned memory, call before load
  kTruncated,            // the file ends before its header says
  kBadMagic,             // not an EDL1/EDL2 container
  kEncrypted,            // container is encrypted (mode 1); decrypt it first
  kCorrupt,              // an offset, length or table of the payload is not valid
  kUnsupportedOperator,  // op_type is not registered in the operator set given
  kUnsupportedType,      // the operator exists but not for this data type or bit width
  kBadAttribute,         // attribute missing, of the wrong kind or out of range
  kBadShape,             // shapes do not fit together
  kBadExponent,          // exponents violate the operator's rule (e.g. negative shift)
  kUnknownTensor,        // a node names a tensor that nothing produces
  kDuplicateTensor,      // two producers of one name
  kArenaTooSmall,        // `needed` tells the bytes
  kNotFound,             // no tensor/output of that name
  kWrongTarget,          // the file is for another chip than the one asked for
};

// `node` is the index in file order (-1: none), `offset` the byte offset from the start of the file (0:
// none), `detail` a static phrase such as "filter input channels differ from the input's" (never null).
struct Status {
  StatusCode code = StatusCode::kOk;
  int32_t node = -1;
  uint32_t offset = 0;
  uint64_t needed = 0;
  const char* detail = "";

  bool ok() const { return code == StatusCode::kOk; }
};

inline Status make_status(StatusCode code, const char* detail, int32_t node = -1, uint32_t offset = 0) {
  Status status;
  status.code = code;
  status.detail = detail;
  status.node = node;
  status.offset = offset;
  return status;
}

}  // namespace shrike

// Returns from the enclosing function when `expression` yields a Status that is not ok.
#define SHRIKE_RETURN_IF_ERROR(expression)             \
  do {                                                 \
    const ::shrike::Status shrike_status = expression; \
    if (!shrike_status.ok()) return shrike_status;     \
  } while (0)
