// What a program links of the runtime when it names its operators: its own library and the runtime's in
// either order, as components of a board project are linked.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>

#include "ops/op.h"
#include "shrike/heads.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

// Output of a shell command; fails the test when it does.
std::string output_of(const std::string& command) {
  std::string output;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), got);
  EXPECT_EQ(pclose(pipe), 0) << command << "\n" << output;
  return output;
}

class Link : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "an archive with sanitizers links only with theirs";
#endif
    folder_ = std::filesystem::temp_directory_path() / ("shrike_link_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    std::filesystem::remove_all(folder_);
  }

  std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

  // Puts a program that loads with `operators` and decodes with `heads` into an archive.
  void make_program(const std::string& operators, const std::string& heads = "kModelHeads") {
    write_file_atomically(path("main.cpp"), R"(#include "shrike/detector.h"
static const shrike::Operator* const kUsed[] = {&shrike::op_conv, &shrike::op_concat, &shrike::op_lut};
extern const shrike::OperatorSet kModelOperators = {kUsed, 3};
static const shrike::HeadDecoder* const kDecoders[] = {&shrike::head_detect};
extern const shrike::HeadSet kModelHeads = {kDecoders, 1};
alignas(16) static unsigned char arena[4096];
int main(int, char** arguments) {
  shrike::Model model;
  shrike::ModelOptions options;
  options.operators = &)" + operators + R"(;
  options.kernels = &shrike::kPairKernels;
  shrike::Head head;
  shrike::Detection found[10];
  int count = 0;
  return model.load(arguments[0], 16, arena, sizeof arena, options).ok() && model.run().ok() &&
                 shrike::find_head(model, )" + heads +
                                                R"(, &head).ok() &&
                 shrike::decode_detections(head, {}, {}, arena, sizeof arena, found, &count).ok()
             ? 0
             : 1;
}
)");
    output_of(std::string(SHRIKE_COMPILER) + " -std=c++20 -O1 -I" SHRIKE_SOURCE_DIR "/runtime/include -c " +
              path("main.cpp") + " -o " + path("main.o"));
    std::filesystem::remove(path("libmain.a"));
    output_of("ar rc " + path("libmain.a") + " " + path("main.o"));
  }

  // Symbols of the program that begin so, linked from the archives in this order.
  std::set<std::string> linked(const std::string& archives, const std::string& prefix) {
    output_of(std::string(SHRIKE_COMPILER) + " -Wl,--start-group " + archives + " -Wl,--end-group -o " +
              path("program"));
    std::set<std::string> names;
    std::istringstream lines(output_of("nm -C " + path("program")));
    for (std::string line; std::getline(lines, line);) {
      const size_t at = line.find(" shrike::" + prefix);
      if (at != std::string::npos) names.insert(line.substr(at + 9));
    }
    return names;
  }

  std::set<std::string> linked_behind(const std::string& prefix) {
    return linked(SHRIKE_RUNTIME_ARCHIVE " " + path("libmain.a"), prefix);
  }
  std::set<std::string> linked_before(const std::string& prefix) {
    return linked(path("libmain.a") + " " SHRIKE_RUNTIME_ARCHIVE, prefix);
  }

  std::filesystem::path folder_;
};

TEST_F(Link, ASetOfItsOwnKeepsOtherOperatorsOutOfTheProgram) {
  make_program("kModelOperators");
  const std::set<std::string> names = linked_before("op_");
  EXPECT_EQ(linked_behind("op_"), names);
  // Gelu stands in LUT's file.
  EXPECT_EQ(names, (std::set<std::string>{"op_concat", "op_conv", "op_gelu", "op_lut"}));
}

TEST_F(Link, AllOperatorsAreLinkedByWhoNamesThem) {
  make_program("shrike::kAllOperators", "shrike::kAllHeads");
  const std::set<std::string> names = linked_before("op_");
  EXPECT_EQ(linked_behind("op_"), names);
  EXPECT_EQ(names.size(), static_cast<size_t>(kAllOperators.count));
}

TEST_F(Link, OneDecoderKeepsTheOthersOutOfTheProgram) {
  make_program("kModelOperators");
  EXPECT_EQ(linked_before("head_"), std::set<std::string>{"head_detect"});
  EXPECT_EQ(linked_behind("head_"), std::set<std::string>{"head_detect"});
  // Nor what only others need.
  EXPECT_TRUE(linked_before("probabilistic_overlap").empty());
  EXPECT_TRUE(linked_before("decode_mask").empty());
}

TEST_F(Link, AllDecodersAreLinkedByWhoNamesThem) {
  make_program("kModelOperators", "shrike::kAllHeads");
  EXPECT_EQ(linked_behind("head_").size(), static_cast<size_t>(kAllHeads.count));
  EXPECT_FALSE(linked_behind("probabilistic_overlap").empty());
}

}  // namespace
}  // namespace shrike::tests
