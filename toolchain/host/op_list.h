// The operators that a model needs, as a source file for firmware: linked before the runtime's op_set.cpp it
// keeps every other operator out of the program (runtime/ops/op.h).
#pragma once
#include <string>

#include "shrike/model.h"

namespace shrike::host {

// "op_average_pool" for "AveragePool": the C++ name of an operator's definition.
std::string operator_symbol(const std::string& type);
std::string op_set_source(const Model& model);

}  // namespace shrike::host
