#include <algorithm>
#include <utility>

#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"
#include "toolchain/support/format.h"

namespace shrike::host {
namespace {

struct TargetName {
  const char* name;
  Target target;
};

// The first name of each target is the one we print. Classes: spec/numerics.md section 1.1.
constexpr TargetName kTargets[] = {
    {"esp32p4", Target::kEsp32p4},  {"esp32s3", Target::kEsp32s3}, {"esp32", Target::kEsp32},
    {"esp32s31", Target::kEsp32p4}, {"esp32s2", Target::kEsp32},   {"esp32c2", Target::kEsp32},
    {"esp32c3", Target::kEsp32},    {"esp32c5", Target::kEsp32},   {"esp32c6", Target::kEsp32},
    {"c", Target::kEsp32},
};

const char* advice(StatusCode code) {
  switch (code) {
    case StatusCode::kTruncated:
      return "the file was cut short: copy or export it again";
    case StatusCode::kBadMagic:
      return "give a single-model .espdl file";
    case StatusCode::kEncrypted:
      return "decrypt it first";
    case StatusCode::kCorrupt:
      return "the file is damaged: copy or export it again";
    case StatusCode::kUnsupportedOperator:
      return "this runtime does not have the operator";
    case StatusCode::kUnsupportedType:
      return "the operator exists, but not for this data type";
    case StatusCode::kBadAttribute:
    case StatusCode::kBadShape:
    case StatusCode::kBadExponent:
    case StatusCode::kUnknownTensor:
    case StatusCode::kDuplicateTensor:
      return "export the model again, and check that --target is the one it was made for";
    default:
      return "";
  }
}

}  // namespace

Target parse_target(const std::string& name) {
  for (const TargetName& entry : kTargets) {
    if (name == entry.name) return entry.target;
  }
  fail("unknown target '{}'; expected esp32p4, esp32s3 or esp32", name);
}

std::string target_name(Target target) {
  return std::find_if(std::begin(kTargets), std::end(kTargets),
                      [&](const TargetName& entry) { return entry.target == target; })
      ->name;
}

std::string describe(const Status& status, const std::string& file, const std::string& node_name) {
  std::string text = fmt::format("cannot use '{}': ", file);
  if (status.node >= 0) {
    text += node_name.empty() ? fmt::format("node {}: ", status.node)
                              : fmt::format("node {} '{}': ", status.node, node_name);
  }
  text += status.detail;
  if (status.offset > 0) text += fmt::format(" (byte {})", status.offset);
  if (status.code == StatusCode::kArenaTooSmall) {
    text += fmt::format("; it needs at least {}", format_bytes(status.needed));
  }
  const char* hint = advice(status.code);
  if (*hint != '\0') text += fmt::format("; {}", hint);
  return text;
}

}  // namespace shrike::host
