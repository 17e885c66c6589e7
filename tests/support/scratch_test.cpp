#include "toolchain/system/scratch.h"
#include "tests/own_temporary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/temporary_folder.h"
#include "toolchain/support/error.h"

namespace shrike {
namespace {

TEST(Scratch, GivesBackWhatWasWrittenInAnyOrder) {
  Scratch scratch;
  const std::vector<float> first = {1, -2, 0.5f}, second = {3};
  const auto at_first = scratch.write(first), at_second = scratch.write(second);
  ASSERT_TRUE(at_first && at_second);
  EXPECT_EQ(scratch.read(*at_second, 1), second);
  EXPECT_EQ(scratch.read(*at_first, 3), first);
  EXPECT_THAT(scratch.read(*at_first + 4, 2), testing::ElementsAre(-2, 0.5f));
  EXPECT_THROW(scratch.read(*at_second, 2), Error) << "behind the end";
}

TEST(Scratch, LeavesNoFileBehind) {
  const std::filesystem::path folder = tests::own_temporary("scratch");
  std::filesystem::create_directory(folder);
  {
    const tests::TemporaryFolder temporary(folder.string());
    Scratch scratch;
    ASSERT_TRUE(scratch.write(std::vector<float>{1}));
    EXPECT_TRUE(std::filesystem::is_empty(folder)) << "the file has no name";
  }
  std::filesystem::remove(folder);
}

TEST(Scratch, WithoutAFolderTakesNothing) {
  const tests::TemporaryFolder temporary("/no/such/folder");
  Scratch scratch;
  EXPECT_FALSE(scratch.write(std::vector<float>{1}));
}

}  // namespace
}  // namespace shrike
