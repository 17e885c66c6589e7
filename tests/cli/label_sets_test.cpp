// The same pictures and labels as a YOLO data.yaml and as a COCO file: the same file from quantize, the same
// numbers from eval.
#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/cli/program.h"
#include "tests/shared_data.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

const std::string kNetwork = "golden/net/yolo11n_320_esp32p4_s8.espdl";

class LabelSets : public ProgramTest {
 protected:
  // Pictures of the shared set in two layouts, with boxes that both can say exactly: multiples of 1/128 of
  // the side.
  void make_sets() {
    const std::string shared = shared_root() + "/data/coco_val400";
    const Json all = Json::parse(std::ifstream(shared + "/instances.json"));
    make_folder("yolo/images/val");
    make_folder("yolo/labels/val");
    make_folder("coco/images");
    std::string names = "path: .\nval: images/val\nnames:\n";
    Json coco = {
        {"images", Json::array()}, {"annotations", Json::array()}, {"categories", all["categories"]}};
    std::map<int, int> classes;  // the category's place in the list
    for (const Json& one : all["categories"]) {
      const int place = static_cast<int>(classes.size());
      classes[one["id"].get<int>()] = place;
      names += "  " + std::to_string(place) + ": " + one["name"].get<std::string>() + "\n";
    }
    for (size_t i = 0; i < 12; ++i) {
      const Json& image = all["images"][i];
      const std::string file = image["file_name"].get<std::string>();
      fs::create_symlink(shared + "/images/" + file, path("yolo/images/val/" + file));
      fs::create_symlink(shared + "/images/" + file, path("coco/images/" + file));
      coco["images"].push_back(image);
      const double width = image["width"].get<double>(), height = image["height"].get<double>();
      std::string lines;
      for (const Json& label : all["annotations"]) {
        if (label["image_id"] != image["id"]) continue;
        const auto cells = [](double value, double side) { return std::round(value / side * 128) / 128; };
        const Json& box = label["bbox"];
        double w = cells(box[2].get<double>(), width), h = cells(box[3].get<double>(), height);
        const double x = cells(box[0].get<double>(), width), y = cells(box[1].get<double>(), height);
        w = std::min(std::max(w, 2.0 / 128), 1 - x);
        h = std::min(std::max(h, 2.0 / 128), 1 - y);
        if (w <= 0 || h <= 0) continue;
        lines += std::to_string(classes.at(label["category_id"].get<int>()));
        for (const double number : {x + w / 2, y + h / 2, w, h}) {
          char text[32];
          std::snprintf(text, sizeof text, " %.10f", number);
          lines += text;
        }
        lines += "\n";
        coco["annotations"].push_back({{"id", coco["annotations"].size() + 1},
                                       {"image_id", image["id"]},
                                       {"category_id", label["category_id"]},
                                       {"iscrowd", 0},
                                       {"area", w * width * h * height},
                                       {"bbox", {x * width, y * height, w * width, h * height}}});
      }
      write("yolo/labels/val/" + file.substr(0, file.rfind('.')) + ".txt", lines);
    }
    write("yolo/data.yaml", names);
    write("coco/instances.json", coco.dump());
  }

  Json evaluate(const std::string& data) const {
    const Finished finished =
        run({"eval", shared_root() + "/" + kNetwork, "--data", path(data), "--quiet", "--json"});
    EXPECT_EQ(finished.status, 0) << finished.err;
    return Json::parse(finished.out);
  }
};

TEST_F(LabelSets, YoloAndCocoGiveTheSameNumbers) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  SHRIKE_NEEDS_SHARED("data/coco_val400");
  make_sets();
  const Json yolo = evaluate("yolo/data.yaml"), folder = evaluate("yolo"), coco = evaluate("coco");
  EXPECT_GT(coco["metrics"]["AP50"].get<double>(), 0.2);
  EXPECT_EQ(yolo["metrics"], coco["metrics"]);
  EXPECT_EQ(folder["metrics"], coco["metrics"]);
  ASSERT_EQ(yolo["classes"].size(), coco["classes"].size());
  for (const Json& own : coco["classes"]) {
    const auto same = std::find_if(yolo["classes"].begin(), yolo["classes"].end(),
                                   [&](const Json& other) { return other["name"] == own["name"]; });
    ASSERT_NE(same, yolo["classes"].end()) << own["name"];
    EXPECT_EQ((*same)["AP"], own["AP"]) << own["name"];
    EXPECT_EQ((*same)["labels"], own["labels"]) << own["name"];
  }
}

TEST_F(LabelSets, QuantizeTakesThePicturesOfEither) {
  SHRIKE_NEEDS_SHARED("cases/works/detect_3_levels.onnx");
  SHRIKE_NEEDS_SHARED("data/coco_val400");
  make_sets();
  std::vector<std::string> written;
  for (const char* calibration : {"yolo/data.yaml", "yolo/images/val", "coco/images", "coco"}) {
    const std::string out = path("out" + std::to_string(written.size()) + ".espdl");
    const Finished finished = run({"quantize", shared_root() + "/cases/works/detect_3_levels.onnx", "--calib",
                                   path(calibration), "--quiet", "-o", out});
    ASSERT_EQ(finished.status, 0) << calibration << ": " << finished.err;
    written.push_back(read_text(out));
    EXPECT_EQ(written.back(), written.front()) << calibration;
  }
}

}  // namespace
}  // namespace shrike::tests
