// Prices of the cost model: a chip's own (runtime/chips), or those that `shrike calibrate-cost` found on a
// user's board, in the file that the environment variable SHRIKE_COST names.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "runtime/chips/chip.h"
#include "toolchain/cost/cost_model.h"

namespace shrike::quantize {

inline constexpr const char* kPricesVariable = "SHRIKE_COST";

struct BoardPrices {
  Target target = kDefaultTarget;
  Prices prices = {};
  std::string origin;  // the log they were fitted to
};
BoardPrices read_prices(const std::string& path);  // throws Error
void write_prices(const std::string& path, const BoardPrices& prices);

// Null for a chip without any. Throws Error when SHRIKE_COST names a file that can't be read.
const Prices* prices_of(Target target);
// Whose time it is: "ESP-DL 3.3, one core, from Espressif's published timings", or the file with the prices.
std::string price_source(Target target);

double milliseconds(const Work& work, const Prices& prices);

// One node with its time on a board.
struct Measured {
  Work work;
  double milliseconds = 0;
};
// The prices that fit best, none below zero: squared errors divided by the measured time are least. A term
// that no node has keeps its price in `start`.
Prices fit_prices(const std::vector<Measured>& nodes, const Prices& start);

}  // namespace shrike::quantize
