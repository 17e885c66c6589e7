// In a file of its own, so that only who names it links these kernels.
#include "shrike/operators.h"
#include "shrike/shrike.h"

extern const shrike_kernel_set* const shrike_pair_kernels =
    reinterpret_cast<const shrike_kernel_set*>(&shrike::kPairKernels);
