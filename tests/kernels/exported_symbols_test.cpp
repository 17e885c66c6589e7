// Files compiled for an instruction set that not every machine has: what they offer to the linker is only
// their kernels. A shared inline function compiled there could otherwise stand in for everybody's and end a
// program on an older machine with an illegal instruction.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>

namespace shrike::tests {
namespace {

std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = popen(("(" + command + ") 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), got);
  EXPECT_EQ(pclose(pipe), 0) << command << "\n" << output;
  return output;
}

TEST(ExportedSymbols, KernelsOfOneInstructionSetOfferNothingElse) {
  std::ifstream file(SHRIKE_BUILD_DIR "/compile_commands.json");
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "sanitizers add symbols of their own";
#endif
  if (!file) GTEST_SKIP() << "the build wrote no compile_commands.json";
  const std::string object =
      (std::filesystem::temp_directory_path() / ("shrike_symbols_" + std::to_string(getpid()) + ".o"))
          .string();
  int checked = 0;
  for (const nlohmann::json& entry : nlohmann::json::parse(file)) {
    const std::string source = entry.at("file"), command = entry.at("command");
    std::smatch folder;
    const bool special = std::regex_search(source, folder, std::regex("/runtime/kernels/x86_(\\w+)/")) &&
                         command.find("shrike_runtime.dir") != std::string::npos;
    if (!special) continue;
    const std::string isa = folder[1];  // also the namespace
    for (const char* level : {"-O0", "-O3"}) {
      const std::string changed = std::regex_replace(
          std::regex_replace(command, std::regex(" -o \\S+"), " -o " + object), std::regex(" -O[0-3sg]"), "");
      output_of("cd " + entry.at("directory").get<std::string>() + " && " + changed + " " + level);
      std::istringstream symbols(output_of("nm -C " + object));
      for (std::string line; std::getline(symbols, line);) {
        const bool weak = line.find(" W ") != std::string::npos || line.find(" V ") != std::string::npos ||
                          line.find(" u ") != std::string::npos;
        EXPECT_FALSE(weak) << source << " " << level << ": " << line;
        const bool exported = line.find(" T ") != std::string::npos;
        if (!exported) continue;
        EXPECT_NE(line.find(" shrike::" + isa + "::"), std::string::npos)
            << source << " " << level << ": " << line;
      }
      ++checked;
    }
  }
  std::filesystem::remove(object);
#if defined(__x86_64__)
  EXPECT_GT(checked, 10);
#endif
}

}  // namespace
}  // namespace shrike::tests
