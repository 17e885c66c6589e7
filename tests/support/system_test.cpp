// What the system's half of toolchain/system must keep, whichever it is: compiled for Linux, and for Windows
// by tests/cross.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/system/calls.h"
#include "toolchain/system/children.h"
#include "toolchain/system/library.h"
#include "toolchain/system/locked_file.h"
#include "toolchain/system/partial.h"
#include "toolchain/system/reserved_memory.h"
#include "toolchain/system/scratch.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class SystemTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    write_file_atomically(path(name), std::string_view(bytes));
    return path(name);
  }
  std::vector<std::string> list() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename().generic_string());
    return names;
  }
  template <typename Action>
  static std::string refusal(const Action& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  // Names are UTF-8, up to characters of four bytes.
  const std::string folder_ =
      fs::temp_directory_path().generic_string() + "/shrike_größe 图 😀_" + std::to_string(process_number());
};

TEST_F(SystemTest, BytesComeBackAsTheyWere) {
  std::string bytes = "line\r\nline\n\x1a behind";
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(read_text(write("ü.bin", bytes)), bytes);
  EXPECT_EQ(read_text(write("ü.bin", "")), "");
  std::ifstream beginning = open_bytes(write("ü.bin", bytes));
  std::string first(6, ' ');
  beginning.read(first.data(), 6);
  EXPECT_EQ(first, "line\r\n");
  EXPECT_THAT(list(), UnorderedElementsAre("ü.bin"));
}

TEST_F(SystemTest, ReasonsAreTheSameSentences) {
  EXPECT_EQ(refusal([&] { read_text(path("missing")); }),
            "cannot open '" + path("missing") + "': No such file or directory");
  EXPECT_EQ(refusal([&] { read_text(folder_); }),
            "cannot read '" + folder_ + "': it is a folder, a file was expected");
  EXPECT_EQ(refusal([&] { write("no/such/folder", ""); }),
            "cannot write '" + path("no/such/folder") + "': No such file or directory");
  EXPECT_EQ(refusal([&] { write_file_atomically(folder_, std::string_view("")); }),
            "cannot write '" + folder_ + "': a folder of that name is in the way");
  write("file", "");
  EXPECT_THAT(refusal([&] { make_folder(path("file")); }), HasSubstr("cannot create the folder"));
}

// Files that belong together: when the last one can't take its place, those before it get their old content
// back.
TEST_F(SystemTest, AFailedSetTakesNothing) {
  write("first", "old");
  Partial first({path("first"), "new"}), fresh({path("fresh"), "new"});
  first.take_place();
  fresh.take_place();
  EXPECT_EQ(read_text(path("first")), "new");
  EXPECT_EQ(read_text(path("fresh")), "new");
  fresh.give_back();
  first.give_back();
  EXPECT_EQ(read_text(path("first")), "old");
  EXPECT_FALSE(find_file(path("fresh")));
}

TEST_F(SystemTest, ASetThatSucceedsLeavesNothingBesideIt) {
  write("first", "old");
  write_files_atomically({{path("first"), "new"}, {path("second"), "new"}});
  EXPECT_EQ(read_text(path("first")), "new");
  EXPECT_THAT(list(), UnorderedElementsAre("first", "second"));
}

// Who reads a file reads on in the old one when it is replaced; on Windows it can't be until he closes it.
TEST_F(SystemTest, AnOpenFileIsReplacedOrStays) {
  Descriptor reader = calls::open(write("file", "old"), calls::Opening::kRead);
#ifdef _WIN32
  EXPECT_EQ(refusal([&] { write("file", "new"); }),
            "cannot write '" + path("file") + "': another program has it open");
  EXPECT_EQ(read_text(path("file")), "old");
#else
  write("file", "new");
#endif
  char bytes[4] = {};
  EXPECT_EQ(calls::read(reader.get(), bytes, 3), 3);
  EXPECT_STREQ(bytes, "old");
  reader = Descriptor();
  write("file", "new");
  EXPECT_EQ(read_text(path("file")), "new");
  EXPECT_THAT(list(), UnorderedElementsAre("file"));
}

TEST_F(SystemTest, WhatKilledRunsLeaveIsRemovedAndWhatLivingOnesWriteIsNot) {
  std::ofstream(fs::path(path("out.espdl.1.partial"))) << "of a killed run";
  std::ofstream(fs::path(path("out.espdl.1-0.partial"))) << "the old content that it kept";
  std::ofstream(fs::path(path("other.espdl.1.partial"))) << "of another output";
  const Partial living({path("out.espdl"), "new"});
  remove_abandoned_partials({path("out.espdl")});
  EXPECT_THAT(list(), UnorderedElementsAre("other.espdl.1.partial",
                                           "out.espdl." + std::to_string(process_number()) + ".partial"));
}

TEST_F(SystemTest, ALockIsSeenByOtherOpenings) {
  const Descriptor first = calls::open(path("file"), calls::Opening::kAppend);
  const Descriptor second = calls::open(path("file"), calls::Opening::kAppend);
  EXPECT_EQ(calls::lock(first.get()), calls::Lock::kTaken);
  EXPECT_EQ(calls::lock(second.get()), calls::Lock::kSomebodys);
  EXPECT_TRUE(write_all(second.get(), "locks are advice")) << "the bytes themselves are free";
  EXPECT_EQ(read_text(path("file")), "locks are advice");
}

TEST_F(SystemTest, LinesAreAppendedAndCut) {
  write("journal", "1\n2 is cut");
  LockedFile journal(path("journal"), "busy");
  journal.cut(2);
  journal.append("2\n");
  journal.append("3\n");
  EXPECT_EQ(read_text(path("journal")), "1\n2\n3\n");
}

TEST_F(SystemTest, FilesAreToldApart) {
  write("one", "");
  write("two", "");
  const auto one = find_file(path("one")), two = find_file(path("two")), folder = find_file(folder_);
  ASSERT_TRUE(one && two && folder);
  EXPECT_EQ(one->identity, find_file(folder_ + "/./one")->identity);
  EXPECT_NE(one->identity, two->identity);
  EXPECT_EQ(one->kind, FoundFile::Kind::kRegular);
  EXPECT_EQ(folder->kind, FoundFile::Kind::kFolder);
}

TEST_F(SystemTest, NumbersWaitOnDiskAndComeBackInAnyOrder) {
  Scratch scratch;
  const std::vector<float> first = {1, -2, 0.5f}, second = {3};
  const auto at_first = scratch.write(first), at_second = scratch.write(second);
  ASSERT_TRUE(at_first && at_second);
  EXPECT_EQ(scratch.read(*at_second, 1), second);
  EXPECT_EQ(scratch.read(*at_first, 3), first);
  EXPECT_THAT(scratch.read(*at_first + 4, 2), ElementsAre(-2, 0.5f));
  EXPECT_THROW(scratch.read(*at_second, 2), Error) << "behind the end";
}

TEST_F(SystemTest, MemoryIsReservedAndShrinks) {
  ReservedMemory memory(size_t{64} << 20);
  auto* bytes = static_cast<unsigned char*>(memory.data());
  bytes[0] = 1;
  bytes[(size_t{64} << 20) - 1] = 2;
  memory.shrink(100);
  EXPECT_EQ(bytes[0], 1);
  EXPECT_GE(memory.bytes(), 100u);
  EXPECT_LT(memory.bytes(), size_t{1} << 20);
  EXPECT_GT(physical_memory(), uint64_t{64} << 20);
}

TEST_F(SystemTest, TheProgramKnowsItsFolder) {
  EXPECT_TRUE(fs::is_directory(program_folder()));
}

}  // namespace
}  // namespace shrike
