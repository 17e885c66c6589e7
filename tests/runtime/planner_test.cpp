// The memory planner: nothing overlaps that is alive together, and little is wasted.
#include "plan/planner.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <vector>

#include "tests/shared_data.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/host/plan_check.h"

namespace shrike::tests {
namespace {

using plan::Buffer;

Buffer buffer(uint64_t bytes, int32_t first, int32_t last, uint64_t traffic = 0) {
  return {bytes, traffic, first, last, 0, false};
}

plan::Result make(std::vector<Buffer>& buffers, uint64_t internal_limit = 0) {
  const int32_t count = static_cast<int32_t>(buffers.size());
  std::vector<uint64_t> workspace(plan::workspace_bytes(count) / 8 + 1);
  return plan::make_plan(buffers.data(), count, internal_limit, workspace.data());
}

bool valid(const std::vector<Buffer>& buffers, const plan::Result& result) {
  return plan::is_valid(buffers.data(), static_cast<int32_t>(buffers.size()), result);
}

TEST(PlannerTest, NothingNeedsNothing) {
  std::vector<Buffer> none;
  EXPECT_EQ(make(none).external_bytes, 0u);
}

TEST(PlannerTest, AChainNeedsTwoNeighboursAtATime) {
  std::vector<Buffer> chain = {buffer(64, -1, 0), buffer(128, 0, 1), buffer(32, 1, 2), buffer(256, 2, 3)};
  const plan::Result result = make(chain);
  EXPECT_EQ(result.lower_bound, 288u);  // 32 + 256
  EXPECT_EQ(result.external_bytes, 288u);
  EXPECT_TRUE(valid(chain, result));
}

TEST(PlannerTest, TheCheckerSeesOverlapsAndOverruns) {
  std::vector<Buffer> buffers = {buffer(64, 0, 2), buffer(64, 1, 3)};
  const plan::Result result = make(buffers);
  ASSERT_TRUE(valid(buffers, result));
  std::vector<Buffer> overlapping = buffers;
  overlapping[1].offset = overlapping[0].offset + 16;
  EXPECT_FALSE(valid(overlapping, result));
  std::vector<Buffer> outside = buffers;
  outside[1].offset = result.external_bytes - 48;
  EXPECT_FALSE(valid(outside, result));
  std::vector<Buffer> unaligned = buffers;
  unaligned[0].offset += 8;
  EXPECT_FALSE(valid(unaligned, result));
  // The same place is fine once they are not alive together.
  overlapping[1].first = 3;
  EXPECT_TRUE(valid(overlapping, result));
}

TEST(PlannerTest, RandomLifetimesAreValidAndCloseToTheBound) {
  std::mt19937 random(5);
  double worst = 1;
  for (int round = 0; round < 60; ++round) {
    std::vector<Buffer> buffers;
    const int count = 2 + static_cast<int>(random() % 150);
    for (int i = 0; i < count; ++i) {
      const int length =
          random() % 10 == 0 ? static_cast<int>(random() % 60) : static_cast<int>(random() % 4);
      buffers.push_back(buffer(16 * (1 + random() % 5000), i - 1, i - 1 + length));
    }
    const plan::Result result = make(buffers);
    EXPECT_TRUE(valid(buffers, result)) << "round " << round;
    EXPECT_GE(result.external_bytes, result.lower_bound);
    worst =
        std::max(worst, static_cast<double>(result.external_bytes) / static_cast<double>(result.lower_bound));
  }
  EXPECT_LT(worst, 1.25);
}

TEST(PlannerTest, TheSameBuffersGetTheSamePlan) {
  std::mt19937 random(9);
  std::vector<Buffer> buffers;
  for (int i = 0; i < 100; ++i)
    buffers.push_back(buffer(16 * (1 + random() % 500), i, i + static_cast<int>(random() % 9)));
  std::vector<Buffer> again = buffers;
  make(buffers);
  make(again);
  for (size_t i = 0; i < buffers.size(); ++i) EXPECT_EQ(buffers[i].offset, again[i].offset);
}

TEST(PlannerTest, TheFastPoolTakesWhatMovesMostAndKeepsItsLimit) {
  std::vector<Buffer> buffers = {buffer(1024, 0, 3, 1024), buffer(512, 0, 3, 51200), buffer(256, 1, 2, 25600),
                                 buffer(512, 1, 3, 512)};
  const plan::Result result = make(buffers, 1024);
  EXPECT_TRUE(valid(buffers, result));
  EXPECT_TRUE(buffers[1].internal);
  EXPECT_TRUE(buffers[2].internal);
  EXPECT_FALSE(buffers[0].internal);
  EXPECT_LE(result.internal_bytes, 1024u);
}

TEST(PlannerTest, AFastPoolThatHoldsEverythingLeavesNothingOutside) {
  std::vector<Buffer> buffers = {buffer(64, -1, 0, 1), buffer(128, 0, 1, 1), buffer(32, 1, 2, 1)};
  const plan::Result result = make(buffers, 4096);
  EXPECT_EQ(result.external_bytes, 0u);
  EXPECT_EQ(result.internal_bytes, result.lower_bound);
  EXPECT_TRUE(valid(buffers, result));
}

TEST(PlannerTest, RandomFastPoolsAreValid) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 60; ++i) {
      buffers.push_back(
          buffer(16 * (1 + random() % 300), i, i + static_cast<int>(random() % 12), random() % 100000));
    }
    const uint64_t limit = 16 * (random() % 2000);
    const plan::Result result = make(buffers, limit);
    EXPECT_LE(result.internal_bytes, limit);
    EXPECT_TRUE(valid(buffers, result));
  }
}

// The checker reads only nodes, placements and names: it shares no code with the planner.
TEST(PlannerTest, NoPublishedModelReadsOverwrittenMemory) {
  SHRIKE_NEEDS_SHARED("golden/zoo/models");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(shared_root() + "/golden/zoo/models")) {
    const std::string path = entry.path().string();
    for (const uint64_t internal_bytes : {0u, 65536u, 524288u}) {
      host::IntegerOptions options;
      options.target = path.find("esp32s3") != std::string::npos ? "esp32s3" : "esp32p4";
      options.internal_bytes = internal_bytes;
      options.isa = "portable";
      const host::IntegerModel model = host::IntegerModel::open(path, options);
      EXPECT_EQ(host::check_plan(model.model()), std::nullopt) << path << " with " << internal_bytes;
      const MemoryReport memory = model.model().memory();
      EXPECT_GE(memory.activation_bytes, memory.lower_bound);
      EXPECT_LE(memory.internal_bytes, internal_bytes);
    }
    ++files;
  }
  EXPECT_EQ(files, 17);
}

TEST(PlannerTest, Yolo11nAt640FitsSixMegabytesCloseToTheBound) {
  const std::string path = "golden/zoo/models/esp32p4_coco_detect_yolo11n_s8_v1.espdl";
  SHRIKE_NEEDS_SHARED(path);
  host::IntegerOptions options;
  options.isa = "portable";
  const MemoryReport memory = host::IntegerModel::open(shared_root() + "/" + path, options).model().memory();
  EXPECT_LE(static_cast<double>(memory.activation_bytes), 1.02 * static_cast<double>(memory.lower_bound));
  EXPECT_LE(memory.arena_bytes, 6'000'000u);
}

}  // namespace
}  // namespace shrike::tests
