// The table for programs that name none.
#include "kernels/kernels.h"

namespace shrike {

const KernelSet* const kLinkedKernels = &kPortableKernels;

}  // namespace shrike
