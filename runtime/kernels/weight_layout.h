// Where a filter's weights are in its storage (spec/espdl-format.md 6.2, 6.3), said once for all kernels.
// Every file gets its own copy (see ops/numeric.h).
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

namespace shrike {
namespace {

// Output channels interleaved in one block: as many elements as 16 bytes hold.
template <typename Weight>
constexpr int32_t kBlockChannels = 16 / static_cast<int32_t>(sizeof(Weight));

// Weight of tap t is element offset + t * stride. Taps count (ky * KW + kx) * C + c, or ky * KW + kx when
// depthwise.
struct ChannelTaps {
  size_t offset;
  size_t stride;
};

constexpr size_t taps_per_channel(const ConvGeometry& g) {
  const size_t area = static_cast<size_t>(g.kernel_h) * static_cast<size_t>(g.kernel_w);
  return g.depthwise ? area : area * static_cast<size_t>(g.in_c);
}

// Channels [0, blocked_channels) are stored in full blocks; the rest follows plainly.
template <typename Weight>
constexpr int32_t blocked_channels(const ConvGeometry& g, WeightLayout layout) {
  return layout == WeightLayout::kPlain ? 0 : g.out_c - g.out_c % kBlockChannels<Weight>;
}

template <typename Weight>
constexpr ChannelTaps channel_taps(const ConvGeometry& g, WeightLayout layout, int32_t channel) {
  constexpr int32_t kBlock = kBlockChannels<Weight>;
  const size_t taps = taps_per_channel(g);
  const int32_t blocked = blocked_channels<Weight>(g, layout);
  if (channel < blocked) {
    return {static_cast<size_t>(channel / kBlock) * taps * kBlock + static_cast<size_t>(channel % kBlock),
            kBlock};
  }
  const size_t start = static_cast<size_t>(blocked) * taps;
  const size_t rest = static_cast<size_t>(channel - blocked);
  if (g.depthwise) return {start + rest, static_cast<size_t>(g.out_c - blocked)};
  return {start + rest * taps, 1};
}

}  // namespace
}  // namespace shrike
