// The operators that a model needs, as a source file for firmware that is to link no others
// (shrike/operators.h).
#pragma once
#include <string>

#include "shrike/inspect.h"

namespace shrike::host {

// "op_average_pool" for "AveragePool": the C++ name of an operator's definition.
std::string operator_symbol(const std::string& type);
// Defines the set kModelOperators.
std::string op_set_source(const InspectableModel& model);

}  // namespace shrike::host
