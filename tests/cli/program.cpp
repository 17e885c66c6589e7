#include "tests/cli/program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLongest{120'000}, kPoll{2};

pid_t start(const Command& command, const std::string& out, const std::string& err) {
  std::vector<char*> pointers = {const_cast<char*>(command.program.c_str())};
  for (const std::string& argument : command.arguments)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  const int files[] = {::open("/dev/null", O_RDONLY), ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600),
                       ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600)};
  for (int stream = 0; stream < 3; ++stream) ::dup2(files[stream], stream);
  for (const auto& [name, value] : command.environment) ::setenv(name.c_str(), value.c_str(), 1);
  ::execvp(pointers[0], pointers.data());
  ::_exit(127);
}

}  // namespace

Finished run(const std::vector<std::string>& arguments, SendSignal send) {
  return run_program(Command{SHRIKE_PROGRAM, arguments, {}}, send);
}

Finished run_program(const Command& command, SendSignal send) {
  std::string streams = (fs::temp_directory_path() / "shrike_streams_XXXXXX").string();
  if (::mkdtemp(streams.data()) == nullptr) throw std::runtime_error("no temporary folder");
  const pid_t child = start(command, streams + "/out", streams + "/err");
  const Clock::time_point begin = Clock::now();
  int state = 0;
  while (::waitpid(child, &state, WNOHANG) == 0) {
    const auto elapsed = Clock::now() - begin;
    if (elapsed > kLongest) ::kill(child, SIGKILL);
    if (send.signal != 0 && elapsed >= milliseconds(send.milliseconds)) {
      ::kill(child, send.signal);
      send.signal = 0;
    }
    std::this_thread::sleep_for(kPoll);
  }
  Finished finished;
  if (WIFEXITED(state)) finished.status = WEXITSTATUS(state);
  if (WIFSIGNALED(state)) finished.signal = WTERMSIG(state);
  finished.out = read_text(streams + "/out");
  finished.err = read_text(streams + "/err");
  fs::remove_all(streams);
  return finished;
}

void expect_one_sentence(const Finished& finished, int status, const std::vector<std::string>& parts) {
  EXPECT_EQ(finished.signal, 0);
  EXPECT_EQ(finished.status, status);
  EXPECT_EQ(finished.out, "");
  EXPECT_THAT(finished.err, testing::StartsWith("shrike: "));
  EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
  EXPECT_THAT(finished.err, testing::EndsWith("\n"));
  for (const std::string& part : parts) EXPECT_THAT(finished.err, testing::HasSubstr(part));
}

void ProgramTest::SetUp() {
  std::string pattern = (fs::temp_directory_path() / "shrike_cli_XXXXXX").string();
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
}

void ProgramTest::TearDown() {
  fs::remove_all(folder_);
}

std::string ProgramTest::make_folder(const std::string& name) const {
  fs::create_directories(folder_ / name);
  return path(name);
}

void ProgramTest::write(const std::string& name, const std::string& bytes) const {
  std::ofstream(path(name), std::ios::binary) << bytes;
}

std::vector<std::string> ProgramTest::list(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_ / name))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace shrike::tests
