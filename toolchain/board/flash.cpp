#include "toolchain/board/flash.h"

#include "toolchain/support/error.h"
#include "toolchain/support/format.h"

namespace shrike::board {
namespace {

constexpr uint64_t kFirst = 0x10000;  // offset of the first program partition, and the step of such offsets
constexpr uint64_t kCode = 2000 * kKib;  // of a program with ESP-DL, as Espressif's examples take
constexpr uint64_t kCameraCode = kMib;

uint64_t up(uint64_t bytes) {
  return (bytes + kFirst - 1) / kFirst * kFirst;
}

}  // namespace

Flash plan_flash(const Facts& facts, const ProjectOptions& options, uint64_t picture_bytes) {
  const uint64_t available = static_cast<uint64_t>(options.board->flash_mib) * kMib - kFirst;
  const uint64_t code = kCode + picture_bytes + (options.camera ? kCameraCode : 0);
  const uint64_t file = facts.file.size();
  Flash flash;
  Location location = options.location;
  if (location == Location::kAuto)
    location = up(code + file) + 3 * kFirst <= available ? Location::kProgram : Location::kPartition;
  flash.program_bytes = up(location == Location::kProgram ? code + file : code);
  // The whole partition is mapped when the model is loaded, so it is no larger than the file needs.
  if (location == Location::kPartition) flash.model_bytes = up(file);
  const uint64_t needed = flash.program_bytes + flash.model_bytes;
  if (needed > available) {
    fail(
        "'{}' and the program need {} bytes of flash, board '{}' has {} for them: {} are missing; take a "
        "smaller "
        "network or a board with more flash",
        facts.path, needed, options.board->name, available, needed - available);
  }
  return flash;
}

std::string partitions_text(const Flash& flash) {
  std::string text = "# Name,  Type, SubType, Offset,  Size\n";
  text += fmt::format("factory, app,  factory, 0x10000, {}K\n", flash.program_bytes / kKib);
  if (flash.model_bytes > 0)
    text += fmt::format("model,   data, spiffs,  ,        {}K\n", flash.model_bytes / kKib);
  return text;
}

}  // namespace shrike::board
