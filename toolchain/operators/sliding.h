// Shape arithmetic of sliding windows, for convolutions and pools.
#pragma once
#include "toolchain/graph/inference.h"

namespace shrike::operators {

inline constexpr int64_t kLargestWindow = 1 << 20;  // keeps products of damaged attributes inside 64 bits

// An input with at least one axis behind batch and channels, or an Error.
void need_spatial(const graph::RuleContext& context);
// `count` entries from `least` to kLargestWindow, or an Error that says `what` they are.
void check_entries(const graph::RuleContext& context, const std::vector<int64_t>& list, size_t count,
                   int64_t least, const char* what);
// Extent of the dilated window on an axis.
int64_t effective(const graph::Window& window, size_t axis);
// Number of window positions along one axis of `size` elements, ONNX rules.
int64_t positions(const graph::RuleContext& context, const graph::Window& window, size_t axis, int64_t size,
                  int64_t ceil_mode);

}  // namespace shrike::operators
