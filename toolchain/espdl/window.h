// Explicit windows of convolutions and pools: what ONNX leaves to defaults, auto_pad and ceil_mode, spelled
// out.
#pragma once
#include <cstdint>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::espdl {

struct Window {
  std::vector<int64_t> kernel, strides, dilations;  // one entry per spatial axis
  std::vector<int64_t> pads;                        // begins, then ends
};

// `input` and `output` are logical shapes [N, C, spatial...]. With ceil_mode the end pads grow until the
// floor division that the chip uses gives the same output size.
Window window_of(const graph::Node& node, const graph::Shape& input, const graph::Shape& output,
                 const std::vector<int64_t>& kernel);

}  // namespace shrike::espdl
