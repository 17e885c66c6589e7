// The choice of kernels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

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

TEST(Select, BuiltTablesHaveNamesOfTheirOwnAndHoldTheAvailableOnesInOrder) {
  std::vector<std::string> names;
  int available = 0;
  for (int i = 0; const KernelSet* kernels = built_kernels(i); ++i) {
    names.push_back(kernels->isa);
    if (kernels == available_kernels(available)) ++available;
  }
  EXPECT_EQ(available_kernels(available), nullptr);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
#if defined(__x86_64__)
  // AVX-512 with VNNI but without VBMI (Cascade Lake) and AVX-VNNI without AVX-512 (Alder Lake) have their
  // own.
  EXPECT_THAT(names,
              ::testing::IsSupersetOf({"portable", "pairs", "avx2", "avxvnni", "avx512vnni", "avx512vbmi"}));
#endif
}

#if defined(__x86_64__)
// What a table may need is what its name says; a machine without VBMI must not fall back to AVX2.
TEST(Select, OnlyTheLookUpNeedsVbmi) {
  const KernelSet *vnni = nullptr, *vbmi = nullptr, *avx2 = nullptr;
  for (int i = 0; const KernelSet* kernels = built_kernels(i); ++i) {
    if (std::string(kernels->isa) == "avx512vnni") vnni = kernels;
    if (std::string(kernels->isa) == "avx512vbmi") vbmi = kernels;
    if (std::string(kernels->isa) == "avx2") avx2 = kernels;
  }
  ASSERT_TRUE(vnni != nullptr && vbmi != nullptr && avx2 != nullptr);
  EXPECT_EQ(vnni->conv8.run, vbmi->conv8.run);
  EXPECT_NE(vnni->conv8.run, avx2->conv8.run);
  EXPECT_EQ(vnni->depthwise8.run, vbmi->depthwise8.run);
  EXPECT_NE(vnni->depthwise8.run, avx2->depthwise8.run);
  EXPECT_NE(vnni->lookup8, avx2->lookup8);
  EXPECT_NE(vbmi->lookup8, vnni->lookup8);
}
#endif

TEST(Select, UnknownNamesGiveNothing) {
  EXPECT_EQ(kernels_by_name("sparc"), nullptr);
  EXPECT_EQ(kernels_by_name(""), nullptr);
}

}  // namespace
}  // namespace shrike::tests
