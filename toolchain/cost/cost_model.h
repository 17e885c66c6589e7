// Milliseconds that an integer model takes on a chip that runs it with ESP-DL, node by node.
//
// No chip is asked: six terms a node, each with one constant a chip, fitted to what Espressif publishes
// (spec/runtime-and-vision.md, Tables 1 and 3): whole networks whose files are published (nine on esp32p4,
// five on esp32s3) and six single kernels a chip. Relative errors were squared and added, kernels at a
// quarter of a network's weight, constants kept from going negative. On the networks the fit is off by at
// most 14 % (root mean square 7 %) on esp32p4 and by at most 7 % (4 %) on esp32s3; single kernels, timed with
// cold caches, it misses by 10 to 40 % on esp32p4, always below, and by up to 23 % on esp32s3. So totals are
// good to about a tenth, ratios of two variants of one network to better, and one node's figure only to tell
// large from small.
//
// Only 8-bit networks are published with their files. What 16 bit costs rests on one ratio, the text
// recogniser's 2.27 (Table 1), applied to arithmetic; its bytes are counted as they are.
#pragma once
#include <optional>
#include <vector>

#include "shrike/inspect.h"

namespace shrike::quantize {

// Whose times these are: the library that Espressif timed, with its vector code.
inline constexpr const char* kPricedLibrary = "ESP-DL 3.3";

// What one node asks of the chip. Arithmetic counts 2.27-fold at 16 bit.
struct Work {
  double macs = 0;  // dense, channels rounded up to the 16 lanes of a vector
  double streamed_macs =
      0;  // the share of them whose weights have left the data cache when they are read again
  double depthwise_macs = 0;  // channels rounded up likewise
  double moved_bytes = 0;     // activations read and written once
  double spilled_bytes = 0;   // what of that exceeds esp32p4's second-level cache
  double calls = 0;           // 1; 0 for nodes that leave the data where it is
};

// One convolution of `bits` bits, for kernels that belong to no file. `taps` is kernel height times width.
struct Convolution {
  double in_channels = 0, out_channels = 0, taps = 1;
  double in_pixels = 0, out_pixels = 0;
  int bits = 8;
};
// Of a Conv in a file.
bool is_depthwise(const InspectableModel& model, int32_t node);
// `target` is one with a cost model, here and below.
Work dense_work(const Convolution& convolution, Target target);
Work depthwise_work(const Convolution& convolution);  // in_channels channels
Work moving_work(double bytes);                       // read and written, nothing computed

Work node_work(const InspectableModel& model, int32_t node, Target target);

// Only for chips with published timings, whose rows in runtime/chips have prices.
bool has_cost_model(Target target);
double milliseconds(const Work& work, Target target);

struct Latency {
  std::vector<double> nodes;  // milliseconds, in file order
  double milliseconds = 0;
};
// Nothing for a target without a cost model.
std::optional<Latency> estimate_latency(const InspectableModel& model, Target target);

}  // namespace shrike::quantize
