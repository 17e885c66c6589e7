// The device floor's rules: no heap, no exceptions, no standard library; checked on the sources and on the
// library.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

std::vector<std::string> runtime_sources() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::string(SHRIKE_SOURCE_DIR) + "/runtime")) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".cpp" || extension == ".h") paths.push_back(entry.path().string());
  }
  return paths;
}

// Comments and string literals may say anything.
std::string code_only(const std::string& source) {
  static const std::regex noise(R"(//[^\n]*|/\*[^]*?\*/|"(\\.|[^"\\\n])*")");
  return std::regex_replace(source, noise, "");
}

TEST(FreestandingTest, OnlyFourCHeadersAreIncluded) {
  const std::set<std::string> allowed = {"stdint.h", "stddef.h", "string.h", "math.h"};
  const std::regex include(R"(#\s*include\s*<([^>]+)>)");
  ASSERT_GT(runtime_sources().size(), 40u);
  for (const std::string& path : runtime_sources()) {
    const std::string source = read_text(path);
    const bool x86 = path.find("/kernels/") != std::string::npos;
    for (std::sregex_iterator match(source.begin(), source.end(), include), end; match != end; ++match) {
      const std::string name = (*match)[1];
      EXPECT_TRUE(allowed.contains(name) || (x86 && (name == "immintrin.h" || name == "cpuid.h")))
          << path << " includes <" << name << ">";
    }
  }
}

TEST(FreestandingTest, NoHeapNoExceptionsNoStandardLibrary) {
  const std::regex forbidden(
      R"(\bstd::|\bnew\s+[A-Za-z(]|\bdelete\b(?!\s*;)|\bthrow\b|\btry\s*\{|\bdynamic_cast\b|\btypeid\b|\bmalloc\s*\(|\bfree\s*\(|\bprintf\s*\()");
  for (const std::string& path : runtime_sources()) {
    const std::string code = code_only(read_text(path));
    std::smatch match;
    EXPECT_FALSE(std::regex_search(code, match, forbidden)) << path << " uses '" << match.str() << "'";
  }
}

TEST(FreestandingTest, TheLibraryAsksForNoAllocatorOrUnwinder) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "sanitizers add symbols of their own";
#endif
  const std::string library = std::filesystem::path(SHRIKE_PROGRAM).parent_path().parent_path().string() +
                              "/runtime/libshrike_runtime.a";
  ASSERT_TRUE(std::filesystem::exists(library)) << library;
  FILE* symbols = popen(("nm -u '" + library + "' 2>/dev/null").c_str(), "r");
  ASSERT_NE(symbols, nullptr);
  const std::set<std::string> forbidden = {"malloc",
                                           "calloc",
                                           "realloc",
                                           "free",
                                           "_Znwm",
                                           "_Znam",
                                           "_ZdlPv",
                                           "_ZdlPvm",
                                           "_ZdaPv",
                                           "printf",
                                           "fprintf",
                                           "snprintf",
                                           "abort",
                                           "_Unwind_Resume",
                                           "__gxx_personality_v0",
                                           "__cxa_throw",
                                           "__cxa_guard_acquire",
                                           "__cxa_atexit"};
  char line[1024];
  int seen = 0;
  while (fgets(line, sizeof line, symbols) != nullptr) {
    std::string name(line);
    while (!name.empty() && (name.back() == '\n' || name.back() == ' ')) name.pop_back();
    const size_t space = name.rfind(' ');
    if (space != std::string::npos) name = name.substr(space + 1);
    EXPECT_FALSE(forbidden.contains(name)) << "undefined symbol " << name;
    ++seen;
  }
  pclose(symbols);
  EXPECT_GT(seen, 50);
}

}  // namespace
}  // namespace shrike::tests
