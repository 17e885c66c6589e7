// Tables stored in the model for 8- and 16-bit activations (spec/numerics.md 8, 9.2;
// spec/espdl-format.md 6.6).
#pragma once
#include "ops/op.h"

namespace shrike {

// The node's 8-bit table after all checks, or null without one.
Status find_table_8(const Prepare& node, const int8_t** table);
// y[i] = table[x[i] + 128], shared out to the workers.
void run_table_8(const Run& node, const int8_t* table);

}  // namespace shrike
