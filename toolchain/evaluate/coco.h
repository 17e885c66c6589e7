// COCO detection metrics, our own implementation of the protocol of the COCO paper and API (twelve numbers),
// for boxes, masks and key points.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "toolchain/evaluate/rle.h"
#include "toolchain/evaluate/turned.h"

namespace shrike::evaluate {

struct LabelledPoint {
  double x = 0, y = 0;
  int visibility = 0;  // 0: not labelled
};

struct GroundTruth {
  int64_t image_id = 0;
  int category_id = 0;
  double x = 0, y = 0, width = 0, height = 0;  // pixels
  double area = 0;
  bool crowd = false;
  std::vector<LabelledPoint> points;
  Rle mask;                     // no counts: none
  std::vector<double> polygon;  // x, y, ...: the mask is made of it; four corners are a turned box
};

struct Detection {
  int64_t image_id = 0;
  int category_id = 0;
  double x = 0, y = 0, width = 0, height = 0;
  double score = 0;
  std::vector<std::array<double, 2>> points = {};
  Rle mask = {};
  std::optional<Corners> turned = {};  // of a turned box
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
  std::vector<std::string> remarks;  // sentences about entries that can't be, which were left out or clipped
};

// What to do with boxes that can't be (negative, outside, twice the same).
enum class Labels { kTolerant, kStrict };

// Reads COCO instances JSON; throws Error naming the file and the entry. Categories that no annotation uses
// and that are the parent of others are left out.
Dataset load_coco(const std::string& json_path, Labels labels = Labels::kTolerant);

// AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl; -1 where undefined.
struct Metrics {
  std::array<double, 12> values;
  double map() const { return values[0]; }
  double map50() const { return values[1]; }
  struct Category {
    int id = 0;
    int64_t truths = 0;  // that count
    double map = -1, map50 = -1;
  };
  std::vector<Category> categories;  // those with truths, by id
};

// What two objects are compared by. Turned boxes: exact areas; a label that is no quadrilateral is its
// upright box. Key points: OKS, 20 detections an image, labels without a labelled point ignored, APs and ARs
// undefined; the deviations of COCO's 17 points, else 1/K for each of K.
enum class Measure { kBoxes, kMasks, kKeyPoints, kTurnedBoxes };

Metrics evaluate(const Dataset& dataset, const std::vector<Detection>& detections,
                 Measure measure = Measure::kBoxes);
const std::array<const char*, 12>& metric_names();

// Precision at recalls 0, .01, ... 1, mean over the categories: of boxes that overlap a label by .50, by .75,
// and the mean of .50 to .95, whose own mean is AP.
struct PrecisionCurves {
  std::array<double, 101> half, three_quarters, mean;
};
PrecisionCurves precision_curves(const Dataset& dataset, const std::vector<Detection>& detections,
                                 Measure measure = Measure::kBoxes);

// What went wrong in an image at an overlap of .50, with the detections whose score is greater than `score`.
struct Faults {
  int64_t image_id = 0;
  int labels = 0;  // that count
  int missed = 0;  // of them
  int wrong = 0;   // detections that are no label's
};
// Of every image, in the data set's order.
std::vector<Faults> faults(const Dataset& dataset, const std::vector<Detection>& detections, Measure measure,
                           double score);

// AP of the data set redrawn `draws` times, each time as many images as it has, with replacement (the
// bootstrap: Efron, Annals of Statistics 1979). Equal seeds draw equal images, so the figures of two
// detectors can be compared draw by draw.
std::vector<double> redrawn_precision(const Dataset& dataset, const std::vector<Detection>& detections,
                                      Measure measure, int draws, uint64_t seed = 0);
// By n - 1; 0 of fewer than two values.
double standard_deviation(const std::vector<double>& values);

std::string detections_json(const std::vector<Detection>& detections);
// The boxes of such a file, whoever wrote it; throws Error naming the file and the entry.
std::vector<Detection> load_detections(const std::string& json_path);

}  // namespace shrike::evaluate
