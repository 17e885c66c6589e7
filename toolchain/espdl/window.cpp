#include "toolchain/espdl/window.h"

#include <algorithm>

#include "toolchain/support/error.h"

namespace shrike::espdl {

Window window_of(const graph::Node& node, const graph::Shape& input, const graph::Shape& output,
                 const std::vector<int64_t>& kernel) {
  const size_t axes = kernel.size();
  if (input.size() != axes + 2 || output.size() != axes + 2 || axes < 1 || axes > 2) {
    fail(
        "node '{}' ({}): input has rank {} and the kernel {} axes; only [N, C, W] and [N, C, H, W] can be "
        "lowered",
        node.name, node.op, input.size(), axes);
  }
  Window window;
  window.kernel = kernel;
  window.strides = node.integers("strides", std::vector<int64_t>(axes, 1));
  window.dilations = node.integers("dilations", std::vector<int64_t>(axes, 1));
  window.pads = node.integers("pads", std::vector<int64_t>(2 * axes, 0));
  if (window.strides.size() != axes || window.dilations.size() != axes || window.pads.size() != 2 * axes) {
    fail("node '{}' ({}): strides, dilations and pads must have {}, {} and {} entries", node.name, node.op,
         axes, axes, 2 * axes);
  }
  for (size_t i = 0; i < axes; ++i) {
    if (kernel[i] < 1 || window.strides[i] < 1 || window.dilations[i] < 1) {
      fail("node '{}' ({}): kernel {}, stride {} and dilation {} must be at least 1", node.name, node.op,
           kernel[i], window.strides[i], window.dilations[i]);
    }
  }
  const std::string auto_pad = node.text("auto_pad", "NOTSET");
  const bool ceil_mode = node.integer("ceil_mode", 0) != 0;
  for (size_t i = 0; i < axes; ++i) {
    const int64_t in = input[i + 2], out = output[i + 2];
    const int64_t extent = window.dilations[i] * (kernel[i] - 1) + 1;
    const int64_t needed =
        (out - 1) * window.strides[i] + extent - in;  // total padding of exactly `out` windows
    if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
      const int64_t total = std::max<int64_t>(0, needed);
      window.pads[i] = auto_pad == "SAME_UPPER" ? total / 2 : (total + 1) / 2;
      window.pads[axes + i] = total - window.pads[i];
    } else if (ceil_mode) {
      window.pads[axes + i] = std::max(window.pads[axes + i], needed - window.pads[i]);
    }
    const int64_t covered = in + window.pads[i] + window.pads[axes + i] - extent;
    if (covered < 0 || covered / window.strides[i] + 1 != out) {
      fail(
          "node '{}' ({}): padding {}+{} of {} elements does not give the {} outputs of its shape; infer the "
          "shapes again",
          node.name, node.op, window.pads[i], window.pads[axes + i], in, out);
    }
  }
  return window;
}

}  // namespace shrike::espdl
