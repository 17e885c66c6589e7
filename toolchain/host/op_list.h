// The operators that a model needs and the decoder of its head, as a source file for firmware that is to link
// no others (shrike/operators.h, shrike/heads.h).
#pragma once
#include <string>

#include "shrike/inspect.h"

namespace shrike::host {

// "op_average_pool" for "AveragePool": the C++ name of an operator's definition.
std::string operator_symbol(const std::string& type);
// "head_end_to_end" for "end-to-end": the C++ name of a decoder's definition.
std::string decoder_symbol(const std::string& name);
// Defines the sets kModelOperators and kModelHeads.
std::string op_set_source(const InspectableModel& model);

}  // namespace shrike::host
