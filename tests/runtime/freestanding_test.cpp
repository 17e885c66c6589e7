// The device floor's rules: no heap, no exceptions, no standard library; checked on the sources and on the
// library.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
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

// Comments and literals may say anything.
std::string code_only(const std::string& source) {
  std::string code;
  for (size_t i = 0; i < source.size();) {
    if (source.compare(i, 2, "//") == 0) {
      i = std::min(source.find('\n', i), source.size());
    } else if (source.compare(i, 2, "/*") == 0) {
      i = source.find("*/", i) + 2;
    } else if (source[i] == '"') {
      for (++i; i < source.size() && source[i] != '"'; ++i) i += source[i] == '\\';
      ++i;
    } else {
      code += source[i++];
    }
  }
  return code;
}

// Identifiers and single punctuation characters.
std::vector<std::string> tokens(const std::string& code) {
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  std::vector<std::string> result;
  for (size_t i = 0; i < code.size();) {
    size_t end = i + 1;
    while (is_word(code[i]) && end < code.size() && is_word(code[end])) ++end;
    if (std::isspace(static_cast<unsigned char>(code[i])) == 0) result.push_back(code.substr(i, end - i));
    i = end;
  }
  return result;
}

// The first use of something that the device floor does not have, or "".
std::string forbidden_use(const std::string& source) {
  static const std::set<std::string> words = {
      "new",    "throw", "try",    "catch",   "dynamic_cast", "typeid",   "malloc",
      "calloc", "free",  "printf", "fprintf", "snprintf",     "iostream", "thread_local"};
  const std::vector<std::string> list = tokens(code_only(source));
  for (size_t i = 0; i < list.size(); ++i) {
    if (words.contains(list[i])) return list[i];
    if (list[i] == "std" && i + 1 < list.size() && list[i + 1] == ":") return list[i];
    if (list[i] == "delete" && (i == 0 || list[i - 1] != "=")) return list[i];
  }
  return "";
}

std::vector<std::string> system_includes(const std::string& source) {
  std::vector<std::string> names;
  for (size_t at = source.find("#include <"); at != std::string::npos;
       at = source.find("#include <", at + 1)) {
    const size_t begin = at + 10;
    names.push_back(source.substr(begin, source.find('>', begin) - begin));
  }
  return names;
}

TEST(FreestandingTest, TheScannerSeesThroughCommentsOnly) {
  EXPECT_EQ(forbidden_use("// new std::vector\nint renew = 1; /* throw */ char* s = \"free(\\\"\";"), "");
  EXPECT_EQ(forbidden_use("int* p = new int;"), "new");
  EXPECT_EQ(forbidden_use("using T = std::size_t;"), "std");
  EXPECT_EQ(forbidden_use("float std = options.std;"), "");
  EXPECT_EQ(forbidden_use("A(const A&) = delete;"), "");
  EXPECT_EQ(forbidden_use("delete p;"), "delete");
}

TEST(FreestandingTest, OnlyFourCHeadersAreIncluded) {
  const std::set<std::string> allowed = {"stdint.h", "stddef.h", "string.h", "math.h"};
  // Vectors, and which of them this machine has.
  const std::set<std::string> allowed_in_kernels = {"immintrin.h",    "cpuid.h",     "arm_neon.h",
                                                    "wasm_simd128.h", "asm/hwcap.h", "sys/auxv.h"};
  ASSERT_GT(runtime_sources().size(), 40u);
  for (const std::string& path : runtime_sources()) {
    const bool kernel = path.find("/kernels/") != std::string::npos;
    for (const std::string& name : system_includes(read_text(path))) {
      EXPECT_TRUE(allowed.contains(name) || (kernel && allowed_in_kernels.contains(name)))
          << path << " includes <" << name << ">";
    }
  }
}

TEST(FreestandingTest, NoHeapNoExceptionsNoStandardLibrary) {
  for (const std::string& path : runtime_sources()) EXPECT_EQ(forbidden_use(read_text(path)), "") << path;
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
