#include "toolchain/system/scratch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/own_temporary.h"
#include "tests/support/temporary_folder.h"

namespace shrike {
namespace {

// What it gives back: tests/support/system_test.cpp.
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
