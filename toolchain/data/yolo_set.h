// Label sets in the form of YOLO's training tools: a data.yaml, pictures in folders called images, and beside
// them labels in text files: a class and numbers of 0..1 a line.
#pragma once
#include <map>
#include <string>
#include <vector>

namespace shrike::data {

struct YoloYaml {
  std::map<int, std::string> names;
  std::vector<std::string> train, val;  // pictures
};
// Throws Error naming the file and what is missing.
YoloYaml load_yolo_yaml(const std::string& path);

struct YoloLabel {
  int category = 0;
  // Shares of the picture's sides.
  double x = 0, y = 0, width = 0, height = 0;  // left upper corner and size
  std::vector<double> polygon;                 // x, y, ...; empty: none
  std::vector<double> points;                  // x, y, visibility for each key point; empty: none
};
// The labels of a picture: none when there is no file. `key_point_values`: 0 when the set has no key points,
// else numbers for each (2 or 3).
std::vector<YoloLabel> load_yolo_labels(const std::string& picture, int key_point_values);

}  // namespace shrike::data
