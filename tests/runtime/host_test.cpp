// What the hosted runtime stands on: files, hashes, threads, generated input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>
#include <vector>

#include "ops/parallel.h"
#include "shrike/sha256.h"
#include "tests/runtime/model_file.h"
#include "toolchain/host/dump.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/host/patience.h"
#include "toolchain/host/self_test.h"
#include "toolchain/host/tensors.h"
#include "toolchain/host/thread_pool.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/format.h"
#include "toolchain/support/sha256.h"
#include "toolchain/system/interrupt.h"

namespace shrike::tests {
namespace {

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "shrike_files_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override {
    std::filesystem::permissions(folder_, std::filesystem::perms::owner_all);
    std::filesystem::remove_all(folder_);
  }
  int entries() const {
    return static_cast<int>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  // The signal that ends a process which installs the handlers and then does `work`; 0: none did.
  static int ends_by(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      remove_temporary_files_on_signals();
      work();
      ::_exit(0);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  std::string folder_;
};

TEST_F(FilesTest, WhatIsWrittenIsReadAndReplacesTheOldFile) {
  const std::string path = folder_ + "/a.bin";
  write_file_atomically(path, std::string_view("old"));
  write_file_atomically(path, std::string_view("new\0text", 8));
  EXPECT_EQ(read_text(path), std::string("new\0text", 8));
  EXPECT_EQ(entries(), 1);
  write_file_atomically(path, std::string_view(""));
  EXPECT_TRUE(read_file(path).empty());
}

TEST_F(FilesTest, AFailedWriteLeavesNothing) {
  EXPECT_THROW(write_file_atomically(folder_ + "/missing/a", std::string_view("x")), Error);
  EXPECT_THROW(write_file_atomically(folder_, std::string_view("x")), Error);
  EXPECT_EQ(entries(), 0);
  EXPECT_THROW(require_writable(folder_ + "/missing/a"), Error);
  EXPECT_NO_THROW(require_writable(folder_ + "/a"));
}

TEST_F(FilesTest, AFullDiskIsNamed) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  std::filesystem::create_symlink("/dev/full", folder_ + "/full." + std::to_string(::getpid()) + ".partial");
  try {
    write_file_atomically(folder_ + "/full", std::string_view("x"));
    FAIL() << "writing to a full disk succeeded";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("disk is full"), std::string::npos) << error.what();
  }
  EXPECT_EQ(entries(), 0);
}

TEST_F(FilesTest, FilesThatBelongTogetherAreAllReplacedOrNone) {
  const std::vector<std::string> paths = {folder_ + "/a", folder_ + "/b"};
  for (const std::string& path : paths) write_file_atomically(path, std::string_view("old"));
  EXPECT_THROW(
      write_files_atomically({{paths[0], "new"}, {paths[1], "new"}, {folder_ + "/missing/c", "new"}}), Error);
  EXPECT_EQ(entries(), 2);
  for (const std::string& path : paths) EXPECT_EQ(read_text(path), "old");
  write_files_atomically({{paths[0], "new a"}, {paths[1], "new b"}});
  EXPECT_EQ(entries(), 2);
  EXPECT_EQ(read_text(paths[0]), "new a");
  EXPECT_EQ(read_text(paths[1]), "new b");
}

TEST_F(FilesTest, ASignalWaitsForFilesThatBelongTogether) {
  EXPECT_EQ(ends_by([&] {
              const SignalsWait wait;
              ::raise(SIGTERM);
              std::ofstream(folder_ + "/last") << "whole";
            }),
            SIGTERM);
  EXPECT_EQ(read_text(folder_ + "/last"), "whole");
}

TEST_F(FilesTest, AnInterruptRemovesThePartialFileAndEndsTheProcess) {
  const std::string partial = folder_ + "/x.partial";
  std::ofstream(partial) << "half";
  EXPECT_EQ(ends_by([&] {
              const TemporaryFile guard(partial);
              ::raise(SIGINT);
            }),
            SIGINT);
  EXPECT_EQ(entries(), 0);
}

TEST_F(FilesTest, ReadingSaysWhy) {
  for (const std::string& path : {folder_, folder_ + "/absent"}) {
    try {
      read_file(path);
      FAIL();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path), std::string::npos);
    }
  }
}

// FIPS 180-4 examples, and lengths around the padding's border.
TEST(Sha256Test, KnownDigests) {
  EXPECT_EQ(sha256("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const std::string two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  EXPECT_EQ(sha256(two.data(), two.size()),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1000000, 'a');
  EXPECT_EQ(sha256(million.data(), million.size()),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// A PC's instructions against the device floor's own code, around every border of a block.
TEST(Sha256, OfTheHostIsThatOfTheDevice) {
  std::vector<uint8_t> bytes(300);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 37 + 11);
  for (size_t count = 0; count <= bytes.size(); ++count)
    ASSERT_EQ(sha256(bytes.data(), count), sha256_text(bytes.data(), count).digits) << count;
}

TEST(FormatTest, NumbersAsPeopleReadThem) {
  EXPECT_EQ(format_bytes(812), "812 B");
  EXPECT_EQ(format_bytes(6000), "5.86 KiB");
  EXPECT_EQ(format_bytes(3584000), "3.42 MiB");
  EXPECT_EQ(format_count(7), "7");
  EXPECT_EQ(format_count(1234567), "1,234,567");
}

TEST(ThreadPoolTest, EveryTaskRunsExactlyOnce) {
  host::ThreadPool pool(4);
  EXPECT_EQ(pool.threads(), 4);
  for (int round = 0; round < 3000; ++round) {
    const int count = round % 37;
    std::vector<int> runs(static_cast<size_t>(count), 0);
    pool.run([](void* argument,
                int index) { ++(*static_cast<std::vector<int>*>(argument))[static_cast<size_t>(index)]; },
             &runs, count);
    ASSERT_EQ(runs, std::vector<int>(static_cast<size_t>(count), 1)) << "round " << round;
    if (round % 500 == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // lets the workers fall asleep
  }
}

// A thread that is held up in one piece holds up no other: here its first piece ends only when all the others
// are done.
TEST(ThreadPoolTest, OthersTakeThePiecesOfAThreadThatIsHeldUp) {
  host::ThreadPool pool(2);
  constexpr int kPieces = 16;
  std::atomic<int> done{0}, held{0};
  share_out(&pool, kPieces, 2, [&](int32_t, int32_t slot) {
    if (slot == 1 && held.fetch_add(1) == 0) {
      while (done.load() < kPieces - 1) std::this_thread::yield();
    }
    done.fetch_add(1);
  });
  EXPECT_EQ(done.load(), kPieces);
}

TEST(ThreadPoolTest, ASlotWorksOnOnePieceAtATimeAndEveryPieceIsDoneOnce) {
  host::ThreadPool pool(3);
  for (const int pieces : {1, 2, 3, 7, 24, 100}) {
    std::vector<std::atomic<int>> runs(static_cast<size_t>(pieces)), busy(3);
    const int slots = slots_for(pool.threads(), pieces);
    share_out(&pool, pieces, slots, [&](int32_t piece, int32_t slot) {
      EXPECT_EQ(busy[static_cast<size_t>(slot)].fetch_add(1), 0);
      EXPECT_LT(slot, slots);
      runs[static_cast<size_t>(piece)].fetch_add(1);
      busy[static_cast<size_t>(slot)].fetch_sub(1);
    });
    for (const std::atomic<int>& count : runs) EXPECT_EQ(count.load(), 1) << pieces << " pieces";
  }
}

TEST(PatienceTest, RestsSixteenTimesALongWaitThenTwiceAsLongEachTime) {
  using namespace std::chrono_literals;
  host::Patience patience;
  host::Patience::Clock::time_point now{1s};
  patience.note(now, now + 100us, now + 150us, 0us);   // short
  patience.note(now, now + 900us, now + 1200us, 0us);  // a third of the caller's work: one piece took longer
  EXPECT_FALSE(patience.alone(now + 1200us));
  for (const int rest : {16, 32, 64, 128, 256, 256}) {
    patience.note(now, now + 100us, now + 3100us, 0us);
    now += 3100us;
    EXPECT_TRUE(patience.alone(now + rest * 3000us - 1us)) << rest;
    EXPECT_FALSE(patience.alone(now + rest * 3000us)) << rest;
    now += rest * 3000us;
  }
  now += 600ms;  // shared out without trouble for a while: forgotten
  patience.note(now, now + 100us, now + 110us, 0us);
  patience.note(now, now + 100us, now + 3100us, 0us);
  EXPECT_FALSE(patience.alone(now + 3100us + 16 * 3000us));
}

TEST(PatienceTest, AsksForTheCallersOwnCoreAfterAJobThatTookLong) {
  using namespace std::chrono_literals;
  host::Patience patience;
  host::Patience::Clock::time_point now{1s};
  patience.note(now, now + 800us, now + 800us, 0us);
  EXPECT_FALSE(patience.watches());
  patience.note(now, now + 3200us, now + 3200us, 0us);  // may be a large job
  EXPECT_TRUE(patience.watches());
  EXPECT_FALSE(patience.alone(now + 3200us));
  patience.note(now, now + 3200us, now + 3200us, 3000us);
  EXPECT_TRUE(patience.alone(now + 3200us + 16 * 3000us - 1us));
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(patience.watches());
    patience.note(now, now + 100us, now + 100us, 0us);
  }
  EXPECT_FALSE(patience.watches());
}

ModelFile doubling() {
  ModelFile file;
  file.inputs = {{"x", {2, 3}, DataType::kInt8, -2}};
  file.outputs = file.values = {{"y", {2, 3}, DataType::kInt8, -2}};
  FileNode node;
  node.name = "double";
  node.type = "Add";
  node.inputs = {"x", "x"};
  node.outputs = {"y"};
  file.nodes = {node};
  return file;
}

// The first numbers of splitmix64 from seed 1 are 910a2dec89025cc1, beeb8da1658eec67, f893a2eefb32555e ...
TEST(GeneratorTest, TakesTheLowBitsOfSplitmix64) {
  const host::IntegerModel model = host::IntegerModel::from_bytes(doubling().bytes(), "double.espdl");
  host::fill_inputs(model.model(), 1);
  const uint8_t* x = static_cast<const uint8_t*>(model.model().input(0).data);
  EXPECT_EQ(x[0], 0xc1);
  EXPECT_EQ(x[1], 0x67);
  EXPECT_EQ(x[2], 0x5e);
}

TEST(SelfTestTest, NamesTheFirstDifference) {
  ModelFile file = doubling();
  file.test_inputs = {{{"x", {2, 3}, DataType::kInt8, -2}, {1, 2, 3, 4, 5, 6}}};
  file.test_outputs = {{{"y", {2, 3}, DataType::kInt8, -2}, {2, 4, 6, 8, 10, 12}}};
  host::IntegerModel good = host::IntegerModel::from_bytes(file.bytes(), "double.espdl");
  EXPECT_TRUE(host::run_self_test(good).passed());
  file.test_outputs[0].bytes[4] = 11;
  host::IntegerModel bad = host::IntegerModel::from_bytes(file.bytes(), "double.espdl");
  // Tolerance is for 16 bits only.
  const host::SelfTestResult result = host::run_self_test(bad, 1);
  ASSERT_FALSE(result.passed());
  EXPECT_EQ(result.first->node_name, "double");
  EXPECT_EQ(result.first->coordinate, "[1, 1]");
  EXPECT_EQ(result.first->expected, "11");
  EXPECT_EQ(result.first->got, "10");
}

TEST(SelfTestTest, AFileWithoutACompleteTestIsAnError) {
  ModelFile file = doubling();
  host::IntegerModel none = host::IntegerModel::from_bytes(file.bytes(), "double.espdl");
  EXPECT_THROW(host::run_self_test(none), Error);
  file.test_outputs = {{{"y", {2, 3}, DataType::kInt8, -2}, {2, 4, 6, 8, 10, 12}}};
  host::IntegerModel no_input = host::IntegerModel::from_bytes(file.bytes(), "double.espdl");
  EXPECT_THROW(host::run_self_test(no_input), Error);
  file.test_inputs = {{{"x", {3, 2}, DataType::kInt8, -2}, {1, 2, 3, 4, 5, 6}}};
  host::IntegerModel misshapen = host::IntegerModel::from_bytes(file.bytes(), "double.espdl");
  EXPECT_THROW(host::run_self_test(misshapen), Error);
}

TEST_F(FilesTest, DumpsCompareByNameAndElement) {
  host::IntegerModel model = host::IntegerModel::from_bytes(doubling().bytes(), "double.espdl");
  host::fill_inputs(model.model(), 1);
  auto tensors = host::run_and_dump(model, host::Which::kAll);
  ASSERT_EQ(tensors.size(), 2u);
  host::write_dump(folder_ + "/a", model, tensors);
  const auto a = host::read_dump(folder_ + "/a");
  EXPECT_EQ(host::first_difference(a, tensors), std::nullopt);
  tensors[1].bytes[5] ^= 1;
  const auto difference = host::first_difference(a, tensors);
  ASSERT_TRUE(difference.has_value());
  EXPECT_NE(difference->find("'y' of node 'double' first differs at [1, 2]"), std::string::npos)
      << *difference;
  tensors.pop_back();
  EXPECT_TRUE(host::first_difference(a, tensors).has_value());
  std::ofstream(folder_ + "/a/index.json") << "{}";
  EXPECT_THROW(host::read_dump(folder_ + "/a"), Error);
}

TEST_F(FilesTest, ADumpThatIsHalfNewIsNoDump) {
  host::IntegerModel model = host::IntegerModel::from_bytes(doubling().bytes(), "double.espdl");
  host::fill_inputs(model.model(), 1);
  auto tensors = host::run_and_dump(model, host::Which::kAll);
  host::write_dump(folder_ + "/a", model, tensors);
  // A run on other values was stopped behind its first file.
  std::vector<uint8_t> other = tensors[0].bytes;
  other[0] ^= 1;
  write_file_atomically(folder_ + "/a/" + tensors[0].file, other);
  const auto check = [&] { host::require_as_stated(folder_ + "/a", host::read_dump(folder_ + "/a")); };
  EXPECT_THROW(check(), Error);
  host::write_dump(folder_ + "/a", model, tensors);
  EXPECT_NO_THROW(check());
}

TEST_F(FilesTest, ASmallerDumpLeavesNothingOfALargerOne) {
  host::IntegerModel model = host::IntegerModel::from_bytes(doubling().bytes(), "double.espdl");
  host::fill_inputs(model.model(), 1);
  auto all = host::run_and_dump(model, host::Which::kAll);
  host::write_dump(folder_ + "/a", model, all);
  std::ofstream(folder_ + "/a/mine.bin") << "kept";
  std::ofstream(folder_ + "/a/" + all[1].file + ".4711.partial") << "of a killed run";
  auto outputs = host::run_and_dump(model, host::Which::kOutputs);
  host::write_dump(folder_ + "/a", model, outputs);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/a"))
    names.push_back(entry.path().filename().string());
  EXPECT_THAT(names, testing::UnorderedElementsAre("index.json", "mine.bin", outputs[0].file));
}

TEST_F(FilesTest, AnIndexWithoutTensorsCanNotBeCompared) {
  std::filesystem::create_directories(folder_ + "/a");
  std::ofstream(folder_ + "/a/index.json") << "{\"tensors\": []}";
  EXPECT_THROW(host::read_dump(folder_ + "/a"), Error);
}

}  // namespace
}  // namespace shrike::tests
