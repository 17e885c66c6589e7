// Projects for boards: what they take from the file, and that everything in them which can be compiled here
// is compiled, against stand-ins for the headers of ESP-IDF and ESP-DL.
#include "toolchain/board/project.h"

#include <gmock/gmock.h>
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>

#include "tests/board/small_files.h"
#include "tests/shared_data.h"
#include "toolchain/support/error.h"

namespace shrike::board::tests {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kSource = SHRIKE_SOURCE_DIR;
const std::string kComponent =
    fs::path(SHRIKE_PROGRAM).parent_path().string() + "/../share/shrike/component/shrike";

std::string output_of(const std::string& command, int* status) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string text;
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, got);
  *status = WEXITSTATUS(pclose(pipe));
  return text;
}

class ProjectTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        fs::temp_directory_path() / (std::string("shrike_") + test->name() + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::vector<uint8_t>& bytes) const {
    write_file_atomically((folder_ / name).string(), bytes);
    return (folder_ / name).string();
  }

  Project make(const Facts& facts, const std::string& board, ProjectOptions options = {}) const {
    options.board = &find_board(board);
    require_chip(*options.board, facts.chip);
    options.component = kComponent;
    return make_project(facts, options);
  }

  static std::string text(const Project& project, const std::string& path) {
    for (const NamedBytes& file : project.files)
      if (file.path == path) return file.bytes;
    return "";
  }

  // With every option of its menu on, every source of main/ compiles, and the constants assemble.
  void expect_compiles(const Project& project) const {
    const fs::path root = folder_ / "project";
    fs::remove_all(root);
    for (const NamedBytes& file : project.files) {
      fs::create_directories((root / file.path).parent_path());
      write_file_atomically((root / file.path).string(), file.bytes);
    }
    const std::string main = (root / "main").string(), component = (root / "components/shrike").string();
    const std::string flags =
        " -std=gnu++20 -Wall -Wextra -Werror -fsyntax-only -DCONFIG_MODEL_TEST -DCONFIG_MODEL_PROFILE "
        "-DCONFIG_MODEL_HASHES -DCONFIG_MODEL_TWO_CORES -DCONFIG_MODEL_SHOWN_NODE=-1 -I" +
        main + " -I" + kSource + "/firmware/esp-dl/stand-in -I" + kSource + "/firmware/esp-idf/stand-in -I" +
        component + "/include -I" + component + "/runtime/include -I" + component + "/runtime ";
    int count = 0;
    for (const auto& entry : fs::directory_iterator(main)) {
      const fs::path& path = entry.path();
      int status = 0;
      if (path.extension() == ".cpp") {
        const std::string said = output_of("c++" + flags + path.string(), &status);
        EXPECT_EQ(status, 0) << said;
        ++count;
      }
      if (path.extension() == ".S") {
        const std::string said = output_of("c++ -c -I" + main + " -o /dev/null " + path.string(), &status);
        EXPECT_EQ(status, 0) << said;
      }
    }
    EXPECT_GE(count, 2);
  }

  fs::path folder_;
};

ProjectOptions with_picture() {
  ProjectOptions options;
  options.picture = data::Image{80, 40, std::vector<uint8_t>(80 * 40 * 3, 90)};
  return options;
}

TEST_F(ProjectTest, TakesEverythingFromTheFileOfADetector) {
  const std::string path =
      write("birds.espdl", file_with(kDetect, Target::kEsp32p4, "{0: 'shrike', 1: 'great \"tit\"'}"));
  const Facts facts = read_facts(path);
  EXPECT_EQ(facts.chip, Target::kEsp32p4);
  EXPECT_THAT(facts.names, ElementsAre("shrike", "great \"tit\""));
  EXPECT_EQ(library_postprocessor(facts), "yolo11");
  const Project project = make(facts, "p4-function-ev", with_picture());
  EXPECT_THAT(project.notes, IsEmpty());
  const std::string header = text(project, "main/model.h"), main = text(project, "main/main.cpp");
  EXPECT_THAT(header, HasSubstr("kClassCount = 2"));
  EXPECT_THAT(header, HasSubstr(R"("great \"tit\"")"));
  EXPECT_THAT(header, HasSubstr("kPictureWidth = 64, kPictureHeight = 32"));
  EXPECT_THAT(header, HasSubstr(facts.sha256));
  EXPECT_THAT(main, HasSubstr("dl::detect::yolo11PostProcessor"));
  EXPECT_THAT(main, HasSubstr("{0, 0, 0}, {255, 255, 255}, false"));
  EXPECT_THAT(main, HasSubstr("enable_letterbox({114, 114, 114})"));
  EXPECT_THAT(main, Not(HasSubstr("@")));
  EXPECT_THAT(text(project, "README.md"), HasSubstr("yours to change.\n\nInput: "));
  EXPECT_THAT(text(project, "sdkconfig.defaults"), HasSubstr("CONFIG_SPIRAM_SPEED_200M=y"));
  EXPECT_THAT(text(project, "sdkconfig.defaults"), HasSubstr("CONFIG_ESP32P4_REV_MIN_100=y"));
  EXPECT_EQ(text(project, "main/model.espdl"), std::string(facts.file.begin(), facts.file.end()));
  expect_compiles(project);
}

TEST_F(ProjectTest, CompilesForBothChipsAndBackendsWithPictureOrCamera) {
  for (const auto& [branches, names] :
       {std::pair{kDetect, "{0: 'a', 1: 'b'}"}, std::pair{kPose, "{0: 'person'}"}}) {
    for (const auto& [chip, board] :
         {std::pair{Target::kEsp32p4, "p4x-function-ev"}, std::pair{Target::kEsp32s3, "s3-eye"}}) {
      const Facts facts = read_facts(write("model.espdl", file_with(branches, chip, names)));
      for (const Backend backend : {Backend::kEspDl, Backend::kShrike}) {
        SCOPED_TRACE(std::string(board) + (backend == Backend::kShrike ? " shrike" : " esp-dl"));
        ProjectOptions options = with_picture();
        options.backend = backend;
        expect_compiles(make(facts, board, options));
        options.picture.reset();
        options.camera = true;
        options.location = Location::kPartition;
        expect_compiles(make(facts, board, options));
      }
    }
  }
}

TEST_F(ProjectTest, DecodesAPoseFileWithItsOwnClass) {
  const Facts facts = read_facts(write("pose.espdl", file_with(kPose, Target::kEsp32s3, "{0: 'person'}")));
  ProjectOptions options = with_picture();
  options.score_threshold = 0;
  const Project project = make(facts, "s3-devkit-n8r8", options);
  EXPECT_THAT(text(project, "main/main.cpp"), HasSubstr("dl::detect::yolo11posePostProcessor"));
  EXPECT_THAT(text(project, "main/main.cpp"), HasSubstr("result.keypoint"));
  EXPECT_THAT(text(project, "README.md"), HasSubstr("SHRIKE points ("));
  EXPECT_THAT(text(project, "sdkconfig.defaults"), HasSubstr("CONFIG_SPIRAM_MODE_OCT=y"));
}

// ESP-DL has no decoder of turned boxes: its program must not promise any.
TEST_F(ProjectTest, SaysOfTurnedBoxesWhatEachBackendPrints) {
  const Facts facts = read_facts(write("turned.espdl", file_with(kTurned, Target::kEsp32p4, "{0: 'ship'}")));
  ProjectOptions options = with_picture();
  options.score_threshold = 0;
  EXPECT_THAT(text(make(facts, "p4-function-ev", options), "README.md"),
              AllOf(Not(HasSubstr("SHRIKE box")), HasSubstr("SHRIKE PASS on the picture")));
  options.backend = Backend::kShrike;
  EXPECT_THAT(text(make(facts, "p4-function-ev", options), "README.md"),
              AllOf(HasSubstr("SHRIKE box"), HasSubstr("SHRIKE angle radians=")));
}

// Files that ESP-PPQ writes name none.
TEST_F(ProjectTest, TakesAFileThatNamesNoChipForTheBoards) {
  espdl::Program program = program_with(kDetect, Target::kEsp32s3, "{0: 'a', 1: 'b'}");
  program.metadata.erase("target");
  const std::string path = write("unnamed.espdl", espdl::serialize(program));
  const Facts facts = read_facts_for(find_board("s3-eye"), path);
  EXPECT_EQ(facts.chip, Target::kEsp32s3);
  ProjectOptions options = with_picture();
  options.backend = Backend::kShrike;
  const Project project = make(facts, "s3-eye", options);
  EXPECT_THAT(text(project, "sdkconfig.defaults"), HasSubstr("CONFIG_IDF_TARGET=\"esp32s3\""));
  EXPECT_THAT(text(project, "main/main.cpp"), HasSubstr("shrike::Target::kEsp32s3"));
  EXPECT_THAT(text(project, "README.md"), HasSubstr("board.log --target esp32s3"));
  const std::string named = write("named.espdl", file_with(kDetect, Target::kEsp32s3, "{0: 'a', 1: 'b'}"));
  const auto hashes = [](const Project& of) {
    const std::string header = text(of, "main/model.h");
    return header.substr(header.find("struct Output"));
  };
  EXPECT_EQ(hashes(project), hashes(make(read_facts(named), "s3-eye", options)));
  EXPECT_NE(hashes(project), hashes(make(read_facts_for(find_board("p4-eye"), path), "p4-eye", options)));
  EXPECT_EQ(read_facts_for(find_board("p4-eye"), path).chip, Target::kEsp32p4);
}

TEST_F(ProjectTest, RefusesABoardOfAnotherChip) {
  const Facts facts = read_facts(write("a.espdl", file_with(kDetect, Target::kEsp32s3, "{}")));
  try {
    make(facts, "p4-eye");
    FAIL() << "the board was accepted";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr("p4-eye"));
    EXPECT_THAT(error.what(), HasSubstr("esp32s3"));
    EXPECT_THAT(error.what(), HasSubstr("s3-eye"));
  }
}

TEST_F(ProjectTest, PutsAModelThatTheProgramCannotHoldIntoAPartition) {
  Facts facts = read_facts(write("a.espdl", file_with(kDetect, Target::kEsp32s3, "{}")));
  facts.file.resize(6'100'000);
  const Project project = make(facts, "s3-devkit-n8r8");
  EXPECT_THAT(text(project, "partitions.csv"), HasSubstr("model,   data, spiffs"));
  EXPECT_THAT(text(project, "main/main.cpp"), HasSubstr("fbs::MODEL_LOCATION_IN_FLASH_PARTITION"));
  facts.file.resize(9'000'000);
  EXPECT_THROW(make(facts, "s3-devkit-n8r8"), Error);
}

TEST_F(ProjectTest, HoldsTheSameFilesEveryTime) {
  const Facts facts = read_facts(write("a.espdl", file_with(kDetect, Target::kEsp32p4, "{}")));
  const Project first = make(facts, "p4-eye", with_picture()), second = make(facts, "p4-eye", with_picture());
  ASSERT_EQ(first.files.size(), second.files.size());
  for (size_t i = 0; i < first.files.size(); ++i) {
    EXPECT_EQ(first.files[i].path, second.files[i].path);
    EXPECT_EQ(first.files[i].bytes, second.files[i].bytes);
  }
}

TEST_F(ProjectTest, WritesACArrayThatACompilerReadsBack) {
  const Facts facts = read_facts(write("a.espdl", file_with(kDetect, Target::kEsp32p4, "{}")));
  const Project project = make_c_array(facts);
  for (const NamedBytes& file : project.files)
    write_file_atomically((folder_ / file.path).string(), file.bytes);
  write_file_atomically(
      (folder_ / "print.c").string(),
      "#include <stdio.h>\n#include \"model.h\"\nint main(void) { return fwrite(model_espdl, 1, "
      "MODEL_ESPDL_BYTES, stdout) != MODEL_ESPDL_BYTES; }\n");
  const std::string folder = folder_.string();
  int status = 0;
  const std::string said = output_of("cc -std=c11 -o " + folder + "/print " + folder + "/print.c " + folder +
                                         "/model.c && " + folder + "/print > " + folder + "/back.espdl",
                                     &status);
  ASSERT_EQ(status, 0) << said;
  EXPECT_EQ(read_file(folder + "/back.espdl"), facts.file);
}

// Copied anywhere, the component holds all that its sources include.
TEST_F(ProjectTest, TheComponentNeedsNothingBesideIt) {
  constexpr const char* kCompiler = "riscv64-unknown-elf-g++";
  int found = 0;
  output_of(std::string(kCompiler) + " --version", &found);
  if (found != 0) GTEST_SKIP() << "needs " << kCompiler;
  const fs::path copy = folder_ / "shrike";
  fs::copy(kComponent, copy, fs::copy_options::recursive);
  int status = 0, count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(copy)) {
    if (entry.path().extension() != ".cpp" || entry.path().string().find("/examples/") != std::string::npos)
      continue;
    const std::string said = output_of(
        kCompiler +
            std::string(" -march=rv32imafc -mabi=ilp32f --specs=picolibc.specs -std=gnu++20 -fsyntax-only "
                        "-fno-exceptions -fno-rtti -I") +
            copy.string() + "/include -I" + copy.string() + "/runtime/include -I" + copy.string() +
            "/runtime -I" + kSource + "/firmware/esp-idf/stand-in " + entry.path().string(),
        &status);
    EXPECT_EQ(status, 0) << said;
    ++count;
  }
  EXPECT_GT(count, 50);
  const std::string manifest = read_text((copy / "idf_component.yml").string());
  EXPECT_THAT(manifest, HasSubstr("license: MIT"));
  EXPECT_THAT(manifest, HasSubstr("url: http"));
  EXPECT_THAT(manifest, Not(HasSubstr("@")));
}

}  // namespace
}  // namespace shrike::board::tests
