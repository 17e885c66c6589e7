#include "runtime/chips/chip.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"
#include "toolchain/support/format.h"

namespace shrike::host {
namespace {

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
    case StatusCode::kWrongTarget:
      return "leave the target out, or force it";
    default:
      return "";
  }
}

}  // namespace

Target parse_target(const std::string& name) {
  if (const Chip* chip = find_chip(name.c_str())) return chip->target;
  fail("unknown target '{}'; expected {}", name, target_names());
}

std::string target_name(Target target) {
  return chip_of(target).name;
}

std::string target_names() {
  std::vector<std::string> names;
  for (int32_t i = 0; const Chip* chip = chip_at(i); ++i) {
    std::string name = chip->name;
    for (const char* const* alias = chip->aliases; *alias != nullptr; ++alias)
      name += fmt::format("{}{}", alias == chip->aliases ? " (also " : ", ", *alias);
    names.push_back(name + (*chip->aliases == nullptr ? "" : ")"));
  }
  const std::string last = names.back();
  names.pop_back();
  return fmt::format("{} or {}", fmt::join(names, ", "), last);
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
