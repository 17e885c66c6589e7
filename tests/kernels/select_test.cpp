// The choice of kernels.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/kernels.h"

namespace shrike::tests {
namespace {

TEST(Select, PortableComesFirstAndTheBestVectorsLast) {
  ASSERT_NE(available_kernels(0), nullptr);
  EXPECT_STREQ(available_kernels(0)->isa, "portable");
  int count = 1;
  while (available_kernels(count) != nullptr) ++count;
  const bool vectors = count > 2;  // behind portable and pairs
  EXPECT_EQ(best_kernels(), available_kernels(vectors ? count - 1 : 0));
}

TEST(Select, EveryAvailableTableIsCompleteAndFoundByName) {
  for (int i = 0; const KernelSet* kernels = available_kernels(i); ++i) {
    EXPECT_EQ(kernels_by_name(kernels->isa), kernels);
    for (const Conv8Kernel* conv : {&kernels->conv8, &kernels->depthwise8}) {
      EXPECT_NE(conv->name, nullptr);
      EXPECT_NE(conv->packed_bytes, nullptr);
      EXPECT_NE(conv->pack, nullptr);
      EXPECT_NE(conv->scratch_bytes, nullptr);
      EXPECT_NE(conv->run, nullptr);
    }
    EXPECT_NE(kernels->conv16.name, nullptr);
    EXPECT_NE(kernels->conv16.packed_bytes, nullptr);
    EXPECT_NE(kernels->conv16.pack, nullptr);
    EXPECT_NE(kernels->conv16.scratch_bytes, nullptr);
    EXPECT_NE(kernels->conv16.run, nullptr);
    EXPECT_NE(kernels->lookup8, nullptr);
    EXPECT_NE(kernels->add8, nullptr);
    EXPECT_NE(kernels->mul8, nullptr);
    EXPECT_NE(kernels->requantize8, nullptr);
    EXPECT_NE(kernels->quantize8, nullptr);
    EXPECT_NE(kernels->maximum8, nullptr);
    EXPECT_NE(kernels->lanes20, nullptr);
  }
}

TEST(Select, UnknownNamesGiveNothing) {
  EXPECT_EQ(kernels_by_name("sparc"), nullptr);
  EXPECT_EQ(kernels_by_name(""), nullptr);
}

}  // namespace
}  // namespace shrike::tests
