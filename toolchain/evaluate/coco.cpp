// The COCO detection protocol: per image and category, detections in falling score take the best free box;
// over all images, precision at 101 recalls; twelve means of it.
#include "toolchain/evaluate/coco.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <numeric>
#include <set>

#include "toolchain/support/error.h"
#include "toolchain/support/random.h"

namespace shrike::evaluate {
namespace {

constexpr int kThresholds = 10;  // IoU .50, .55, ... .95
constexpr int kRecalls = 101;    // 0, .01, ... 1
constexpr int kLimits = 3;       // detections an image and category that count

std::array<size_t, kLimits> max_detections(Measure measure) {
  return {1, 10, measure == Measure::kKeyPoints ? size_t{20} : size_t{100}};
}

// Standard deviations of annotators for COCO's 17 points, relative to the object's size (spec/heads.md 4.3).
constexpr std::array<double, 17> kDeviations = {.026, .025, .025, .035, .035, .079, .079, .072, .072,
                                                .062, .062, .107, .107, .087, .087, .089, .089};

struct AreaRange {
  double low, high;
};
enum Area { kAllAreas, kSmall, kMedium, kLarge, kAreas };
// The ranges share their ends, as in the protocol: an area of exactly 32^2 counts as small and as medium.
constexpr double kEverything = 1e5 * 1e5;
constexpr std::array<AreaRange, kAreas> kAreaRanges = {
    {{0, kEverything}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, kEverything}}};

// Evenly spaced as the reference computes it (start + i * step), so that comparisons at exactly a threshold
// agree.
double iou_threshold(int index) {
  return index == kThresholds - 1 ? 0.95 : 0.5 + index * ((0.95 - 0.5) / 9);
}
double recall_threshold(int index) {
  return index == kRecalls - 1 ? 1.0 : index * 0.01;
}

bool outside(double area, const AreaRange& range) {
  return area < range.low || area > range.high;
}

// With a crowd box the union is the detection's own area: a detection inside a crowd overlaps it fully.
double overlap(const Detection& d, const GroundTruth& g) {
  const double width = std::min(d.x + d.width, g.x + g.width) - std::max(d.x, g.x);
  const double height = std::min(d.y + d.height, g.y + g.height) - std::max(d.y, g.y);
  if (width <= 0 || height <= 0) return 0;
  const double common = width * height;
  const double own = d.width * d.height;
  return common / (g.crowd ? own : own + g.width * g.height - common);
}

// Object key point similarity. Without labelled points (such labels don't count) distances are to the box
// enlarged by its own size.
double similarity(const Detection& d, const GroundTruth& g) {
  const size_t count = std::min(d.points.size(), g.points.size());
  const auto labelled = std::count_if(g.points.begin(), g.points.end(),
                                      [](const LabelledPoint& p) { return p.visibility > 0; });
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const LabelledPoint& truth = g.points[i];
    if (labelled > 0 && truth.visibility == 0) continue;
    double dx = d.points[i][0] - truth.x, dy = d.points[i][1] - truth.y;
    if (labelled == 0) {
      dx = std::max({0.0, g.x - g.width - d.points[i][0], d.points[i][0] - (g.x + 2 * g.width)});
      dy = std::max({0.0, g.y - g.height - d.points[i][1], d.points[i][1] - (g.y + 2 * g.height)});
    }
    const double deviation =
        g.points.size() == kDeviations.size() ? kDeviations[i] : 1.0 / static_cast<double>(g.points.size());
    const double variance = 4 * deviation * deviation;
    sum +=
        std::exp(-(dx * dx + dy * dy) / (2 * variance * (g.area + std::numeric_limits<double>::epsilon())));
  }
  const auto over = labelled > 0 ? static_cast<double>(labelled) : static_cast<double>(g.points.size());
  return over > 0 ? sum / over : 0;
}

Corners corners_of(const GroundTruth& g) {
  if (g.polygon.size() != 8) return turned_corners(g.x, g.y, g.x + g.width, g.y + g.height, 0);
  Corners corners;
  std::copy(g.polygon.begin(), g.polygon.end(), corners.begin());
  return corners;
}

Corners corners_of(const Detection& d) {
  return d.turned ? *d.turned : turned_corners(d.x, d.y, d.x + d.width, d.y + d.height, 0);
}

double overlap(const Detection& d, const GroundTruth& g, Measure measure) {
  if (measure == Measure::kTurnedBoxes) return evaluate::overlap(corners_of(d), corners_of(g), g.crowd);
  if (measure == Measure::kMasks) return overlap(d.mask, g.mask, g.crowd);
  return measure == Measure::kKeyPoints ? similarity(d, g) : overlap(d, g);
}

bool counts(const GroundTruth& g, Measure measure) {
  if (g.crowd) return false;
  const auto labelled = [](const LabelledPoint& p) { return p.visibility > 0; };
  return measure != Measure::kKeyPoints || std::any_of(g.points.begin(), g.points.end(), labelled);
}

double area_of(const Detection& d, Measure measure) {
  if (measure == Measure::kMasks) return static_cast<double>(d.mask.area());
  if (measure == Measure::kTurnedBoxes) return area(corners_of(d));
  if (measure == Measure::kBoxes || d.points.empty()) return d.width * d.height;
  const auto by = [](size_t axis) {
    return
        [axis](const std::array<double, 2>& a, const std::array<double, 2>& b) { return a[axis] < b[axis]; };
  };
  const auto [left, right] = std::minmax_element(d.points.begin(), d.points.end(), by(0));
  const auto [top, bottom] = std::minmax_element(d.points.begin(), d.points.end(), by(1));
  return ((*right)[0] - (*left)[0]) * ((*bottom)[1] - (*top)[1]);
}

// Detections (best first, at most 100) and boxes of one category in one image.
struct Scene {
  std::vector<const Detection*> detections;
  std::vector<const GroundTruth*> truths;
};

// What became of the detections of one scene in one area range.
struct Matches {
  std::vector<double> scores;
  std::array<std::vector<uint8_t>, kThresholds> matched, ignored;
  int positives = 0;  // boxes that must be found
  int64_t image_id = 0;
  int times = 1;  // the image counts
};

struct Candidate {
  const GroundTruth* truth;
  bool ignored;
  std::vector<double> overlaps;  // with each detection
};

// The free box that overlaps `detection` most and at least by `threshold`; -1 when there is none. Crowd boxes
// are never used up. Boxes that count come first in `candidates`; an ignored one is only taken when none of
// them fits.
int best_candidate(const std::vector<Candidate>& candidates, const std::vector<uint8_t>& taken,
                   size_t detection, double threshold) {
  double best = std::min(threshold, 1 - 1e-10);
  int found = -1;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    if (taken[i] && !candidate.truth->crowd) continue;
    if (found >= 0 && !candidates[static_cast<size_t>(found)].ignored && candidate.ignored) break;
    if (candidate.overlaps[detection] < best) continue;
    best = candidate.overlaps[detection];
    found = static_cast<int>(i);
  }
  return found;
}

Matches match(const Scene& scene, const AreaRange& range, Measure measure) {
  std::vector<Candidate> candidates;
  for (const bool ignored : {false, true}) {
    for (const GroundTruth* truth : scene.truths) {
      if ((!counts(*truth, measure) || outside(truth->area, range)) != ignored) continue;
      Candidate candidate{truth, ignored, {}};
      for (const Detection* d : scene.detections) candidate.overlaps.push_back(overlap(*d, *truth, measure));
      candidates.push_back(std::move(candidate));
    }
  }
  Matches result;
  result.positives = static_cast<int>(
      std::count_if(candidates.begin(), candidates.end(), [](const Candidate& c) { return !c.ignored; }));
  for (const Detection* d : scene.detections) result.scores.push_back(d->score);
  for (int t = 0; t < kThresholds; ++t) {
    std::vector<uint8_t> taken(candidates.size(), 0);
    for (size_t d = 0; d < scene.detections.size(); ++d) {
      const int found = best_candidate(candidates, taken, d, iou_threshold(t));
      const Detection& detection = *scene.detections[d];
      // A miss outside the area range is not held against the detector.
      const bool ignored = found >= 0 ? candidates[static_cast<size_t>(found)].ignored
                                      : outside(area_of(detection, measure), range);
      if (found >= 0) taken[static_cast<size_t>(found)] = 1;
      result.matched[t].push_back(found >= 0);
      result.ignored[t].push_back(ignored);
    }
  }
  return result;
}

// Precision at the 101 recalls and the final recall, for one category, area range and limit; -1 without
// positives.
struct Curve {
  std::array<std::array<double, kRecalls>, kThresholds> precision;
  std::array<double, kThresholds> recall;
};

struct Ranked {  // a detection among those of all images
  const Matches* matches;
  size_t index;
  double score() const { return matches->scores[index]; }
};

void fill_curve(const std::vector<Ranked>& ranked, int positives, int threshold, Curve& curve) {
  std::vector<double> recalls, precisions;
  recalls.reserve(ranked.size());
  precisions.reserve(ranked.size());
  double hits = 0, misses = 0;
  for (const Ranked& detection : ranked) {
    if (!detection.matches->ignored[threshold][detection.index]) {
      (detection.matches->matched[threshold][detection.index] ? hits : misses) += detection.matches->times;
    }
    recalls.push_back(hits / positives);
    precisions.push_back(hits / (misses + hits + std::numeric_limits<double>::epsilon()));
  }
  for (size_t i = precisions.size(); i-- > 1;) precisions[i - 1] = std::max(precisions[i - 1], precisions[i]);
  for (int r = 0; r < kRecalls; ++r) {
    const auto at = std::lower_bound(recalls.begin(), recalls.end(), recall_threshold(r));
    curve.precision[threshold][r] =
        at == recalls.end() ? 0 : precisions[static_cast<size_t>(at - recalls.begin())];
  }
  curve.recall[threshold] = recalls.empty() ? 0 : recalls.back();
}

// Of all images, best first.
std::vector<Ranked> rank(const std::vector<Matches>& scenes, size_t limit) {
  std::vector<Ranked> ranked;
  for (const Matches& scene : scenes) {
    for (size_t i = 0; i < std::min(limit, scene.scores.size()); ++i) ranked.push_back({&scene, i});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.score() > b.score(); });
  return ranked;
}

Curve accumulate(const std::vector<Matches>& scenes, const std::vector<Ranked>& ranked) {
  Curve curve;
  for (auto& row : curve.precision) row.fill(-1);
  curve.recall.fill(-1);
  int positives = 0;
  for (const Matches& scene : scenes) positives += scene.times * scene.positives;
  if (positives == 0) return curve;
  for (int t = 0; t < kThresholds; ++t) fill_curve(ranked, positives, t, curve);
  return curve;
}

// Mean of the values that are defined (>= 0); -1 when none is.
class Mean {
 public:
  void add(double value) {
    if (value < 0) return;
    sum_ += value;
    ++count_;
  }
  double value() const { return count_ == 0 ? -1 : sum_ / static_cast<double>(count_); }

 private:
  double sum_ = 0;
  int64_t count_ = 0;
};

// Scenes by category, then by image in ascending id.
using Scenes = std::map<int, std::map<int64_t, Scene>>;

Scenes make_scenes(const Dataset& dataset, const std::vector<Detection>& detections, size_t limit) {
  std::set<int64_t> images;
  for (const auto& image : dataset.images) images.insert(image.id);
  Scenes scenes;
  for (const int category : dataset.category_ids) scenes[category];
  for (const GroundTruth& truth : dataset.annotations) {
    const auto category = scenes.find(truth.category_id);
    if (category != scenes.end() && images.contains(truth.image_id)) {
      category->second[truth.image_id].truths.push_back(&truth);
    }
  }
  for (const Detection& detection : detections) {
    if (!images.contains(detection.image_id)) {
      fail("a detection names image {}, which the data set doesn't have", detection.image_id);
    }
    if (!std::isfinite(detection.score))
      fail("a detection in image {} has no finite score", detection.image_id);
    const auto category = scenes.find(detection.category_id);
    if (category != scenes.end()) category->second[detection.image_id].detections.push_back(&detection);
  }
  for (auto& [category, by_image] : scenes) {
    for (auto& [image, scene] : by_image) {
      std::stable_sort(scene.detections.begin(), scene.detections.end(),
                       [](const Detection* a, const Detection* b) { return a->score > b->score; });
      if (scene.detections.size() > limit) scene.detections.resize(limit);
    }
  }
  return scenes;
}

}  // namespace

Metrics evaluate(const Dataset& dataset, const std::vector<Detection>& detections, Measure measure) {
  const auto limits = max_detections(measure);
  Mean precision[3 + kAreas - 1];  // all, at .50, at .75, small, medium, large
  Mean recall[kLimits + kAreas - 1];
  Metrics metrics;
  for (const auto& [category, by_image] : make_scenes(dataset, detections, limits.back())) {
    Metrics::Category own{category};
    for (int area = 0; area < kAreas; ++area) {
      if (measure == Measure::kKeyPoints && area == kSmall) continue;
      std::vector<Matches> matches;
      for (const auto& [image, scene] : by_image) matches.push_back(match(scene, kAreaRanges[area], measure));
      for (int limit = area == kAllAreas ? 0 : kLimits - 1; limit < kLimits; ++limit) {
        const Curve curve = accumulate(matches, rank(matches, limits[static_cast<size_t>(limit)]));
        for (const double value : curve.recall) recall[limit + area].add(value);
        if (limit != kLimits - 1) continue;
        Mean whole, half;
        for (int t = 0; t < kThresholds; ++t) {
          for (const double value : curve.precision[t]) {
            precision[area == kAllAreas ? 0 : 2 + area].add(value);
            if (area == kAllAreas && t == 0) precision[1].add(value);
            if (area == kAllAreas && t == 5) precision[2].add(value);
            whole.add(value);
            if (t == 0) half.add(value);
          }
        }
        if (area != kAllAreas) continue;
        for (const Matches& scene : matches) own.truths += scene.positives;
        own.map = whole.value();
        own.map50 = half.value();
      }
    }
    if (own.truths > 0) metrics.categories.push_back(own);
  }
  for (int i = 0; i < 6; ++i) {
    metrics.values[i] = precision[i].value();
    metrics.values[6 + i] = recall[i].value();
  }
  return metrics;
}

std::vector<double> redrawn_precision(const Dataset& dataset, const std::vector<Detection>& detections,
                                      Measure measure, int draws, uint64_t seed) {
  struct Class {
    std::vector<Matches> matches;
    std::vector<Ranked> ranked;  // points into matches
  };
  const size_t limit = max_detections(measure).back();
  std::vector<Class> classes;
  for (const auto& [category, by_image] : make_scenes(dataset, detections, limit)) {
    Class& own = classes.emplace_back();
    for (const auto& [image, scene] : by_image) {
      own.matches.push_back(match(scene, kAreaRanges[kAllAreas], measure));
      own.matches.back().image_id = image;
    }
    own.ranked = rank(own.matches, limit);
  }
  std::vector<double> found;
  for (int draw = 0; draw < draws; ++draw) {
    Random random(seed, static_cast<uint64_t>(draw));
    std::map<int64_t, int> times;
    for (size_t i = 0; i < dataset.images.size(); ++i)
      ++times[dataset.images[random.below(dataset.images.size())].id];
    Mean mean;
    for (Class& own : classes) {
      for (Matches& scene : own.matches) {
        const auto drawn = times.find(scene.image_id);
        scene.times = drawn == times.end() ? 0 : drawn->second;
      }
      for (const auto& row : accumulate(own.matches, own.ranked).precision) {
        for (const double value : row) mean.add(value);
      }
    }
    found.push_back(mean.value());
  }
  return found;
}

PrecisionCurves precision_curves(const Dataset& dataset, const std::vector<Detection>& detections,
                                 Measure measure) {
  const size_t limit = max_detections(measure).back();
  std::array<Mean, kRecalls> half, three_quarters, whole;
  for (const auto& [category, by_image] : make_scenes(dataset, detections, limit)) {
    std::vector<Matches> matches;
    for (const auto& [image, scene] : by_image)
      matches.push_back(match(scene, kAreaRanges[kAllAreas], measure));
    const Curve curve = accumulate(matches, rank(matches, limit));
    for (size_t r = 0; r < kRecalls; ++r) {
      half[r].add(curve.precision[0][r]);
      three_quarters[r].add(curve.precision[5][r]);
      for (const auto& row : curve.precision) whole[r].add(row[r]);
    }
  }
  PrecisionCurves curves;
  for (size_t r = 0; r < kRecalls; ++r) {
    curves.half[r] = half[r].value();
    curves.three_quarters[r] = three_quarters[r].value();
    curves.mean[r] = whole[r].value();
  }
  return curves;
}

std::vector<Faults> faults(const Dataset& dataset, const std::vector<Detection>& detections, Measure measure,
                           double score) {
  std::vector<Detection> sure;
  std::copy_if(detections.begin(), detections.end(), std::back_inserter(sure),
               [score](const Detection& d) { return d.score > score; });
  std::vector<Faults> all;
  std::map<int64_t, size_t> place;
  for (const Dataset::ImageEntry& image : dataset.images) {
    place[image.id] = all.size();
    all.push_back({image.id});
  }
  for (const auto& [category, by_image] : make_scenes(dataset, sure, max_detections(measure).back())) {
    for (const auto& [image, scene] : by_image) {
      const Matches matches = match(scene, kAreaRanges[kAllAreas], measure);
      Faults& own = all[place.at(image)];
      own.labels += matches.positives;
      own.missed += matches.positives;
      for (size_t i = 0; i < matches.scores.size(); ++i) {
        if (matches.ignored[0][i] != 0) continue;
        (matches.matched[0][i] != 0 ? --own.missed : ++own.wrong);
      }
    }
  }
  return all;
}

double standard_deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / (count - 1));
}

const std::array<const char*, 12>& metric_names() {
  static const std::array<const char*, 12> names = {"AP",  "AP50", "AP75",  "APs", "APm", "APl",
                                                    "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"};
  return names;
}

}  // namespace shrike::evaluate
