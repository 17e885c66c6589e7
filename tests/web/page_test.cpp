// The page of `make web` in a real browser, with real files: the integers and the boxes are those of the
// program, and the console stays silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "tests/cli/program.h"
#include "tests/shared_data.h"
#include "tests/web/browser.h"
#include "toolchain/data/image.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

const fs::path kPage = fs::path(SHRIKE_SOURCE_DIR) / "build/web/shrike.html";
const std::string kAdd = std::string(SHRIKE_SOURCE_DIR) + "/tests/fuzz/corpus/model_file/Add43.espdl";

// What the page and `shrike run` say about outputs, in one form.
std::map<std::string, std::string> hashes(const json& tensors) {
  std::map<std::string, std::string> result;
  for (const json& tensor : tensors) result[tensor.at("name")] = tensor.at("sha256");
  return result;
}

class WebPage : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    if (browser_program().empty()) GTEST_SKIP() << "needs a browser: apt-get install chromium";
    if (!fs::exists(kPage)) GTEST_SKIP() << "needs the page: make web (which installs emscripten)";
    browser_ = std::make_unique<Browser>(path("profile"), "file://" + kPage.string());
  }
  void TearDown() override {
    if (browser_ != nullptr) {
      EXPECT_THAT(browser_->complaints(), testing::IsEmpty());
      if (const char* folder = std::getenv("SHRIKE_SCREENSHOTS")) {
        const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
        browser_->save_screenshot(std::string(folder) + "/" + name + ".png");
      }
    }
    browser_.reset();
    ProgramTest::TearDown();
  }

  Browser& browser() { return *browser_; }
  json ask(const std::string& expression) { return browser_->evaluate(expression); }
  std::string text_of(const std::string& id) {
    return ask("document.getElementById('" + id + "').textContent");
  }

  // Chooses a file and waits until the page is done with it.
  std::string choose(const std::string& input, const std::string& file) {
    ask("document.documentElement.dataset.state = 'waiting', 0");
    browser_->choose_file("#" + input, file);
    browser_->wait_for("['ready', 'failed'].includes(document.documentElement.dataset.state)");
    return ask("document.documentElement.dataset.state");
  }

  static json program_json(const std::vector<std::string>& arguments) {
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.status, 0) << finished.err;
    return json::parse(finished.out);
  }

  // Opens both and demands that every output is the program's.
  void expect_equal_outputs(const std::string& model, const std::string& picture) {
    ASSERT_EQ(choose("model", model), "ready") << text_of("error");
    ASSERT_EQ(choose("picture", picture), "ready") << text_of("error");
    const std::string input = ask("state.model.inputs[0].name");
    const json printed = program_json({"run", model, "--input", input + "=" + picture, "--json"});
    EXPECT_EQ(hashes(ask("state.result.outputs")), hashes(printed.at("tensors")));
    std::printf("%s: %s ms a frame\n", fs::path(model).filename().c_str(),
                ask("document.documentElement.dataset.milliseconds").get<std::string>().c_str());
  }

  // Boxes, scores and classes are those of `shrike detect`, as far as it prints their digits.
  void expect_equal_objects(const std::string& model, const std::string& picture) {
    const json printed = program_json({"detect", model, picture, "--mode", "chip", "--json"});
    const json& expected = printed.at("images").at(0).at("detections");
    const json found = ask("state.result.objects");
    ASSERT_EQ(found.size(), expected.size());
    ASSERT_GT(found.size(), 0u) << "a picture with nothing in it shows nothing";
    for (size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].at("name"), expected[i].at("name"));
      EXPECT_NEAR(found[i].at("score").get<double>(), expected[i].at("score").get<double>(), 1e-6);
      for (size_t c = 0; c < 4; ++c)
        EXPECT_NEAR(found[i].at("box")[c].get<double>(), expected[i].at("box")[c].get<double>(), 1e-3);
    }
  }

  std::string png_of(const std::string& picture) const {
    const std::string name = path(fs::path(picture).stem().string() + ".png");
    data::save_image(data::load_image(picture), name);
    return name;
  }

 private:
  std::unique_ptr<Browser> browser_;
};

// The detector that every clone has, quantised once for all tests on pictures drawn for it.
class WebShapes : public WebPage {
 protected:
  static void TearDownTestSuite() {
    if (!folder_.empty()) fs::remove_all(folder_);
  }
  void SetUp() override {
    WebPage::SetUp();
    if (!IsSkipped() && folder_.empty()) make_files();
  }
  static std::string model() { return (folder_ / "shapes.espdl").string(); }
  static std::string picture() { return (folder_ / "picture.png").string(); }

 private:
  static void make_files() {
    folder_ = fs::temp_directory_path() / ("shrike_web_" + std::to_string(::getpid()));
    const std::string pictures = (folder_ / "shapes").string();
    fs::create_directories(folder_);
    const Finished drawn = run_program({SHRIKE_DRAW_SHAPES, {pictures, "16", "2", "2"}, {}});
    ASSERT_EQ(drawn.status, 0) << drawn.err;
    const Finished made = run({"quantize", std::string(SHRIKE_SOURCE_DIR) + "/examples/shapes/shapes.onnx",
                               "--calib", pictures + "/train/images", "-o", model(), "--quiet"});
    ASSERT_EQ(made.status, 0) << made.err;
    std::string first;
    for (const auto& entry : fs::directory_iterator(pictures + "/val/images")) {
      if (first.empty() || entry.path().string() < first) first = entry.path().string();
    }
    data::save_image(data::load_image(first), picture());
  }
  static inline fs::path folder_;
};

TEST_F(WebShapes, IntegersAndBoxesAreThoseOfTheProgram) {
  expect_equal_outputs(model(), picture());
  expect_equal_objects(model(), picture());
  EXPECT_THAT(text_of("facts"), HasSubstr("esp32p4"));
  EXPECT_THAT(text_of("facts"), HasSubstr("named in the file"));
}

TEST_F(WebShapes, TellsWhetherWhatTheProgramPrintedIsEqual) {
  ASSERT_EQ(choose("model", model()), "ready");
  ASSERT_EQ(choose("picture", picture()), "ready");
  const std::string input = ask("state.model.inputs[0].name");
  std::string printed = run({"run", model(), "--input", input + "=" + picture()}).out;
  const auto paste = [&](const std::string& text) {
    ask("document.getElementById('printed').value = " + json(text).dump() +
        "; document.getElementById('printed').dispatchEvent(new Event('input'))");
    return text_of("verdict");
  };
  EXPECT_THAT(paste(printed), HasSubstr("equal, bit for bit"));
  EXPECT_THAT(paste(run({"run", model(), "--input", input + "=" + picture(), "--json"}).out),
              HasSubstr("equal, bit for bit"));
  const size_t digit = printed.find("sha256 ") + 7;
  printed[digit] = printed[digit] == '0' ? '1' : '0';
  EXPECT_THAT(paste(printed), HasSubstr("1 of 6 outputs differs"));
  EXPECT_THAT(paste("hello"), HasSubstr("no output of this network"));
}

TEST_F(WebShapes, RawIntegersThatThePageSavedGiveTheSame) {
  ASSERT_EQ(choose("model", model()), "ready");
  ASSERT_EQ(choose("picture", picture()), "ready");
  const std::vector<int> stored = ask("Array.from(state.result.stored[0])");
  write("input.bin", std::string(stored.begin(), stored.end()));
  const std::string input = ask("state.model.inputs[0].name");
  const json printed = program_json({"run", model(), "--input", input + "=" + path("input.bin"), "--json"});
  const json of_picture = ask("state.result.outputs");
  EXPECT_EQ(hashes(of_picture), hashes(printed.at("tensors")));
  ASSERT_EQ(choose("picture", path("input.bin")), "ready") << text_of("error");
  EXPECT_EQ(ask("state.result.outputs"), of_picture);
  write("short.bin", "too short");
  EXPECT_EQ(choose("picture", path("short.bin")), "failed");
  EXPECT_THAT(text_of("error"), HasSubstr("it holds 9 bytes"));
}

TEST_F(WebShapes, WorksByKeyboard) {
  browser().press("Tab");
  EXPECT_EQ(ask("document.activeElement.id"), "model");
  ASSERT_EQ(choose("model", model()), "ready");
  browser().press("Tab");
  EXPECT_EQ(ask("document.activeElement.id"), "picture");
  ASSERT_EQ(choose("picture", picture()), "ready");
  browser().press("Tab");
  EXPECT_EQ(ask("document.activeElement.id"), "camera");
  browser().press("Tab");
  EXPECT_EQ(ask("document.activeElement.id"), "score");
  ASSERT_GT(ask("state.result.objects.length"), 0);
  for (int i = 0; i < 14; ++i) browser().press("ArrowRight");
  EXPECT_EQ(text_of("score-value"), "0.95");
  browser().wait_for("state.result.objects.every(object => object.score > 0.95)");
}

TEST_F(WebShapes, TakesTheCamera) {
  ASSERT_EQ(choose("model", model()), "ready");
  ask("document.getElementById('camera').click()");
  browser().wait_for("document.documentElement.dataset.frames > 3");
  EXPECT_THAT(text_of("time"), HasSubstr("a second"));
  ask("document.getElementById('camera').click()");
  browser().wait_for("document.documentElement.dataset.state === 'ready'");
  // The last frame, by way of its integers.
  const std::vector<int> stored = ask("Array.from(state.result.stored[0])");
  write("frame.bin", std::string(stored.begin(), stored.end()));
  const std::string input = ask("state.model.inputs[0].name");
  const json printed = program_json({"run", model(), "--input", input + "=" + path("frame.bin"), "--json"});
  EXPECT_EQ(hashes(ask("state.result.outputs")), hashes(printed.at("tensors")));
}

TEST_F(WebPage, RunsANetworkWhoseInputIsNoPicture) {
  ASSERT_EQ(choose("model", kAdd), "ready") << text_of("error");
  EXPECT_EQ(hashes(ask("state.result.outputs")), hashes(program_json({"run", kAdd, "--json"}).at("tensors")));
  EXPECT_EQ(ask("document.getElementById('picture').disabled"), false);
  EXPECT_EQ(ask("document.getElementById('camera').disabled"), true);
}

TEST_F(WebPage, SaysInASentenceWhatIsWrongWithAFile) {
  const std::string whole = read_text(kAdd);
  write("cut.espdl", whole.substr(0, whole.size() / 2));
  write("noise.espdl", std::string(3000, 'x'));
  write("empty.espdl", "");
  for (const char* name : {"cut.espdl", "noise.espdl", "empty.espdl"}) {
    EXPECT_EQ(choose("model", path(name)), "failed");
    EXPECT_THAT(text_of("error"), testing::MatchesRegex(std::string(name) + " can't be used: .*\\.")) << name;
  }
  // And goes on with the next one.
  EXPECT_EQ(choose("model", kAdd), "ready");
  write("noise.png", std::string(3000, 'x'));
  EXPECT_EQ(choose("picture", path("noise.png")), "failed");
  EXPECT_THAT(text_of("error"), HasSubstr("noise.png can't be used"));
}

// Files that others wrote: a head with masks, and one of another generation.
TEST_F(WebPage, MasksOfAPublishedFile) {
  SHRIKE_NEEDS_SHARED("models/espdl/coco_seg_yolo11n_seg_s8_v1.espdl");
  SHRIKE_NEEDS_SHARED("data/coco_val400/images");
  const std::string model = shared_root() + "/models/espdl/coco_seg_yolo11n_seg_s8_v1.espdl";
  const std::string picture = png_of(shared_root() + "/data/coco_val400/images/000000001584.jpg");
  expect_equal_outputs(model, picture);
  expect_equal_objects(model, picture);
  EXPECT_GT(ask("state.result.objects.filter(o => o.mask && o.mask.pixels.some(p => p)).length"), 0);
}

TEST_F(WebPage, APublishedFileOfTheOtherHead) {
  SHRIKE_NEEDS_SHARED("models/espdl/yolo26n_512_s8_p4.espdl");
  SHRIKE_NEEDS_SHARED("data/coco_val400/images");
  const std::string model = shared_root() + "/models/espdl/yolo26n_512_s8_p4.espdl";
  const std::string picture = png_of(shared_root() + "/data/coco_val400/images/000000001584.jpg");
  expect_equal_outputs(model, picture);
  expect_equal_objects(model, picture);
}

// Any file, to be compared and timed: SHRIKE_WEB_MODEL=yolo11n.espdl SHRIKE_WEB_PICTURE=street.png
TEST_F(WebPage, AFileThatIsNamed) {
  const char* model = std::getenv("SHRIKE_WEB_MODEL");
  const char* picture = std::getenv("SHRIKE_WEB_PICTURE");
  if (model == nullptr || picture == nullptr) GTEST_SKIP() << "needs SHRIKE_WEB_MODEL and SHRIKE_WEB_PICTURE";
  expect_equal_outputs(model, png_of(picture));
  expect_equal_objects(model, png_of(picture));
}

}  // namespace
}  // namespace shrike::tests
