// What the operating system is asked for stands in one folder, so that another system is a port of that
// folder: posix/ and windows/ in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace shrike {
namespace {

namespace fs = std::filesystem;

// "file:line" of every header of POSIX, Linux or Windows that a folder's sources include, folders inside it
// but those in `but` included. Programs that are written for a board stand in strings there, and are none of
// ours.
std::vector<std::string> system_headers(const fs::path& folder, const std::vector<fs::path>& but) {
  const std::regex include(
      "^ *#include <(sys/.*|netinet/.*|arpa/.*|unistd|fcntl|dlfcn|signal|csignal|poll|"
      "pthread|sched|malloc|dirent|termios|spawn|pwd|grp|windows|io|shellapi|winsock2|process)(\\.h)?>");
  std::vector<std::string> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (!entry.is_regular_file() || path.filename().string().starts_with("templates") ||
        std::find(but.begin(), but.end(), path.parent_path()) != but.end())
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
  const fs::path root = SHRIKE_SOURCE_DIR, system = root / "toolchain/system";
  EXPECT_THAT(system_headers(root / "toolchain", {system / "posix", system / "windows"}), testing::IsEmpty());
  EXPECT_THAT(system_headers(root / "cli", {}), testing::IsEmpty());
  EXPECT_GT(system_headers(system / "posix", {}).size(), 10u);
  EXPECT_GT(system_headers(system / "windows", {}).size(), 5u);
}

TEST(System, HasNoSwitchesOutsideItsHalves) {
  const fs::path root = SHRIKE_SOURCE_DIR;
  const std::regex macro("^ *#.*\\b(_WIN32|__linux__|__unix__|__MINGW32__|__MINGW64__|_MSC_VER)\\b");
  for (const char* folder : {"toolchain", "cli"}) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);)
        EXPECT_FALSE(std::regex_search(line, macro)) << entry.path() << ": " << line;
    }
  }
}

}  // namespace
}  // namespace shrike
