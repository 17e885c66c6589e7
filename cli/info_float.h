// `shrike info` of a float model.
#pragma once
#include <string>

namespace shrike::cli {

enum class FloatForm { kText, kJson, kCsv };

// Prints the graph as it was read and what `quantize` would make of it. Sizes that the file leaves open and
// operators that nobody knows are no reason to refuse: what follows from them is printed as unknown. Throws
// Error for a file that cannot be read.
void print_float_model(const std::string& path, FloatForm form);

}  // namespace shrike::cli
