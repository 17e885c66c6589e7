#include "toolchain/train/assigner.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

namespace shrike::train {
namespace {

// A number with its derivatives by four variables.
struct Dual {
  double value = 0;
  std::array<double, 4> slope{};

  Dual() = default;
  Dual(double constant) : value(constant) {}  // NOLINT: constants mix freely with variables
  static Dual variable(double value, size_t index) {
    Dual dual(value);
    dual.slope[index] = 1;
    return dual;
  }
};

Dual combine(double value, const Dual& a, double by_a, const Dual& b, double by_b) {
  Dual result(value);
  for (size_t i = 0; i < 4; ++i) result.slope[i] = by_a * a.slope[i] + by_b * b.slope[i];
  return result;
}
Dual operator+(const Dual& a, const Dual& b) {
  return combine(a.value + b.value, a, 1, b, 1);
}
Dual operator-(const Dual& a, const Dual& b) {
  return combine(a.value - b.value, a, 1, b, -1);
}
Dual operator*(const Dual& a, const Dual& b) {
  return combine(a.value * b.value, a, b.value, b, a.value);
}
Dual operator/(const Dual& a, const Dual& b) {
  return combine(a.value / b.value, a, 1 / b.value, b, -a.value / (b.value * b.value));
}
Dual larger(const Dual& a, const Dual& b) {
  return a.value >= b.value ? a : b;
}
Dual smaller(const Dual& a, const Dual& b) {
  return a.value <= b.value ? a : b;
}
Dual arctangent(const Dual& a) {
  return combine(std::atan(a.value), a, 1 / (1 + a.value * a.value), a, 0);
}

constexpr double kIouEpsilon = 1e-7;
constexpr double kEpsilon = 1e-9;

}  // namespace

double complete_iou(const Box& a, const Box& b, double gradient[4]) {
  const Dual ax1 = Dual::variable(a.x1, 0), ay1 = Dual::variable(a.y1, 1), ax2 = Dual::variable(a.x2, 2),
             ay2 = Dual::variable(a.y2, 3);
  const Dual aw = ax2 - ax1, ah = ay2 - ay1 + kIouEpsilon;
  const double bw = b.x2 - b.x1, bh = b.y2 - b.y1 + kIouEpsilon;
  const Dual common = larger(smaller(ax2, b.x2) - larger(ax1, b.x1), 0.0) *
                      larger(smaller(ay2, b.y2) - larger(ay1, b.y1), 0.0);
  const Dual iou = common / (aw * ah + bw * bh - common + kIouEpsilon);
  const Dual hull_width = larger(ax2, b.x2) - smaller(ax1, b.x1),
             hull_height = larger(ay2, b.y2) - smaller(ay1, b.y1);
  const Dual diagonal = hull_width * hull_width + hull_height * hull_height + kIouEpsilon;
  const Dual dx = b.x1 + b.x2 - ax1 - ax2, dy = b.y1 + b.y2 - ay1 - ay2;
  const Dual distance = (dx * dx + dy * dy) / 4.0;
  const Dual angle = std::atan(bw / bh) - arctangent(aw / ah);
  const Dual aspect = 4 / (std::numbers::pi * std::numbers::pi) * angle * angle;
  const double weight = aspect.value / (aspect.value - iou.value + 1 + kIouEpsilon);
  const Dual result = iou - (distance / diagonal + weight * aspect);
  if (gradient != nullptr) std::copy(result.slope.begin(), result.slope.end(), gradient);
  return result.value;
}

double Prediction::score(int category) const {
  return 1 / (1 + std::exp(-static_cast<double>(logits[category * logit_step])));
}

namespace {

// How well every prediction suits one object.
struct Suitability {
  std::vector<double> overlap, metric;  // 0 where the place is outside the object
  std::vector<int> best;                // the chosen places
};

Suitability judge(const std::vector<Prediction>& predictions, const Truth& truth,
                  const AssignerOptions& options) {
  Suitability result;
  result.overlap.assign(predictions.size(), 0);
  result.metric.assign(predictions.size(), 0);
  const Box box{truth.x1, truth.y1, truth.x2, truth.y2};
  Box region = box;
  if (box.x2 - box.x1 < options.smallest_stride) {
    const double centre = (box.x1 + box.x2) / 2;
    region.x1 = centre - options.second_stride / 2;
    region.x2 = centre + options.second_stride / 2;
  }
  if (box.y2 - box.y1 < options.smallest_stride) {
    const double centre = (box.y1 + box.y2) / 2;
    region.y1 = centre - options.second_stride / 2;
    region.y2 = centre + options.second_stride / 2;
  }
  std::vector<int> candidates;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const Prediction& p = predictions[i];
    const double inside = std::min({p.x - region.x1, p.y - region.y1, region.x2 - p.x, region.y2 - p.y});
    if (!(inside > kEpsilon)) continue;
    result.overlap[i] = std::max(0.0, complete_iou(box, p.box));
    result.metric[i] = std::pow(p.score(truth.category), options.score_power) *
                       std::pow(result.overlap[i], options.overlap_power);
    if (result.metric[i] > 0) candidates.push_back(static_cast<int>(i));
  }
  const size_t count = std::min(candidates.size(), static_cast<size_t>(options.places_per_object));
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<int64_t>(count), candidates.end(),
                    [&](int a, int b) {
                      const double left = result.metric[static_cast<size_t>(a)],
                                   right = result.metric[static_cast<size_t>(b)];
                      return left != right ? left > right : a < b;
                    });
  result.best.assign(candidates.begin(), candidates.begin() + static_cast<int64_t>(count));
  return result;
}

}  // namespace

std::vector<Assignment> assign(const std::vector<Prediction>& predictions, const std::vector<Truth>& truths,
                               const AssignerOptions& options) {
  std::vector<Assignment> result(predictions.size());
  std::vector<Suitability> suitability;
  std::vector<int> claims(predictions.size(), 0);
  for (size_t g = 0; g < truths.size(); ++g) {
    suitability.push_back(judge(predictions, truths[g], options));
    for (const int place : suitability[g].best) {
      ++claims[static_cast<size_t>(place)];
      result[static_cast<size_t>(place)].truth = static_cast<int>(g);
    }
  }
  // A place that several objects claim goes to the object that its box overlaps most, claimant or not.
  for (size_t i = 0; i < predictions.size(); ++i) {
    if (claims[i] < 2) continue;
    result[i].truth = 0;
    for (size_t g = 1; g < truths.size(); ++g) {
      if (suitability[g].overlap[i] > suitability[static_cast<size_t>(result[i].truth)].overlap[i])
        result[i].truth = static_cast<int>(g);
    }
  }
  std::vector<double> best_metric(truths.size(), 0), best_overlap(truths.size(), 0);
  for (size_t i = 0; i < predictions.size(); ++i) {
    if (result[i].truth < 0) continue;
    const size_t g = static_cast<size_t>(result[i].truth);
    best_metric[g] = std::max(best_metric[g], suitability[g].metric[i]);
    best_overlap[g] = std::max(best_overlap[g], suitability[g].overlap[i]);
  }
  for (size_t i = 0; i < predictions.size(); ++i) {
    if (result[i].truth < 0) continue;
    const size_t g = static_cast<size_t>(result[i].truth);
    result[i].target = suitability[g].metric[i] * best_overlap[g] / (best_metric[g] + kEpsilon);
  }
  return result;
}

}  // namespace shrike::train
