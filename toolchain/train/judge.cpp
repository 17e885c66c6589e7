#include "toolchain/train/judge.h"

#include "toolchain/evaluate/detect.h"
#include "toolchain/train/team.h"

namespace shrike::train {

evaluate::Metrics judge(const std::string& model, const evaluate::Folder& folder, int threads) {
  evaluate::DetectorOptions options;
  options.integer.threads = thread_count(threads);
  evaluate::Detector detector(model, options);
  const std::vector<int> categories = evaluate::category_of_classes(folder.dataset, detector.class_names());
  DetectOptions detect = detector.default_options();
  detect.score_threshold = 0.001f;  // precision over all recalls needs the unlikely boxes too
  std::vector<evaluate::Detection> found;
  evaluate::detect_all(detector, folder.paths, {.detect = detect}, [&](const evaluate::Picture& picture) {
    const int64_t id = folder.dataset.images[picture.index].id;
    for (const evaluate::Detection& box :
         evaluate::to_coco(picture.results.objects, id, picture.width, picture.height, categories))
      found.push_back(box);
  });
  return evaluate::evaluate(folder.dataset, found);
}

}  // namespace shrike::train
