#include "toolchain/search/auto_journal.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
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

// The searcher's way: whatever was damaged is tried again, whatever was not is believed.
TEST_F(AutoJournalTest, CutsDamagedLinesWithANote) {
  {
    AutoJournal journal(path_, "inputs");
    for (const char* trial : {"first", "second", "third"}) journal.add(trial, judgement());
  }
  const std::string whole = read_text(path_);
  const size_t second = whole.find("{\"trial\":\"second\"");
  std::vector<std::string> damaged = {whole};
  damaged[0].insert(second, "calibrate 4/4 in 0.2 s\n");
  damaged.push_back(whole);
  damaged[1][whole.find("0.1,", second)] = '7';  // still JSON, another number
  damaged.push_back(whole);
  damaged[2].insert(second + 10, 3, '\0');
  for (size_t i = 0; i < damaged.size(); ++i) {
    SCOPED_TRACE(i);
    write_file_atomically(path_, std::string_view(damaged[i]));
    {
      const AutoJournal journal(path_, "inputs");
      EXPECT_THAT(journal.notes(),
                  testing::ElementsAre(AllOf(HasSubstr("1 damaged line"), HasSubstr("line 3"))));
      EXPECT_NE(journal.find("first"), nullptr);
      EXPECT_EQ(journal.find("second") != nullptr, i == 0);
      EXPECT_NE(journal.find("third"), nullptr);
    }
    EXPECT_THAT(AutoJournal(path_, "inputs").notes(), testing::IsEmpty()) << "cut once and for all";
  }
}

TEST_F(AutoJournalTest, OutlivesTheLossOfItsFirstLine) {
  { AutoJournal(path_, "inputs").add("trial", judgement()); }
  const std::string whole = read_text(path_);
  for (const std::string& first :
       {std::string(), std::string("xx\n"), std::string("{\"shrike_auto\":4}\n")}) {
    SCOPED_TRACE(first);
    write_file_atomically(path_, first + whole.substr(whole.find('\n') + 1));
    const AutoJournal journal(path_, "inputs");
    EXPECT_NE(journal.find("trial"), nullptr);
    EXPECT_THAT(journal.notes(), testing::SizeIs(1));
  }
  EXPECT_EQ(read_text(path_), whole);
}

TEST_F(AutoJournalTest, BelievesNoJudgementOfAnotherShape) {
  { AutoJournal(path_, "inputs").add("trial", judgement()); }
  EXPECT_NE(AutoJournal(path_, "inputs", {2, true}).find("trial"), nullptr);
  for (const JudgementShape& shape : {JudgementShape{3, true}, JudgementShape{2, false}}) {
    { AutoJournal(path_, "inputs").add("trial", judgement()); }
    const AutoJournal journal(path_, "inputs", shape);
    EXPECT_EQ(journal.find("trial"), nullptr);
    EXPECT_THAT(journal.notes(), testing::SizeIs(1));
  }
}

TEST_F(AutoJournalTest, TellsASecondSearchOfTheFirst) {
  { AutoJournal(path_, "inputs").add("trial", judgement()); }
  const std::string before = read_text(path_);
  const int other = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);  // as another process has it
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_THAT([&] { AutoJournal(path_, "inputs"); },
              ThrowsMessage<Error>(AllOf(HasSubstr(path_), HasSubstr("another search"))));
  EXPECT_EQ(read_text(path_), before);
  ::close(other);
  EXPECT_NE(AutoJournal(path_, "inputs").find("trial"), nullptr);
}

TEST_F(AutoJournalTest, LeavesAFileThatIsNoJournalAlone) {
  for (const std::string& content :
       {std::string("my notes\n"), std::string("{\"images\": []}\n"), std::string("x")}) {
    write_file_atomically(path_, std::string_view(content));
    EXPECT_THAT([&] { AutoJournal(path_, "inputs"); },
                ThrowsMessage<Error>(AllOf(HasSubstr(path_), HasSubstr("no journal"))));
    EXPECT_EQ(read_text(path_), content);
  }
  write_file_atomically(path_, std::string(100, '\0'));  // a power cut
  EXPECT_THAT(AutoJournal(path_, "inputs").notes(), testing::IsEmpty());
}

TEST_F(AutoJournalTest, MixesNoJudgementsOfAnotherFloatEngine) {
  const JudgementShape here{2, true, "LibTorch AVX512"}, there{2, true, "LibTorch AVX2"};
  { AutoJournal(path_, "inputs", here).add("trial", judgement()); }
  const std::string before = read_text(path_);
  EXPECT_THAT([&] { AutoJournal(path_, "inputs", there); },
              ThrowsMessage<Error>(
                  AllOf(HasSubstr(path_), HasSubstr("LibTorch AVX512"), HasSubstr("LibTorch AVX2"))));
  EXPECT_EQ(read_text(path_), before);
  EXPECT_NE(AutoJournal(path_, "inputs", here).find("trial"), nullptr);
}

}  // namespace
}  // namespace shrike::quantize
