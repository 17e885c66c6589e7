// A detector of three classes with a wide input, end to end: the published network with three rows left of
// its class convolutions, quantised, measured, shown with its own names, and run on the bare machine.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/firmware/tools.h"
#include "tests/shared_data.h"
#include "toolchain/import/onnx/proto.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// Rows of COCO's 80 classes, and the categories' numbers in COCO's files.
struct Class {
  int row, category;
  const char* name;
};
constexpr Class kClasses[] = {{0, 1, "walker"}, {2, 3, "car"}, {5, 6, "bus"}};

onnx::TensorProto* initializer(onnx::GraphProto& graph, const std::string& name) {
  for (auto& tensor : *graph.mutable_initializer()) {
    if (tensor.name() == name) return &tensor;
  }
  return nullptr;
}

// Keeps the rows of the first axis that the three classes have.
void keep_rows(onnx::TensorProto& tensor) {
  const std::string all = tensor.raw_data();
  const size_t row_bytes = all.size() / static_cast<size_t>(tensor.dims(0));
  std::string kept;
  for (const Class& one : kClasses) kept += all.substr(static_cast<size_t>(one.row) * row_bytes, row_bytes);
  tensor.set_dims(0, std::size(kClasses));
  tensor.set_raw_data(kept);
}

void make_network(const std::string& from, const std::string& to) {
  onnx::ModelProto model;
  std::ifstream file(from, std::ios::binary);
  ASSERT_TRUE(model.ParseFromIstream(&file));
  onnx::GraphProto& graph = *model.mutable_graph();
  for (const std::string level : {"0", "1", "2"}) {
    for (const char* part : {".2.weight", ".2.bias"}) {
      onnx::TensorProto* tensor = initializer(graph, "model.23.cv3." + level + part);
      ASSERT_NE(tensor, nullptr);
      ASSERT_FALSE(tensor->raw_data().empty());
      keep_rows(*tensor);
    }
  }
  // The decoder's own outputs are of 80 classes: it ends at the raw convolutions, as exports for chips do.
  graph.clear_output();
  graph.clear_value_info();
  for (const std::string level : {"0", "1", "2"}) {
    graph.add_output()->set_name("/model.23/cv2." + level + "/cv2." + level + ".2/Conv_output_0");
    graph.add_output()->set_name("/model.23/cv3." + level + "/cv3." + level + ".2/Conv_output_0");
  }
  auto* names = model.add_metadata_props();
  names->set_key("names");
  names->set_value("{0: 'walker', 1: 'car', 2: 'bus'}");
  std::ofstream(to, std::ios::binary) << model.SerializeAsString();
}

// The labels of the three classes, under the network's names, with the first pictures that show cars or
// buses.
void make_set(const std::string& shared, const std::string& folder, size_t most) {
  const Json all = Json::parse(std::ifstream(shared + "/data/coco_val400/instances.json"));
  std::set<int64_t> wanted;
  for (const Json& one : all["annotations"]) {
    if (wanted.size() < most && (one["category_id"] == 3 || one["category_id"] == 6))
      wanted.insert(one["image_id"].get<int64_t>());
  }
  Json kept = {{"images", Json::array()}, {"annotations", Json::array()}, {"categories", Json::array()}};
  for (const Json& one : all["images"]) {
    if (wanted.contains(one["id"].get<int64_t>())) kept["images"].push_back(one);
  }
  for (const Class& own : kClasses) {
    kept["categories"].push_back({{"id", own.category}, {"name", own.name}});
    for (const Json& one : all["annotations"]) {
      if (one["category_id"] == own.category && wanted.contains(one["image_id"].get<int64_t>()))
        kept["annotations"].push_back(one);
    }
  }
  make_folder(folder);
  fs::create_directory_symlink(shared + "/data/coco_val400/images", folder + "/images");
  std::ofstream(folder + "/instances.json") << kept;
}

double average_precision(const Finished& finished) {
  EXPECT_EQ(finished.status, 0) << finished.output;
  return Json::parse(finished.output.substr(finished.output.find('{')))["metrics"]["AP50"].get<double>();
}

TEST(ThreeClasses, FromTheFloatNetworkToTheBareMachine) {
  SHRIKE_NEEDS_TOOLS();
  SHRIKE_NEEDS_SHARED("models/yolo11n.onnx");
  SHRIKE_NEEDS_SHARED("data/coco_val400");
  const std::string shared = shared_root(), folder = kBuild + "/three_classes",
                    program = std::string(SHRIKE_PROGRAM) + " ";
  fs::remove_all(folder);
  make_folder(folder);
  const std::string network = folder + "/three.onnx", file = folder + "/three.espdl", set = folder + "/set";
  make_network(shared + "/models/yolo11n.onnx", network);
  make_set(shared, set, 24);

  const Finished quantized =
      run(program + "quantize " + network + " --calib " + shared +
          "/data/coco_calib320/images --imgsz 160x288 --calibration-images 8 --weight-refit off "
          "--exponent-search off -o " +
          file);
  ASSERT_EQ(quantized.status, 0) << quantized.output;

  const std::string eval = " --data " + set + " --json --quiet";
  const double before = average_precision(run(program + "eval " + network + " --imgsz 160x288" + eval));
  const double after = average_precision(run(program + "eval " + file + eval));
  EXPECT_GT(before, 0.2);
  EXPECT_GT(after, before - 0.05) << "of " << before;

  const Json pictures = Json::parse(std::ifstream(set + "/instances.json"))["images"];
  const std::string picture = set + "/images/" + pictures[0]["file_name"].get<std::string>();
  const Finished detected = run(program + "detect " + file + " " + picture + " --json --conf 0.1");
  ASSERT_EQ(detected.status, 0) << detected.output;
  const Json json = Json::parse(detected.output);
  const Json& objects = json["images"][0]["detections"];
  EXPECT_FALSE(objects.empty());
  for (const Json& object : objects) EXPECT_EQ(object["name"], kClasses[object["class"].get<size_t>()].name);

  const Finished firmware =
      run(program + "run-firmware " + file + " " + picture + " --build " + kBuild + "/detect --timeout 120");
  EXPECT_EQ(firmware.status, 0) << firmware.output;
  EXPECT_NE(firmware.output.find("agree on every output tensor and every detection"), std::string::npos);
}

}  // namespace
}  // namespace shrike::tests
