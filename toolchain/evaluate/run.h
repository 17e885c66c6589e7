// A detector over a COCO data set.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/evaluate/coco.h"
#include "toolchain/evaluate/detect.h"

namespace shrike::evaluate {

// A folder with instances.json and images/. Throws Error naming what is missing. `limit` > 0 keeps the first
// images of the file (and their annotations).
struct Folder {
  Dataset dataset;
  std::vector<std::string> paths;  // of dataset.images
};
Folder open_folder(const std::string& folder, int64_t limit);

// The data set's category of each class of the model: by order when their numbers agree, else by COCO's ids
// for 80 classes. Throws Error when neither fits.
std::vector<int> category_of_classes(const Dataset& dataset, size_t classes);

// Boxes as x, y, width, height.
std::vector<Detection> to_coco(const std::vector<shrike::Detection>& detections, int64_t image_id,
                               const std::vector<int>& categories);

}  // namespace shrike::evaluate
