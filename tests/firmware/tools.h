// The tools that build and run bare-metal programs.
#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>

namespace shrike::tests {

// Kept between runs: building the runtime takes longest.
inline const std::string kBuild =
    std::filesystem::path(SHRIKE_PROGRAM).parent_path().parent_path().string() + "/firmware-test";

struct Finished {
  int status;
  std::string output;
};

inline Finished run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "popen failed"};
  Finished finished{};
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) finished.output.append(buffer, got);
  const int status = pclose(pipe);
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return finished;
}

inline bool has_tools() {
  return run("command -v qemu-system-riscv32").status == 0 &&
         run("command -v riscv64-unknown-elf-g++").status == 0;
}

}  // namespace shrike::tests

#define SHRIKE_NEEDS_TOOLS() \
  if (!::shrike::tests::has_tools()) GTEST_SKIP() << "needs gcc-riscv64-unknown-elf and qemu-system-misc"
