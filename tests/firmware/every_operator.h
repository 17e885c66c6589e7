// One file with every operator that the runtime registers, each on inputs of its own.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace shrike::tests {

// The runtime's table of operators.
std::set<std::string> registered_operators();
// An `.espdl` file for esp32p4 with test inputs, and as test outputs what this machine computes.
std::vector<uint8_t> every_operator_file();

}  // namespace shrike::tests
