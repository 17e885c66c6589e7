// The manual page and bash's completion say what `--help` says.
#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "tests/cli/program.h"

namespace shrike::tests {
namespace {

using testing::HasSubstr;

std::vector<std::string> commands() {
  const std::string help = run({"--help"}).out;
  std::vector<std::string> names;
  const std::regex line("\n  ([a-z-]+)  +[A-Z]");
  const std::string list = help.substr(help.find("Subcommands"));
  for (std::sregex_iterator match(list.begin(), list.end(), line), end; match != end; ++match)
    names.push_back((*match)[1]);
  return names;
}

std::set<std::string> long_options(const std::string& text) {
  std::set<std::string> options;
  const std::regex option("\n *(?:-[a-z],)?(--[a-z0-9-]+)");
  for (std::sregex_iterator match(text.begin(), text.end(), option), end; match != end; ++match)
    options.insert((*match)[1]);
  return options;
}

std::string without_troff(const std::string& page) {
  return std::regex_replace(std::regex_replace(page, std::regex("\\\\-"), "-"), std::regex("\\\\f[BIR]"), "");
}

TEST(ManualPage, HasEveryCommandAndOptionOfTheHelp) {
  const std::string page = without_troff(run({"--manual-page"}).out);
  EXPECT_GT(commands().size(), 12u);
  for (const std::string& command : commands()) {
    EXPECT_THAT(page, HasSubstr("\n.SS \"" + command)) << command;
    for (const std::string& option : long_options(run({command, "--help"}).out)) {
      if (option == "--help") continue;
      EXPECT_THAT(page, HasSubstr(option)) << command;
    }
  }
}

TEST(ManualPage, IsReadWithoutAWarning) {
  if (run_program({"groff", {"--version"}, {}}).status != 0) GTEST_SKIP() << "groff is not installed";
  const Finished shown = run_program(
      {"bash", {"-c", std::string(SHRIKE_PROGRAM) + " --manual-page | groff -man -ww -Tutf8 -b"}, {}});
  EXPECT_EQ(shown.status, 0);
  EXPECT_EQ(shown.err, "");
  EXPECT_THAT(shown.out, HasSubstr("Exit status: 0 done"));
}

// What bash offers behind the words; the last one is being typed.
std::string offered(const std::string& words, int count) {
  const std::string script = "source <(" + std::string(SHRIKE_PROGRAM) + " --bash-completion); COMP_WORDS=(" +
                             words + "); COMP_CWORD=" + std::to_string(count - 1) +
                             "; _shrike; echo ${COMPREPLY[*]}";
  const Finished finished = run_program({"bash", {"-c", script}, {}});
  EXPECT_EQ(finished.err, "");
  return finished.out;
}

TEST(BashCompletion, OffersCommandsOptionsAndValues) {
  EXPECT_EQ(offered("shrike qua", 2), "quantize\n");
  EXPECT_EQ(offered("shrike --ver", 2), "--version\n");
  EXPECT_EQ(offered("shrike quantize m.onnx --cali", 4).substr(0, 7), "--calib");
  EXPECT_EQ(offered("shrike run x.espdl --accumulators w", 5), "wide\n");
  EXPECT_EQ(offered("shrike info " + std::string(SHRIKE_SOURCE_DIR) + "/LICEN", 3),
            std::string(SHRIKE_SOURCE_DIR) + "/LICENSE\n");
}

}  // namespace
}  // namespace shrike::tests
