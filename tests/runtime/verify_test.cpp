// Hostile files: whatever the bytes, loading gives an error or a model that is safe to run.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kernels/kernels.h"
#include "shrike/inspect.h"
#include "tests/runtime/model_file.h"
#include "tests/shared_data.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

constexpr size_t kArenaBytes = 4 << 20;

struct Outcome {
  int accepted = 0, rejected = 0;
};

uint64_t work(const InspectableModel& model) {
  uint64_t sum = 0;
  for (int32_t i = 0; i < model.node_count(); ++i) {
    sum += model.node_macs(i);
    for (int32_t j = 0; j < model.node_output_count(i); ++j) sum += model.node_output(i, j).bytes;
  }
  return sum;
}

// Loads and, when that succeeds and the work is small, runs.
void exercise(const void* file, size_t bytes, std::vector<uint8_t>& arena, const KernelSet* kernels,
              Outcome& outcome) {
  InspectableModel model;
  ModelOptions options;
  options.operators = &kAllOperators;
  options.kernels = kernels;
  uint8_t* memory = arena.data() + (16 - reinterpret_cast<uintptr_t>(arena.data()) % 16) % 16;
  const Status status = model.load(file, bytes, memory, arena.size() - 16, options);
  if (!status.ok()) {
    ++outcome.rejected;
    EXPECT_STRNE(status.detail, "");
    EXPECT_FALSE(model.run().ok()) << "a model that failed to load must refuse to run";
    return;
  }
  ++outcome.accepted;
  if (work(model) < 2'000'000) {
    EXPECT_TRUE(model.run().ok());
  }
}

const char* const kSmallFiles[] = {
    "golden/zoo/models/esp32p4_sin_model.espdl",
    "golden/ops/esp32p4_8/Concat",
    "golden/ops/esp32p4_8/Conv",
    "golden/ops/c_8/Slice",
    "golden/ops/esp32p4_8/Swish",
};

// The smallest file of a folder, or the file itself.
std::string small_file(const std::string& relative) {
  const std::filesystem::path path = shared_root() + "/" + relative;
  if (!std::filesystem::is_directory(path)) return path.string();
  std::string best;
  uintmax_t best_size = UINTMAX_MAX;
  for (const auto& entry : std::filesystem::directory_iterator(path)) {
    const auto key = std::pair(entry.file_size(), entry.path().string());
    if (entry.path().extension() == ".espdl" && key < std::pair(best_size, best)) {
      best_size = key.first;
      best = key.second;
    }
  }
  return best;
}

class SmallFile : public testing::TestWithParam<const char*> {};

TEST_P(SmallFile, EveryByteChangedIsSafe) {
  SHRIKE_NEEDS_SHARED(GetParam());
  AlignedBytes file(read_file(small_file(GetParam())));
  std::vector<uint8_t> arena(kArenaBytes);
  Outcome outcome;
  const size_t swept = std::min<size_t>(file.size(), 12000);
  for (size_t i = 0; i < swept; ++i) {
    const uint8_t original = file.data()[i];
    for (const uint8_t change : {uint8_t{0xff}, uint8_t{0x01}, uint8_t{0x80}}) {
      file.data()[i] = original ^ change;
      exercise(file.data(), file.size(), arena, i % 2 == 0 ? &kPortableKernels : best_kernels(), outcome);
    }
    file.data()[i] = original;
  }
  EXPECT_GT(outcome.rejected, 0);
  EXPECT_GT(outcome.accepted, 0);
}

TEST_P(SmallFile, EveryTruncationIsAnError) {
  SHRIKE_NEEDS_SHARED(GetParam());
  const std::vector<uint8_t> whole = read_file(small_file(GetParam()));
  std::vector<uint8_t> arena(kArenaBytes);
  for (size_t size = 0; size < whole.size(); size += size < 2000 || size % 16 == 15 ? 1 : 5) {
    AlignedBytes cut(whole.data(), size);
    Outcome outcome;
    exercise(cut.data(), cut.size(), arena, &kPortableKernels, outcome);
    EXPECT_EQ(outcome.rejected, 1) << "accepted when cut to " << size << " bytes";
  }
}

// A header that agrees with the cut leaves the damage to the payload's verification.
TEST_P(SmallFile, EveryTruncatedPayloadIsSafe) {
  SHRIKE_NEEDS_SHARED(GetParam());
  const std::vector<uint8_t> whole = read_file(small_file(GetParam()));
  std::vector<uint8_t> arena(kArenaBytes);
  Outcome outcome;
  for (size_t size = 16; size < whole.size(); size += 3) {
    AlignedBytes cut(whole.data(), size);
    const uint32_t payload = static_cast<uint32_t>(size - 16);
    std::memcpy(cut.data() + 8, &payload, 4);
    exercise(cut.data(), cut.size(), arena, &kPortableKernels, outcome);
  }
  EXPECT_GT(outcome.rejected, 0);
}

INSTANTIATE_TEST_SUITE_P(Golden, SmallFile, testing::ValuesIn(kSmallFiles));

// Verification can't know what an attribute or a shape means: that is every operator's own duty.
TEST(VerifyTest, ChangedFilesOfEveryOperatorAreSafe) {
  SHRIKE_NEEDS_SHARED("golden/ops");
  std::vector<std::string> folders;
  for (const char* group : {"c_8", "esp32p4_8", "esp32p4_16", "esp32s3_8"}) {
    for (const auto& entry : std::filesystem::directory_iterator(shared_root() + "/golden/ops/" + group)) {
      folders.push_back(std::string("golden/ops/") + group + "/" + entry.path().filename().string());
    }
  }
  std::sort(folders.begin(), folders.end());
  std::vector<uint8_t> arena(kArenaBytes);
  for (const std::string& folder : folders) {
    SCOPED_TRACE(small_file(folder));
    AlignedBytes file(read_file(small_file(folder)));
    Outcome outcome;
    const size_t swept = std::min<size_t>(file.size(), 3000);
    for (size_t i = 16; i < swept; ++i) {
      const uint8_t original = file.data()[i];
      file.data()[i] = static_cast<uint8_t>(original ^ (i % 2 == 0 ? 0x03 : 0xfe));
      exercise(file.data(), file.size(), arena, &kPortableKernels, outcome);
      file.data()[i] = original;
    }
    EXPECT_GT(outcome.rejected, 0);
  }
}

TEST(VerifyTest, ThousandsOfMutationsOfANetworkAreSafe) {
  const std::string path = "golden/net/yolo11n_320_esp32p4_s8.espdl";
  SHRIKE_NEEDS_SHARED(path);
  AlignedBytes file(read_file(shared_root() + "/" + path));
  std::vector<uint8_t> arena(kArenaBytes);
  std::mt19937_64 random(20250101);
  Outcome outcome;
  for (int i = 0; i < 3000; ++i) {
    // Half of the changes hit words that look like offsets or lengths: the structure is a small part of the
    // file.
    size_t at = random() % (file.size() - 4) / 4 * 4;
    if (i % 2 == 0) {
      uint32_t word = 0;
      for (int tries = 0; tries < 100000; ++tries) {
        std::memcpy(&word, file.data() + at, 4);
        if (word > 0 && word < file.size()) break;
        at = random() % (file.size() - 4) / 4 * 4;
      }
    }
    uint32_t original = 0;
    std::memcpy(&original, file.data() + at, 4);
    const uint32_t changed =
        i % 3 == 0 ? static_cast<uint32_t>(random()) : original ^ (1u << (random() % 32));
    std::memcpy(file.data() + at, &changed, 4);
    exercise(file.data(), file.size(), arena, &kPortableKernels, outcome);
    std::memcpy(file.data() + at, &original, 4);
  }
  EXPECT_GT(outcome.rejected, 100);
  EXPECT_GT(outcome.accepted, 100);
}

TEST(VerifyTest, GarbageBehindAGoodHeaderIsCorrupt) {
  std::mt19937_64 random(7);
  std::vector<uint8_t> arena(kArenaBytes);
  for (int i = 0; i < 2000; ++i) {
    std::vector<uint8_t> bytes(16 + random() % 600);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % (i % 2 == 0 ? 256 : 24));
    std::memcpy(bytes.data(), "EDL2\0\0\0\0", 8);
    const uint32_t payload = static_cast<uint32_t>(bytes.size() - 16);
    std::memcpy(bytes.data() + 8, &payload, 4);
    AlignedBytes file(bytes);
    Outcome outcome;
    exercise(file.data(), file.size(), arena, &kPortableKernels, outcome);
    EXPECT_EQ(outcome.accepted, 0);
  }
}

// Tables that point at each other: a walk without a budget would take 2^n steps.
TEST(VerifyTest, ExponentialSharingIsRefusedQuickly) {
  flatbuffers::FlatBufferBuilder builder;
  // Attribute (slot 14: graphs) -> Graph (slot 0: nodes) -> Node (slot 5: attributes) -> ...
  flatbuffers::uoffset_t start = builder.StartTable();
  flatbuffers::Offset<void> below(builder.EndTable(start));
  for (int level = 0; level < 30; ++level) {
    constexpr int kSlots[] = {14, 5, 0};
    const std::vector<flatbuffers::Offset<void>> twice(64, below);
    const auto list = builder.CreateVector(twice);
    start = builder.StartTable();
    builder.AddOffset(static_cast<flatbuffers::voffset_t>(4 + 2 * kSlots[level % 3]), list);
    below = flatbuffers::Offset<void>(builder.EndTable(start));
  }
  start = builder.StartTable();
  builder.AddOffset(4 + 2 * 7, below);
  builder.Finish(flatbuffers::Offset<void>(builder.EndTable(start)));
  std::vector<uint8_t> bytes(16);
  const uint32_t size = builder.GetSize();
  std::memcpy(bytes.data(), "EDL2", 4);
  std::memcpy(bytes.data() + 8, &size, 4);
  bytes.insert(bytes.end(), builder.GetBufferPointer(), builder.GetBufferPointer() + size);
  AlignedBytes file(bytes);
  std::vector<uint8_t> arena(kArenaBytes);
  Outcome outcome;
  exercise(file.data(), file.size(), arena, &kPortableKernels, outcome);
  EXPECT_EQ(outcome.rejected, 1);
}

}  // namespace
}  // namespace shrike::tests
