// COCO detection metrics, our own implementation of the protocol of the COCO paper and API (twelve numbers).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace shrike::evaluate {

struct GroundTruth {
  int64_t image_id = 0;
  int category_id = 0;
  double x = 0, y = 0, width = 0, height = 0;  // pixels
  double area = 0;
  bool crowd = false;
};

struct Detection {
  int64_t image_id = 0;
  int category_id = 0;
  double x = 0, y = 0, width = 0, height = 0;
  double score = 0;
};

struct Dataset {
  struct ImageEntry {
    int64_t id;
    std::string file_name;
    int width, height;
  };
  std::vector<ImageEntry> images;  // order of the file
  std::vector<int> category_ids;   // sorted
  std::map<int, std::string> category_names;
  std::vector<GroundTruth> annotations;
};

// Reads COCO instances JSON; throws Error naming the file and the entry.
Dataset load_coco(const std::string& json_path);

// AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl; -1 where undefined.
struct Metrics {
  std::array<double, 12> values;
  double map() const { return values[0]; }
  double map50() const { return values[1]; }
};

Metrics evaluate(const Dataset& dataset, const std::vector<Detection>& detections);
const std::array<const char*, 12>& metric_names();

std::string detections_json(const std::vector<Detection>& detections);

}  // namespace shrike::evaluate
