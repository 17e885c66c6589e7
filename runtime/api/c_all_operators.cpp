// In a file of its own, so that only who names it links every operator.
#include "shrike/operators.h"
#include "shrike/shrike.h"

extern const shrike_operator_set* const shrike_all_operators =
    reinterpret_cast<const shrike_operator_set*>(&shrike::kAllOperators);
