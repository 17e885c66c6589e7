// NumPy's files as tests write them; the header is given as text, so that it may be wrong.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace shrike::tests {

inline std::vector<uint8_t> npy(const std::string& descr, const std::string& shape,
                                const std::vector<uint8_t>& data, const char* order = "False") {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::vector<uint8_t> bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
  bytes.push_back(static_cast<uint8_t>(header.size()));
  bytes.push_back(static_cast<uint8_t>(header.size() >> 8));
  bytes.insert(bytes.end(), header.begin(), header.end());
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

inline std::vector<uint8_t> npy(const std::vector<int64_t>& shape, const std::vector<float>& values) {
  std::string text = "(";
  for (const int64_t dim : shape) text += std::to_string(dim) + ", ";
  std::vector<uint8_t> data(values.size() * sizeof(float));
  std::memcpy(data.data(), values.data(), data.size());
  return npy("<f4", text + ")", data);
}

}  // namespace shrike::tests
