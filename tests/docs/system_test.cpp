// What the operating system is asked for stands in one folder, so that another system is a port of that
// folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace shrike {
namespace {

namespace fs = std::filesystem;

// "file:line" of every header of POSIX or Linux that a folder's sources include. Programs that are written
// for a board stand in strings there, and are none of ours.
std::vector<std::string> system_headers(const fs::path& folder, const fs::path& but) {
  const std::regex include(
      "^ *#include <(sys/.*|netinet/.*|arpa/.*|unistd|fcntl|dlfcn|signal|csignal|poll|"
      "pthread|sched|malloc|dirent|termios|spawn|pwd|grp)(\\.h)?>");
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (!entry.is_regular_file() || path.parent_path() == but ||
        path.filename().string().starts_with("templates"))
      continue;
    std::ifstream file(path);
    int number = 0;
    for (std::string line; std::getline(file, line);) {
      ++number;
      if (std::regex_search(line, include)) found.push_back(path.string() + ":" + std::to_string(number));
    }
  }
  return found;
}

TEST(System, IsAskedInOneFolder) {
  const fs::path root = SHRIKE_SOURCE_DIR;
  EXPECT_THAT(system_headers(root / "toolchain", root / "toolchain/system"), testing::IsEmpty());
  EXPECT_THAT(system_headers(root / "cli", {}), testing::IsEmpty());
  EXPECT_GT(system_headers(root / "toolchain/system", {}).size(), 10u);
}

}  // namespace
}  // namespace shrike
