// Transposes of a lowered program that meet are merged (spec/espdl-format.md section 5.2).
#pragma once
#include "toolchain/espdl/writer.h"

namespace shrike::espdl {

// Transpose behind Transpose is one; an element-wise node between two of them is worked off before the first;
// those that change nothing disappear; what nobody reads is removed, parameters included. Graph outputs keep
// their names.
void merge_transposes(Program& program);

}  // namespace shrike::espdl
