// Runs the built program as a user does, and looks at everything it leaves: exit status, both streams, files.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace shrike::tests {

struct Finished {
  int status = -1;  // exit status; -1 when a signal ended the program
  int signal = 0;   // the signal that ended it
  std::string out, err;
};

struct SendSignal {
  int signal = 0;        // 0: none
  int milliseconds = 0;  // after the start
};

struct Command {
  std::string program;  // a path, or a name to be found in PATH
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  // in addition to the test's own
};

// A run that takes longer than two minutes is killed, and then fails the test by its signal.
Finished run(const std::vector<std::string>& arguments, SendSignal send = {});
Finished run_program(const Command& command, SendSignal send = {});

// The work failed: `status`, nothing on standard output, exactly one line "shrike: ..." with all of `parts`
// on standard error.
void expect_one_sentence(const Finished& finished, int status, const std::vector<std::string>& parts);

// Each test gets an empty folder of its own.
class ProgramTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string make_folder(const std::string& name) const;
  void write(const std::string& name, const std::string& bytes) const;
  // Names of what a folder holds, sorted.
  std::vector<std::string> list(const std::string& name) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace shrike::tests
