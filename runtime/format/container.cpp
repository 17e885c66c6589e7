#include "format/container.h"

#include "format/flat.h"

namespace shrike::format {

Status open_container(const void* file, size_t file_bytes, Payload* payload) {
  if (file == nullptr) return make_status(StatusCode::kBadArgument, "no file bytes given");
  const uint8_t* bytes = static_cast<const uint8_t*>(file);
  if (file_bytes < 12) return make_status(StatusCode::kTruncated, "shorter than the container's header");
  const bool second = memcmp(bytes, "EDL2", 4) == 0;
  if (!second && memcmp(bytes, "EDL1", 4) != 0) {
    return make_status(StatusCode::kBadMagic, "the first four bytes are neither EDL1 nor EDL2");
  }
  const uint32_t mode = load<uint32_t>(bytes + 4);
  if (mode == 1) return make_status(StatusCode::kEncrypted, "the container is encrypted", -1, 4);
  if (mode != 0) return make_status(StatusCode::kCorrupt, "unknown encryption mode", -1, 4);
  const size_t header = second ? 16 : 12;
  const uint32_t size = load<uint32_t>(bytes + 8);
  if (file_bytes < header || file_bytes - header < size) {
    return make_status(StatusCode::kTruncated, "the payload is shorter than the header says", -1, 8);
  }
  if (reinterpret_cast<uintptr_t>(bytes + header) % kPayloadAlignment != 0) {
    return make_status(StatusCode::kBadArgument, second
                                                     ? "the file does not start at a 16-byte aligned address"
                                                     : "an EDL1 payload is not 16-byte aligned in the file");
  }
  payload->data = bytes + header;
  payload->size = size;
  return {};
}

}  // namespace shrike::format
