// The C API does what the C++ API does: the same file, the same bytes, the same refusals.
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "shrike/detector.h"
#include "shrike/image.h"
#include "shrike/inspect.h"
#include "shrike/version.h"
#include "tests/espdl/maker.h"
#include "tests/runtime/c_program.h"
#include "tests/runtime/model_file.h"
#include "toolchain/espdl/writer.h"

namespace shrike::tests {
namespace {

// A detector of one level: box0 has 4 distances a cell, score0 two classes.
std::vector<uint8_t> detector_file() {
  espdl::tests::Maker m(8);
  std::string x = m.conv(m.input("images", {1, 3, 32, 32}), 16, {.stride = 2});
  const auto named = [&](const std::string& made, const std::string& name) {
    graph::Tensor tensor = m.graph.tensors.at(made);
    tensor.name = name;
    m.graph.tensors.erase(made);
    m.graph.tensors[name] = tensor;
    m.graph.nodes.back().outputs = {name};
    return name;
  };
  m.graph.outputs = {named(m.conv(x, 4, {}), "box0"), named(m.conv(x, 2, {}), "score0")};
  return espdl::serialize(espdl::lower(m.graph, Target::kEsp32s3));
}

struct Memory {
  AlignedBytes file{detector_file()};
  AlignedBytes arena{std::vector<uint8_t>(1 << 20)};
};

TEST(CApi, WalksFromFileToBoxesLikeTheCppApi) {
  Memory memory;
  const c_result result =
      c_walk(memory.file.data(), memory.file.size(), memory.arena.data(), memory.arena.size(), nullptr);
  ASSERT_EQ(result.load.code, SHRIKE_OK) << result.load.detail;
  EXPECT_EQ(result.picture.code, SHRIKE_OK) << result.picture.detail;
  EXPECT_EQ(result.run.code, SHRIKE_OK) << result.run.detail;
  EXPECT_EQ(result.detect.code, SHRIKE_OK) << result.detect.detail;
  EXPECT_STREQ(result.chip, "esp32s3");
  EXPECT_EQ(result.sizes.inputs, 1);
  EXPECT_EQ(result.sizes.outputs, 2);

  AlignedBytes arena(std::vector<uint8_t>(1 << 20));
  Model model;
  ModelOptions options;
  options.operators = &kAllOperators;
  options.kernels = &kPairKernels;
  ASSERT_TRUE(model.load(memory.file.data(), memory.file.size(), arena.data(), arena.size(), options).ok());
  EXPECT_EQ(result.sizes.arena_bytes, model.memory().arena_bytes);
  std::vector<uint8_t> pixels(32 * 32);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(7 * i);
  ImagePlacement placement;
  ASSERT_TRUE(preprocess({pixels.data(), 32, 32, PixelFormat::kGray8}, {}, model, &placement).ok());
  ASSERT_TRUE(model.run().ok());
  const uint8_t* output = static_cast<const uint8_t*>(model.output(0).data);
  EXPECT_EQ(result.output_sum, std::accumulate(output, output + model.output(0).bytes, 0u));
  Head head;
  int32_t count = 0;
  ASSERT_TRUE(find_head(model, kAllHeads, &head).ok());
  DetectOptions detect;
  detect.max_detections = 1;
  std::vector<uint8_t> scratch(detect_scratch_bytes(detect));
  Detection found;
  ASSERT_TRUE(
      decode_detections(head, placement, detect, scratch.data(), scratch.size(), &found, &count).ok());
  ASSERT_EQ(count, 1);
  ASSERT_EQ(result.count, 1);
  EXPECT_EQ(result.first.category, found.category);
  EXPECT_EQ(result.first.score, found.score);
  EXPECT_EQ(result.first.x1, found.x1);
  EXPECT_EQ(result.first.y2, found.y2);
}

TEST(CApi, TellsWhatIsNeededAndWhatIsWrong) {
  Memory memory;
  const auto load = [&](size_t arena_bytes, const char* chip) {
    return c_walk(memory.file.data(), memory.file.size(), memory.arena.data(), arena_bytes, chip).load;
  };
  const shrike_status small = load(256, nullptr);
  EXPECT_EQ(small.code, SHRIKE_ARENA_TOO_SMALL);
  EXPECT_EQ(load(small.needed, nullptr).code, SHRIKE_OK);
  EXPECT_EQ(load(1 << 20, "esp32p4").code, SHRIKE_WRONG_TARGET);
  EXPECT_EQ(load(1 << 20, "esp8266").code, SHRIKE_BAD_ARGUMENT);
  EXPECT_EQ(load(1 << 20, "esp32s3").code, SHRIKE_OK);
  EXPECT_EQ(shrike_load(nullptr, nullptr, 0, nullptr).code, SHRIKE_BAD_ARGUMENT);
}

TEST(CApi, HasAPhraseForEveryStatus) {
  for (int32_t code = SHRIKE_OK; code <= SHRIKE_WRONG_TARGET; ++code)
    EXPECT_STRNE(shrike_status_text(code), shrike_status_text(-1)) << code;
}

TEST(CApi, SaysItsVersion) {
  const std::string version = std::to_string(SHRIKE_VERSION_MAJOR) + "." +
                              std::to_string(SHRIKE_VERSION_MINOR) + "." +
                              std::to_string(SHRIKE_VERSION_PATCH);
  EXPECT_EQ(shrike_version(), version);
}

}  // namespace
}  // namespace shrike::tests
