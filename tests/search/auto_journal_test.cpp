#include "toolchain/search/auto_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::quantize {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class AutoJournalTest : public testing::Test {
 protected:
  AutoJournalTest()
      : path_((std::filesystem::temp_directory_path() /
               (std::string("shrike_journal_") +
                testing::UnitTest::GetInstance()->current_test_info()->name() + std::to_string(getpid())))
                  .string()) {}
  ~AutoJournalTest() override { std::filesystem::remove(path_); }

  std::string path_;
};

Judgement judgement() {
  Judgement result;
  result.error = 0.1;  // no binary fraction
  result.noise = {1.0 / 3, 2e-7};
  result.cost = {533.5893548800005, 2990000};
  result.requantize_nodes = 3;
  return result;
}

TEST_F(AutoJournalTest, RemembersEveryBit) {
  { AutoJournal(path_, "inputs").add("trial", judgement()); }
  const AutoJournal again(path_, "inputs");
  const Judgement* known = again.find("trial");
  ASSERT_NE(known, nullptr);
  EXPECT_TRUE(known->feasible);
  EXPECT_EQ(known->error, judgement().error);
  EXPECT_EQ(known->noise, judgement().noise);
  EXPECT_EQ(known->cost.milliseconds, judgement().cost.milliseconds);
  EXPECT_EQ(known->cost.bytes, judgement().cost.bytes);
  EXPECT_EQ(known->requantize_nodes, 3);
  EXPECT_EQ(again.find("another trial"), nullptr);
}

TEST_F(AutoJournalTest, RemembersWhatATargetCannotHold) {
  Judgement infeasible;
  infeasible.feasible = false;
  { AutoJournal(path_, "inputs").add("trial", infeasible); }
  EXPECT_FALSE(AutoJournal(path_, "inputs").find("trial")->feasible);
}

TEST_F(AutoJournalTest, DropsALineThatWasCutShortWhereverItWasCut) {
  {
    AutoJournal journal(path_, "inputs");
    journal.add("first", judgement());
    journal.add("second", judgement());
  }
  const std::string whole = read_text(path_);
  const size_t second = whole.find("{\"trial\":\"second\"");
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_file_atomically(path_, whole.substr(0, bytes));
    AutoJournal journal(path_, "inputs");
    EXPECT_EQ(journal.find("second"), nullptr) << bytes;
    EXPECT_EQ(journal.find("first") != nullptr, bytes >= second) << bytes;
    journal.add("second", judgement());
    EXPECT_NE(AutoJournal(path_, "inputs").find("second"), nullptr) << bytes;
  }
}

TEST_F(AutoJournalTest, RefusesAnUnfinishedSearchOfOtherInputsAndLeavesItAlone) {
  { AutoJournal(path_, "inputs").add("trial", judgement()); }
  const std::string before = read_text(path_);
  EXPECT_THAT([&] { AutoJournal(path_, "other inputs"); },
              ThrowsMessage<Error>(AllOf(HasSubstr(path_), HasSubstr("unfinished search"))));
  EXPECT_EQ(read_text(path_), before);
}

TEST_F(AutoJournalTest, ReplacesAFinishedSearchOfOtherInputs) {
  {
    AutoJournal journal(path_, "inputs");
    journal.add("trial", judgement());
    journal.finish();
  }
  EXPECT_NE(AutoJournal(path_, "inputs").find("trial"), nullptr);
  EXPECT_EQ(AutoJournal(path_, "other inputs").find("trial"), nullptr);
}

TEST_F(AutoJournalTest, IsUnfinishedAgainAfterAnotherTrial) {
  {
    AutoJournal journal(path_, "inputs");
    journal.finish();
    journal.add("trial", judgement());
  }
  EXPECT_THROW(AutoJournal(path_, "other inputs"), Error);
}

TEST_F(AutoJournalTest, NamesTheLineThatIsNone) {
  { AutoJournal(path_, "inputs").add("trial", judgement()); }
  write_file_atomically(path_, read_text(path_) + "no JSON\n");
  EXPECT_THAT([&] { AutoJournal(path_, "inputs"); },
              ThrowsMessage<Error>(AllOf(HasSubstr(path_), HasSubstr("line 3"))));
}

}  // namespace
}  // namespace shrike::quantize
