// Where the shared models, images and golden vectors are. Tests that need them skip with a message when they
// are missing, unless SHRIKE_REQUIRE_SHARED is set (continuous integration): then they fail.
#pragma once
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace shrike::tests {

inline std::string shared_root() {
  if (const char* path = std::getenv("SHRIKE_SHARED")) return path;
  return std::string(SHRIKE_SOURCE_DIR) + "/../shared";
}

inline bool has_shared(const std::string& relative) {
  return std::filesystem::exists(shared_root() + "/" + relative);
}

}  // namespace shrike::tests

// Skips (or, in continuous integration, fails) the test unless `relative` exists under the shared folder.
#define SHRIKE_NEEDS_SHARED(relative)                                                             \
  do {                                                                                            \
    if (!::shrike::tests::has_shared(relative)) {                                                 \
      if (std::getenv("SHRIKE_REQUIRE_SHARED") != nullptr) {                                      \
        FAIL() << "shared data missing: " << ::shrike::tests::shared_root() << "/" << (relative); \
      }                                                                                           \
      GTEST_SKIP() << "needs " << ::shrike::tests::shared_root() << "/" << (relative)             \
                   << " (set SHRIKE_SHARED to the folder that holds it)";                         \
    }                                                                                             \
  } while (0)
