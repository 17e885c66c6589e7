// NumPy's .npy files: one array each.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace shrike::data {

struct NpyArray {
  std::vector<int64_t> shape;  // empty: one number
  std::vector<float> values;   // last axis fastest, whatever the file's order
};

// Versions 1 to 3; whole numbers of 8 to 64 bits, bool and floats of 16, 32, 64 bits, little-endian. At most
// 2^28 elements. Throws Error naming the file and what was expected.
NpyArray load_npy(const std::string& path);
NpyArray parse_npy(const std::vector<uint8_t>& bytes, const std::string& name);

}  // namespace shrike::data
