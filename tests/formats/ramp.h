// A small picture for tests that need calibration images but no particular content.
#pragma once
#include <string>

#include "toolchain/data/decode.h"
#include "toolchain/support/files.h"

namespace shrike::tests {

// Writes a 16x16 grey ramp as ramp.png into the folder and returns its path.
inline std::string write_ramp(const std::string& folder) {
  data::Image picture{16, 16, {}};
  for (int i = 0; i < 16 * 16 * 3; ++i) picture.pixels.push_back(static_cast<uint8_t>(i / 3));
  const std::string path = folder + "/ramp.png";
  write_file_atomically(path, data::encode_png(picture));
  return path;
}

}  // namespace shrike::tests
