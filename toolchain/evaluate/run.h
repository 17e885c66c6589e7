// A network over a labelled data set.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/evaluate/coco.h"
#include "toolchain/evaluate/detect.h"

namespace shrike::evaluate {

// A labelled set of objects. Boxes of sets whose labels are shares of the picture become pixels by
// to_pixels().
struct Folder {
  Dataset dataset;
  std::vector<std::string> paths;  // of dataset.images
  bool in_shares = false;
};
struct FolderOptions {
  int64_t limit = 0;  // > 0: only the first pictures, and their annotations
  Labels labels = Labels::kTolerant;
  int key_point_values = 0;  // of YOLO's labels: 3, or 0 for none
  bool training = false;     // of a data.yaml the pictures of `train:` instead of those of `val:`
};
// `place`: a folder with instances.json and images/, or with _annotations.coco.json beside its pictures; such
// a JSON file (pictures in images/ beside it, or beside it); a YOLO data.yaml or a folder that holds one.
// Throws Error naming what is missing.
Folder open_folder(const std::string& place, const FolderOptions& options = {});
// `sizes` (width, height) of the pictures, in their order. Also for sets in pixels: tells pictures whose size
// is not what the set says.
void to_pixels(Folder& folder, const std::vector<std::pair<int, int>>& sizes);

// A set of pictures in a folder for each class, named after it.
struct ClassFolders {
  std::vector<std::string> names;  // sorted
  std::vector<std::string> paths;
  std::vector<int> labels;  // index into names, of each path
};
bool are_class_folders(const std::string& place);
ClassFolders open_class_folders(const std::string& place, int64_t limit);
// The model's class of each folder: by name, or by order where the model's names are numbers or a guess.
// Throws Error when names or counts contradict.
std::vector<int> classes_of_folders(const ClassFolders& folders, const ClassNames& model);

// The data set's category of each class of the model, -1 for none: by name where both sides have names, else
// by order when their numbers agree, by COCO's ids for 80 classes. Throws Error when neither fits.
std::vector<int> category_of_classes(const Dataset& dataset, const ClassNames& model);

// Results of a picture of `width` x `height` pixels as x, y, width, height, with key points and masks. Turned
// boxes keep their corners, and have the upright box around them.
std::vector<Detection> to_coco(const std::vector<Found>& objects, int64_t image_id, int width, int height,
                               const std::vector<int>& categories, Task task = Task::kBoxes);

}  // namespace shrike::evaluate
