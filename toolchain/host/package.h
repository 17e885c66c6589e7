// Packages: several .espdl models in one file (spec/espdl-format.md section 1.3).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace shrike::host {

bool is_package(const std::vector<uint8_t>& bytes);

// The bytes of one model, beginning with its own header. `bytes` of a file that is no package are that model;
// a package of several needs `model`, the exact name of one. The model itself is not looked at. Throws Error
// naming `file`: damaged, no model of that name, a name without a package.
std::vector<uint8_t> select_model(std::vector<uint8_t> bytes, const std::string& file,
                                  const std::string& model);

// The same from a path.
std::vector<uint8_t> read_model_file(const std::string& path, const std::string& model);

}  // namespace shrike::host
