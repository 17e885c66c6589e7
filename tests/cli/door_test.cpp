// LibTorch is a guest that comes when it is called: what needs no float engine starts without it and runs
// where it is not installed; what needs it says what to install.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/shared_data.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

const std::string kSmallFile = SHRIKE_SOURCE_DIR "/tests/fuzz/corpus/model_file/Add43.espdl";
const std::string kDetector = "golden/net/yolo11n_320_esp32p4_s8.espdl";

// The shared libraries that a program loads at its start, the program interpreter among them.
Words libraries_of(const std::string& program) {
  const Finished listed = run_program(Command{"ldd", {program}, {}});
  EXPECT_EQ(listed.status, 0) << listed.err;
  Words paths;
  std::istringstream words(listed.out);
  for (std::string word; words >> word;) {
    if (word.starts_with('/')) paths.push_back(word);
  }
  return paths;
}

class DoorTest : public ProgramTest {
 protected:
  Words quantize_words() {
    make_folder("images");
    write("images/a.jpg", rgb_jpeg(64, 48));
    write("m.onnx", "whatever");
    return {"quantize", path("m.onnx"), "--calib", path("images"), "-o", path("m.espdl")};
  }
  Finished quantize_with_module(const std::string& module) {
    return run_program(Command{SHRIKE_PROGRAM, quantize_words(), {{"SHRIKE_FLOAT_MODULE", module}}});
  }
};

TEST_F(DoorTest, TheProgramItselfIsLight) {
  const Words libraries = libraries_of(SHRIKE_PROGRAM);
  for (const std::string& library : libraries) EXPECT_THAT(library, Not(HasSubstr("torch")));
  EXPECT_LE(libraries.size(), 16u) << testing::PrintToString(libraries);
}

TEST_F(DoorTest, InfoOfAFileTakesLittleMemory) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stdout) == nullptr) ::_exit(126);
    ::execl(SHRIKE_PROGRAM, "shrike", "info", kSmallFile.c_str(), nullptr);
    ::_exit(127);
  }
  int state = 0;
  rusage usage = {};
  ASSERT_EQ(::wait4(child, &state, 0, &usage), child);
  EXPECT_EQ(WEXITSTATUS(state), 0);
  EXPECT_LE(usage.ru_maxrss, 30'000) << "KiB at most";
}

TEST_F(DoorTest, SaysWhatToInstallWhenTheModuleIsNotThere) {
  expect_one_sentence(quantize_with_module(path("nowhere.so")), 1,
                      {"nowhere.so", "float engine", "install the package shrike-float"});
}

TEST_F(DoorTest, SaysWhyAModuleCanNotBeLoaded) {
  write("broken.so", "no library");
  expect_one_sentence(quantize_with_module(path("broken.so")), 1, {"broken.so", "can't be loaded"});
  for (const std::string& library : libraries_of(SHRIKE_PROGRAM)) {
    if (library.find("libjpeg") == std::string::npos) continue;
    expect_one_sentence(quantize_with_module(library), 1, {library, "no module of Shrike"});
  }
}

// LibTorch computes convolutions by oneDNN, of which versions are wrong (toolchain/engine/self_check.h).
class OneDnnTest : public DoorTest {
 protected:
  void SetUp() override {
    DoorTest::SetUp();
    const std::string module = SHRIKE_MODULE;
    if (module.empty()) GTEST_SKIP() << "this build has no float engine";
    const Words libraries = libraries_of(module);
    const bool shared = std::any_of(libraries.begin(), libraries.end(), [](const std::string& library) {
      return library.find("libdnnl") != std::string::npos;
    });
    if (!shared) GTEST_SKIP() << "oneDNN is no library of its own here";
    make_folder("images");
    write("images/a.jpg", rgb_jpeg(64, 48));
  }
  Finished quantize_shapes(const std::string& preloaded) const {
    return run_program({SHRIKE_PROGRAM,
                        {"quantize", SHRIKE_SOURCE_DIR "/examples/shapes/shapes.onnx", "--calib",
                         path("images"), "-o", path("m.espdl"), "--quiet"},
                        {{"LD_PRELOAD", preloaded}}});
  }
};

TEST_F(OneDnnTest, IsNotBelievedWhenItComputesWrongly) {
  expect_one_sentence(quantize_shapes(SHRIKE_IDLE_ONEDNN), 1,
                      {"computes wrong convolutions on this machine", "DNNL_MAX_CPU_ISA=SSE41"});
  EXPECT_FALSE(fs::exists(path("m.espdl")));
}

TEST_F(OneDnnTest, OfAVersionThatIsKnownToBeWrongIsKeptToOldInstructions) {
  const Finished finished = quantize_shapes(SHRIKE_OLD_ONEDNN);
  EXPECT_EQ(finished.status, 0) << finished.err;
  EXPECT_THAT(read_text(path("m.json")), HasSubstr("oneDNN 0x1\""));
}

// A folder with the program, the libraries that it loads at its start, and nothing else.
class BareRootTest : public DoorTest {
 protected:
  void SetUp() override {
    DoorTest::SetUp();
    for (const std::string& library : libraries_of(SHRIKE_PROGRAM)) bring(library, library);
    bring(SHRIKE_PROGRAM, "/usr/bin/shrike");
    bring(kSmallFile, "/small.espdl");
    const Finished probe = run_inside({"--version"});
    if (probe.status != 0) GTEST_SKIP() << "this user may not change the root folder: " << probe.err;
  }

  void bring(const std::string& from, const std::string& to) const {
    const fs::path place = path("root") + to;
    fs::create_directories(place.parent_path());
    fs::copy_file(from, place);
  }

  Finished run_inside(const Words& arguments) const {
    Words words = {"-r", "chroot", path("root"), "/usr/bin/shrike"};  // an unprivileged user's chroot
    words.insert(words.end(), arguments.begin(), arguments.end());
    if (::geteuid() != 0) return run_program(Command{"unshare", words, {}});
    words.erase(words.begin(), words.begin() + 2);
    return run_program(Command{"chroot", words, {}});
  }
};

TEST_F(BareRootTest, RunsFilesAndRefusesFloatNetworks) {
  EXPECT_EQ(run_inside({"--help"}).status, 0);
  const Finished info = run_inside({"info", "/small.espdl"});
  EXPECT_EQ(info.status, 0) << info.err;
  EXPECT_THAT(info.out, HasSubstr("Add"));
  const Finished ran = run_inside({"run", "/small.espdl", "--output", "/dump"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_TRUE(fs::exists(path("root/dump/index.json")));

  fs::create_directories(path("root/images"));
  write("root/images/a.jpg", rgb_jpeg(64, 48));
  write("root/m.onnx", "whatever");
  expect_one_sentence(run_inside({"quantize", "/m.onnx", "--calib", "/images", "-o", "/m.espdl"}), 1,
                      {"float engine", "install the package shrike-float"});
}

TEST_F(BareRootTest, Detects) {
  SHRIKE_NEEDS_SHARED(kDetector);
  bring(shared_root() + "/" + kDetector, "/detector.espdl");
  write("root/a.jpg", rgb_jpeg(320, 320));
  const Finished found = run_inside({"detect", "/detector.espdl", "/a.jpg", "-o", "/found"});
  EXPECT_EQ(found.status, 0) << found.err;
  EXPECT_TRUE(fs::exists(path("root/found/a.jpg")));
}

}  // namespace
}  // namespace shrike::tests
