// What an output leaves as it was: the kind of what has its name, the mode, the links that lead to it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/system/streams.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;

class OutputsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "shrike_outputs_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  int entries() const {
    return static_cast<int>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  std::string folder_;
};

TEST_F(OutputsTest, AnExistingFileKeepsItsMode) {
  write_file_atomically(path("a"), std::string_view("old"));
  ASSERT_EQ(::chmod(path("a").c_str(), 0640), 0);
  write_file_atomically(path("a"), std::string_view("new"));
  struct stat now = {};
  ASSERT_EQ(::stat(path("a").c_str(), &now), 0);
  EXPECT_EQ(now.st_mode & 07777u, 0640u);
  EXPECT_EQ(read_text(path("a")), "new");
}

TEST_F(OutputsTest, ALinkStaysALinkAndItsFileIsWritten) {
  fs::create_directory(path("elsewhere"));
  write_file_atomically(path("elsewhere/a"), std::string_view("old"));
  fs::create_symlink("elsewhere/a", path("near"));
  fs::create_symlink(path("near"), path("far"));
  fs::create_symlink("elsewhere/b", path("dangling"));
  write_file_atomically(path("far"), std::string_view("new"));
  write_file_atomically(path("dangling"), std::string_view("first"));
  EXPECT_TRUE(fs::is_symlink(path("far")) && fs::is_symlink(path("near")) &&
              fs::is_symlink(path("dangling")));
  EXPECT_EQ(read_text(path("elsewhere/a")), "new");
  EXPECT_EQ(read_text(path("elsewhere/b")), "first");
  fs::create_symlink(path("circle"), path("circle"));
  EXPECT_THROW(write_file_atomically(path("circle"), std::string_view("x")), Error);
}

TEST_F(OutputsTest, ADeviceIsWrittenIntoAndNotReplaced) {
  fs::create_symlink("/dev/null", path("null"));  // also by another name
  require_writable(path("null"));
  write_file_atomically(path("null"), std::string_view("gone"));
  EXPECT_TRUE(fs::is_symlink(path("null")));
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  EXPECT_THROW(write_file_atomically("/dev/full", std::string_view("x")), Error);
  EXPECT_EQ(entries(), 1);
}

TEST_F(OutputsTest, APipeGetsTheBytes) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::string received;
  std::thread reader([&] { received = read_text(path("pipe")); });
  write_file_atomically(path("pipe"), std::string_view("through"));
  reader.join();
  EXPECT_EQ(received, "through");
  EXPECT_TRUE(fs::is_fifo(path("pipe")));
}

TEST_F(OutputsTest, ADescriptorIsContinued) {
  const int file = ::open(path("a").c_str(), O_WRONLY | O_CREAT, 0600);
  ASSERT_EQ(::write(file, "before ", 7), 7);
  write_file_atomically("/dev/fd/" + std::to_string(file), std::string_view("after"));
  ::close(file);
  EXPECT_EQ(read_text(path("a")), "before after");
}

TEST_F(OutputsTest, TheLongestNameThatAFileSystemTakesIsTaken) {
  const std::string name(255, 'n');
  write_file_atomically(path(name), std::string_view("x"));
  EXPECT_EQ(read_text(path(name)), "x");
  EXPECT_EQ(entries(), 1);
}

TEST_F(OutputsTest, AnEmptyNameIsRefused) {
  EXPECT_THROW(require_writable(""), Error);
  EXPECT_THROW(write_file_atomically("", std::string_view("x")), Error);
}

TEST_F(OutputsTest, ALimitOnTheSizeOfFilesIsAnErrorThatLeavesNothing) {
  const pid_t child = ::fork();
  if (child == 0) {
    prepare_standard_streams();  // else the signal SIGXFSZ would end the process
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    try {
      write_file_atomically(path("a"), std::string_view(std::string(8192, 'x')));
    } catch (const Error&) {
      ::_exit(0);
    }
    ::_exit(1);
  }
  int state = 0;
  ASSERT_EQ(::waitpid(child, &state, 0), child);
  EXPECT_TRUE(WIFEXITED(state) && WEXITSTATUS(state) == 0) << state;
  EXPECT_EQ(entries(), 0);
}

}  // namespace
}  // namespace shrike::tests
