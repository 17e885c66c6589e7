#include "toolchain/cost/own_runtime.h"

#include "runtime/chips/chip.h"
#include "toolchain/cost/cost_model.h"

namespace shrike::quantize {
namespace {

// Instructions, from the tables of bench/firmware.md for YOLO11n at 320x320.
constexpr double kMac = 2.06;          // of dense convolutions, one multiply-add
constexpr double kDepthwiseMac = 7.5;  // of depthwise ones
constexpr double kElement = 8.2;       // that a layer without weights writes

}  // namespace

std::optional<OwnRuntime> estimate_own_runtime(const InspectableModel& model, Target target) {
  const int32_t megahertz = chip_of(target).counted_megahertz;
  if (megahertz == 0) return std::nullopt;
  OwnRuntime own;
  for (int32_t node = 0; node < model.node_count(); ++node) {
    const auto macs = static_cast<double>(model.node_macs(node));
    if (macs > 0) {
      const bool depthwise = model.node_type(node) == "Conv" && is_depthwise(model, node);
      own.instructions += macs * (depthwise ? kDepthwiseMac : kMac);
      continue;
    }
    for (int32_t i = 0; i < model.node_output_count(node); ++i)
      own.instructions += kElement * static_cast<double>(model.node_output(node, i).shape.elements());
  }
  own.milliseconds = own.instructions / megahertz / 1e3;
  return own;
}

}  // namespace shrike::quantize
