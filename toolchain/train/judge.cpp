#include "toolchain/train/judge.h"

#include <algorithm>
#include <map>

#include "toolchain/evaluate/detect.h"
#include "toolchain/train/team.h"

namespace shrike::train {
namespace {

// A detection as numbers that processes can sum: where it is missing, all are zero.
constexpr size_t kNumbers = 7;

void append(std::vector<double>& numbers, const evaluate::Detection& found) {
  numbers.insert(numbers.end(), {static_cast<double>(found.image_id), static_cast<double>(found.category_id),
                                 found.x, found.y, found.width, found.height, found.score});
}

// What every process found, in its order, one process behind the other.
std::vector<double> gathered(const std::vector<double>& own, const Processes& processes) {
  std::vector<double> sizes(static_cast<size_t>(processes.count()), 0);
  sizes[static_cast<size_t>(processes.rank())] = static_cast<double>(own.size());
  processes.sum(sizes);
  size_t before = 0, total = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i < static_cast<size_t>(processes.rank())) before += static_cast<size_t>(sizes[i]);
    total += static_cast<size_t>(sizes[i]);
  }
  std::vector<double> all(total, 0);
  std::copy(own.begin(), own.end(), all.begin() + static_cast<std::ptrdiff_t>(before));
  processes.sum(all);
  return all;
}

}  // namespace

std::vector<evaluate::Detection> found_by(const std::string& model, const evaluate::Folder& folder,
                                          int threads, const Processes& processes) {
  evaluate::DetectorOptions options;
  options.integer.threads = thread_count(threads);
  evaluate::Detector detector(model, options);
  const std::vector<int> categories = evaluate::category_of_classes(folder.dataset, detector.class_names());
  DetectOptions detect = detector.default_options();
  detect.score_threshold = 0.001f;  // precision over all recalls needs the unlikely boxes too
  std::vector<std::string> paths;
  std::vector<int64_t> ids;
  for (size_t i = 0; i < folder.paths.size(); ++i) {
    if (!processes.has(i)) continue;
    paths.push_back(folder.paths[i]);
    ids.push_back(folder.dataset.images[i].id);
  }
  std::vector<double> own;
  evaluate::detect_all(detector, paths, {.detect = detect}, [&](const evaluate::Picture& picture) {
    for (const evaluate::Detection& box : evaluate::to_coco(picture.results.objects, ids[picture.index],
                                                            picture.width, picture.height, categories))
      append(own, box);
  });
  const std::vector<double> all = gathered(own, processes);
  std::map<int64_t, size_t> place;  // of pictures in the set: detections in that order, whoever found them
  for (size_t i = 0; i < folder.dataset.images.size(); ++i) place[folder.dataset.images[i].id] = i;
  std::vector<evaluate::Detection> found;
  for (size_t at = 0; at < all.size(); at += kNumbers) {
    evaluate::Detection box;
    box.image_id = static_cast<int64_t>(all[at]);
    box.category_id = static_cast<int>(all[at + 1]);
    box.x = all[at + 2];
    box.y = all[at + 3];
    box.width = all[at + 4];
    box.height = all[at + 5];
    box.score = all[at + 6];
    found.push_back(box);
  }
  std::stable_sort(found.begin(), found.end(),
                   [&](const evaluate::Detection& a, const evaluate::Detection& b) {
                     return place.at(a.image_id) < place.at(b.image_id);
                   });
  return found;
}

evaluate::Metrics judge(const std::string& model, const evaluate::Folder& folder, int threads,
                        const Processes& processes) {
  return evaluate::evaluate(folder.dataset, found_by(model, folder, threads, processes));
}

double standard_error(const Verdict& a, const Verdict& b) {
  std::vector<double> differences;
  for (size_t i = 0; i < a.redrawn.size(); ++i)
    differences.push_back(static_cast<double>(a.redrawn[i]) - static_cast<double>(b.redrawn[i]));
  return evaluate::standard_deviation(differences);
}

bool loses_accuracy(const Verdict& verdict, const Verdict& other) {
  return other.map - verdict.map > kCertain * standard_error(verdict, other);
}

bool is_better(const Verdict& verdict, const Verdict& other) {
  if (loses_accuracy(verdict, other)) return false;
  return loses_accuracy(other, verdict) || verdict.error < other.error;
}

}  // namespace shrike::train
