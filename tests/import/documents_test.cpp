// docs/models.md lists what the readers know: no more and no less.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "toolchain/import/pt/import.h"
#include "toolchain/import/tflite/import.h"

namespace shrike::graph {
namespace {

// The names behind the heading, up to the blank line, whatever the line breaks.
std::string listed(const std::string& heading) {
  std::ifstream file(std::string(SHRIKE_SOURCE_DIR) + "/docs/models.md");
  std::string line, text;
  while (std::getline(file, line) && line != heading) {
  }
  std::getline(file, line);
  while (std::getline(file, line) && !line.empty()) text += (text.empty() ? "" : " ") + line;
  return text;
}

std::string list(const std::vector<std::string>& names) {
  return fmt::format("{}.", fmt::join(names, ", "));
}

TEST(Documents, ListTheClassesOfCheckpoints) {
  EXPECT_EQ(listed("### Layers of `.pt` files"), list(checkpoint_classes()));
  EXPECT_EQ(listed("### Heads of `.pt` files"), list(checkpoint_heads()));
}

TEST(Documents, ListTheOperatorsOfTfliteFiles) {
  EXPECT_EQ(listed("### Operators of `.tflite` files"), list(tflite_operators()));
}

}  // namespace
}  // namespace shrike::graph
