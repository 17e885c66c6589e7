// Time of the COCO protocol alone, on made-up detections of as many pictures as COCO's validation set has:
//   bench_coco [PICTURES] [DETECTIONS A PICTURE]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "toolchain/evaluate/coco.h"

namespace {

using namespace shrike::evaluate;

constexpr int kClasses = 80, kLabels = 7, kSide = 480;

struct Set {
  Dataset labels;
  std::vector<Detection> detections;
};

// Labels of random boxes; a share of the detections lies near them, the others anywhere. Every object has 17
// key points and a rectangle as its mask.
Set make_set(int pictures, int each) {
  std::mt19937 random(1);
  const auto number = [&](double low, double high) {
    return low + (high - low) * static_cast<double>(random()) / 4294967296.0;
  };
  const auto mask = [](double x, double y, double width, double height) {
    return from_polygon({x, y, x + width, y, x + width, y + height, x, y + height}, kSide, kSide);
  };
  Set set;
  for (int c = 1; c <= kClasses; ++c) {
    set.labels.category_ids.push_back(c);
    set.labels.category_names[c] = std::to_string(c);
  }
  for (int64_t image = 0; image < pictures; ++image) {
    set.labels.images.push_back({image, "", kSide, kSide});
    std::vector<GroundTruth> truths;
    for (int i = 0; i < kLabels; ++i) {
      GroundTruth truth;
      truth.image_id = image;
      truth.category_id = 1 + static_cast<int>(random() % kClasses);
      truth.width = number(10, 200);
      truth.height = number(10, 200);
      truth.x = number(0, kSide - truth.width);
      truth.y = number(0, kSide - truth.height);
      truth.area = truth.width * truth.height;
      truth.mask = mask(truth.x, truth.y, truth.width, truth.height);
      for (int k = 0; k < 17; ++k) truth.points.push_back({truth.x + k, truth.y + k, 2});
      truths.push_back(truth);
    }
    for (int i = 0; i < each; ++i) {
      Detection found;
      const GroundTruth& near = truths[random() % kLabels];
      found.image_id = image;
      found.category_id = i % 3 == 0 ? near.category_id : 1 + static_cast<int>(random() % kClasses);
      found.x = near.x + number(-20, 20);
      found.y = near.y + number(-20, 20);
      found.width = near.width;
      found.height = near.height;
      found.score = number(0, 1);
      found.mask = mask(found.x, found.y, found.width, found.height);
      for (int k = 0; k < 17; ++k) found.points.push_back({found.x + k, found.y + k});
      set.detections.push_back(found);
    }
    set.labels.annotations.insert(set.labels.annotations.end(), truths.begin(), truths.end());
  }
  return set;
}

}  // namespace

int main(int count, char** arguments) {
  const int pictures = count > 1 ? std::atoi(arguments[1]) : 5000;
  const int each = count > 2 ? std::atoi(arguments[2]) : 100;
  const Set set = make_set(pictures, each);
  std::printf("%d pictures, %d labels and %d detections each\n", pictures, kLabels, each);
  for (const auto& [name, measure] :
       {std::pair{"boxes", Measure::kBoxes}, std::pair{"masks", Measure::kMasks},
        std::pair{"key points", Measure::kKeyPoints}, std::pair{"turned boxes", Measure::kTurnedBoxes}}) {
    const auto start = std::chrono::steady_clock::now();
    const Metrics metrics = evaluate(set.labels, set.detections, measure);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::printf("  %-12s %6.2f s   AP %.4f\n", name, seconds, metrics.map());
  }
  return 0;
}
