// Several processes of one run, here as threads.
#include "toolchain/train/processes.h"
#include "tests/own_temporary.h"
#include "toolchain/system/children.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "tests/train/drawn_set.h"
#include "toolchain/import/onnx/write.h"
#include "toolchain/support/error.h"
#include "toolchain/train/batch.h"
#include "toolchain/train/judge.h"
#include "toolchain/train/yolo11.h"

namespace shrike::train {
namespace {

// Calls work(processes) for two that have met; false where this build has no Gloo.
bool as_two(const std::function<void(const Processes&)>& work) {
  const int port = free_port();
  bool there = true;
  const auto run = [&](int rank) {
    try {
      const Processes processes(engine::Meeting{"127.0.0.1", port, rank, 2});
      work(processes);
    } catch (const Error& error) {
      if (std::string(error.what()).find("libgloo-dev") == std::string::npos) throw;
      there = false;
    }
  };
  engine::require_engine();
  std::thread second([&] { run(1); });
  run(0);
  second.join();
  return there;
}

TEST(Processes, SumsAndBroadcastsAreTheSameForAll) {
  const bool there = as_two([](const Processes& processes) {
    const auto mine = static_cast<float>(processes.rank() + 1);
    Values values = {{mine, 10 * mine}, {}, {100 * mine}};
    processes.sum(values);
    EXPECT_EQ(values, (Values{{3, 30}, {}, {300}}));
    std::vector<double> numbers = {0.5 * mine};
    processes.sum(numbers);
    EXPECT_EQ(numbers, std::vector<double>{1.5});
    std::string bytes = processes.first() ? std::string("a\0b", 3) : "something longer";
    processes.broadcast(bytes);
    EXPECT_EQ(bytes, std::string("a\0b", 3));
  });
  if (!there) GTEST_SKIP() << "built without Gloo";
}

TEST(Processes, JudgeTogetherWhatOneJudgesAlone) {
  const tests::DrawnSet drawn("judged_by_two", 5, 64);
  const LabelledSet set = open_labelled_set(drawn.folder);
  Yolo11Options network;
  network.width = 0.0625;
  network.classes = 2;
  network.bins = 8;
  network.image_size = 64;
  const std::string model = tests::own_temporary("judged_by_two.onnx");
  write_file_atomically(model, std::string_view(graph::onnx_bytes(build_yolo11(network))));
  const evaluate::Metrics alone = judge(model, set.folder, 1);
  const bool there = as_two([&](const Processes& processes) {
    const evaluate::Metrics together = judge(model, set.folder, 1, processes);
    EXPECT_EQ(together.map(), alone.map());
    EXPECT_EQ(together.map50(), alone.map50());
  });
  if (!there) GTEST_SKIP() << "built without Gloo";
}

TEST(Processes, ShareOutTheParts) {
  const Processes alone;
  EXPECT_TRUE(alone.has(0));
  EXPECT_TRUE(alone.has(1));
  EXPECT_TRUE(alone.first());
}

TEST(Meeting, ComesFromTheEnvironment) {
  ::unsetenv("WORLD_SIZE");
  EXPECT_FALSE(meeting_from_environment().has_value());
  ::setenv("WORLD_SIZE", "3", 1);
  ::unsetenv("RANK");
  EXPECT_THROW(meeting_from_environment(), Error);
  ::setenv("RANK", "2", 1);
  ::setenv("MASTER_ADDR", "10.0.0.7", 1);
  ::setenv("MASTER_PORT", "29500", 1);
  const auto meeting = meeting_from_environment();
  ASSERT_TRUE(meeting.has_value());
  EXPECT_EQ(meeting->address, "10.0.0.7");
  EXPECT_EQ(meeting->port, 29500);
  EXPECT_EQ(meeting->rank, 2);
  EXPECT_EQ(meeting->count, 3);
  ::setenv("RANK", "3", 1);  // one of 0..2
  EXPECT_THROW(meeting_from_environment(), Error);
  ::setenv("RANK", "two", 1);
  EXPECT_THROW(meeting_from_environment(), Error);
  for (const char* name : {"WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT"}) ::unsetenv(name);
}

}  // namespace
}  // namespace shrike::train
