// Which instructions the float engine computes with. Its sums are taken in another order with others, so the
// last bits of its results differ, and with them now and then a decision of the quantiser.
#pragma once
#include <string>

namespace shrike::engine {

// "LibTorch AVX512, oneDNN 0x3ff": the same text, the same bits. Opens the float module.
std::string float_path();

}  // namespace shrike::engine
