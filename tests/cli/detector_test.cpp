// eval and detect from the command line: data folders and pictures that are incomplete, broken or odd.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/shared_data.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

const std::string kNetwork = "golden/net/yolo11n_320_esp32p4_s8.espdl";
const std::string kValidation = "data/coco_val400";

std::string network() {
  return shared_root() + "/" + kNetwork;
}

class DetectorTest : public ProgramTest {
 protected:
  Finished evaluate(const std::string& data) const {
    return run({"eval", network(), "--data", data, "--quiet", "--save-json", path("detections.json")});
  }

  void expect_refused(const std::vector<std::string>& parts) const {
    expect_one_sentence(evaluate(path("data")), 1, parts);
    EXPECT_FALSE(std::filesystem::exists(path("detections.json")));
  }
};

TEST_F(DetectorTest, EvalNamesWhatTheDataFolderLacks) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  expect_refused({"data", "no such folder"});
  make_folder("data/images");
  expect_refused({"data", "instances.json is missing"});
  write("data/instances.json", R"({"images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}],
      "annotations": [], "categories": [{"id": 1, "name": "person"}]})");
  expect_refused({"a.jpg", "missing"});
  write("data/images/a.jpg", "not a picture");
  expect_refused({"a.jpg", "neither a JPEG nor a PNG"});
  std::filesystem::remove_all(path("data/images"));
  expect_refused({"data", "images/ is missing"});
}

TEST_F(DetectorTest, EvalRefusesBrokenAnnotations) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  make_folder("data/images");
  write("data/images/a.jpg", rgb_jpeg(8, 8));
  const std::string image = R"("images": [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}])";
  const std::string person = R"("categories": [{"id": 1, "name": "person"}])";
  for (const std::string& text :
       {std::string(), std::string("{\"images\": [{\"id\": 1, \"file_na"), std::string("[]"),
        std::string("{}"), "{" + image + ", \"annotations\": 5, " + person + "}",
        "{" + image + ", \"annotations\": [{\"image_id\": 1}], " + person + "}",
        "{\"images\": [], \"annotations\": [], " + person + "}",
        "{" + image + ", \"annotations\": [], \"categories\": [{\"id\": 7777, \"name\": \"a\"}]}"}) {
    SCOPED_TRACE(text);
    write("data/instances.json", text);
    expect_refused({});
  }
}

TEST_F(DetectorTest, EvalMeasuresAndWritesDetections) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  SHRIKE_NEEDS_SHARED(kValidation);
  const Finished finished = run({"eval", network(), "--data", shared_root() + "/" + kValidation, "--limit",
                                 "4", "--quiet", "--json", "--save-json", path("detections.json")});
  ASSERT_EQ(finished.status, 0) << finished.err;
  EXPECT_TRUE(Json::parse(finished.out).is_object());
  const Json detections = Json::parse(read_text(path("detections.json")));
  ASSERT_GT(detections.size(), 0u);
  EXPECT_EQ(detections[0].at("bbox").size(), 4u);
}

TEST_F(DetectorTest, EvalRefusesAResultFileThatCannotBeWritten) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  SHRIKE_NEEDS_SHARED(kValidation);
  expect_one_sentence(run({"eval", network(), "--data", shared_root() + "/" + kValidation, "--quiet",
                           "--save-json", "/proc/detections.json"}),
                      1, {"cannot write '/proc/detections.json'"});
}

TEST_F(DetectorTest, DetectReportsAMissingPictureAndStillDrawsTheOthers) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  write("a.jpg", rgb_jpeg(64, 48));
  const Finished finished =
      run({"detect", network(), path("a.jpg"), path("missing.jpg"), "-o", path("drawn")});
  EXPECT_EQ(finished.status, 1);
  EXPECT_THAT(finished.out, HasSubstr("a.jpg (64x48)"));
  EXPECT_EQ(finished.err, "shrike: cannot open '" + path("missing.jpg") + "': No such file or directory\n");
  EXPECT_THAT(list("drawn"), ElementsAre("a.jpg"));
  expect_one_sentence(run({"detect", network(), path("missing.jpg")}), 1, {"missing.jpg"});
}

TEST_F(DetectorTest, DetectTakesOddPictures) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  write("png_inside.jpg", png(50, 70));
  write("grey.jpg", raw_jpeg(JCS_GRAYSCALE, 1, 40, 30));
  write("cmyk.jpg", raw_jpeg(JCS_CMYK, 4, 40, 30));
  write("one_pixel.png", png(1, 1));
  write("thin.png", png(2000, 1));
  const Finished finished =
      run({"detect", network(), path("png_inside.jpg"), path("grey.jpg"), path("cmyk.jpg"),
           path("one_pixel.png"), path("thin.png"), "-o", path("drawn"), "--conf", "0"});
  EXPECT_EQ(finished.status, 0);
  EXPECT_EQ(finished.err, "");
  EXPECT_THAT(list("drawn"),
              UnorderedElementsAre("png_inside.jpg", "grey.jpg", "cmyk.jpg", "one_pixel.png", "thin.png"));
}

TEST_F(DetectorTest, DetectRefusesAFolderThatCannotBeWritten) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  write("a.jpg", rgb_jpeg(64, 48));
  for (const std::string& folder : {path("a.jpg"), path("a.jpg/drawn"), std::string("/proc/drawn")}) {
    expect_one_sentence(run({"detect", network(), path("a.jpg"), "-o", folder}), 1,
                        {"cannot create the folder"});
  }
  // Drawing into the pictures' own folder would overwrite them.
  expect_one_sentence(run({"detect", network(), path("a.jpg"), "-o", path("")}), 1, {"a.jpg", "overwrite"});
  EXPECT_EQ(read_text(path("a.jpg")), rgb_jpeg(64, 48));
}

TEST_F(DetectorTest, SaysWhatIsWrongWithTheCommandLine) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  write("a.jpg", rgb_jpeg(64, 48));
  expect_one_sentence(run({"detect", network(), path("a.jpg"), "--imgsz", "9000"}), 2, {"8192"});
  expect_one_sentence(run({"detect", network(), path("a.jpg"), "--imgsz", "320"}), 1, {"--imgsz"});
  expect_one_sentence(run({"detect", network(), path("a.jpg"), "--conf", "3"}), 2, {"--conf"});
  expect_one_sentence(run({"detect", network(), path("a.jpg"), "--mod", "chip"}), 2,
                      {"did you mean '--mode'"});
  expect_one_sentence(run({"detect", network()}), 2, {"IMAGE is required"});
}

}  // namespace
}  // namespace shrike::tests
