// The choice of kernels as a machine for which there are no vectors compiles it.
#include <gtest/gtest.h>

#include "kernels/kernels.h"

#undef __x86_64__
#undef __aarch64__
#define kernels_by_name kernels_by_name_elsewhere
#define available_kernels available_kernels_elsewhere
#define best_kernels best_kernels_elsewhere
#define built_kernels built_kernels_elsewhere
#include "kernels/select.cpp"

namespace shrike {
namespace {

// "pairs" is for 32-bit cores without vectors; 64-bit ones run the portable loops faster.
TEST(Select, OtherHostsPreferThePortableKernels) {
  ASSERT_EQ(sizeof(void*), 8u);
  EXPECT_STREQ(best_kernels_elsewhere()->isa, "portable");
  EXPECT_STREQ(available_kernels_elsewhere(1)->isa, "pairs");
  EXPECT_EQ(available_kernels_elsewhere(2), nullptr);
}

}  // namespace
}  // namespace shrike
