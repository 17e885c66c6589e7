#include "toolchain/train/loss.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace shrike::train {
namespace {

// One place of the head in one picture.
struct Place {
  const LossLevel* level;
  int64_t picture, cell;  // cell: row-major index
  double column, row;     // of its centre, in cells
};

// Keeps distances below the last bin, so that the bin above exists (section 2.5).
constexpr double kBinMargin = 0.01;

class Loss {
 public:
  Loss(const std::vector<LossLevel>& levels, const LossOptions& options)
      : levels_(levels), options_(options), softmax_(static_cast<size_t>(4 * options.bins)) {}

  LossTerms run(const std::vector<std::vector<Truth>>& truths) {
    AssignerOptions assigner;
    assigner.smallest_stride = levels_.front().stride;
    assigner.second_stride = levels_.size() > 1 ? levels_[1].stride : 2 * assigner.smallest_stride;
    std::vector<std::vector<Assignment>> assigned;
    double sum = 0;
    for (size_t b = 0; b < truths.size(); ++b) {
      assigned.push_back(assign(predictions(static_cast<int64_t>(b)), truths[b], assigner));
      for (const Assignment& place : assigned.back()) sum += place.target;
    }
    normaliser_ = std::max(sum, 1.0);
    const double factor = options_.weight * static_cast<double>(truths.size()) / normaliser_;
    LossTerms terms;
    for (size_t b = 0; b < truths.size(); ++b) {
      const std::vector<Place> places = places_of(static_cast<int64_t>(b));
      for (size_t i = 0; i < places.size(); ++i) {
        const Assignment& wanted = assigned[b][i];
        const Truth* truth = wanted.truth < 0 ? nullptr : &truths[b][static_cast<size_t>(wanted.truth)];
        terms.classes += class_loss(places[i], truth, wanted.target, factor);
        if (truth != nullptr && wanted.target > 0) box_loss(places[i], *truth, wanted.target, factor, terms);
      }
    }
    terms.box *= options_.box_gain / normaliser_;
    terms.classes *= options_.class_gain / normaliser_;
    terms.distribution *= options_.distribution_gain / normaliser_;
    return terms;
  }

 private:
  std::vector<Place> places_of(int64_t picture) const {
    std::vector<Place> places;
    for (const LossLevel& level : levels_) {
      for (int64_t cell = 0; cell < level.height * level.width; ++cell) {
        places.push_back({&level, picture, cell, static_cast<double>(cell % level.width) + 0.5,
                          static_cast<double>(cell / level.width) + 0.5});
      }
    }
    return places;
  }

  static int64_t cells(const Place& place) { return place.level->height * place.level->width; }
  int64_t box_start(const Place& place) const {
    return place.picture * 4 * options_.bins * cells(place) + place.cell;
  }
  int64_t score_start(const Place& place) const {
    return place.picture * options_.classes * cells(place) + place.cell;
  }

  // Fills softmax_ and returns the four expected distances in cells.
  std::array<double, 4> distances(const Place& place) {
    std::array<double, 4> result{};
    const int64_t step = cells(place);
    const float* logits = place.level->box + box_start(place);
    for (int side = 0; side < 4; ++side) {
      const float* row = logits + side * options_.bins * step;
      double* p = &softmax_[static_cast<size_t>(side * options_.bins)];
      double largest = row[0];
      for (int k = 1; k < options_.bins; ++k) largest = std::max<double>(largest, row[k * step]);
      double sum = 0;
      for (int k = 0; k < options_.bins; ++k) sum += p[k] = std::exp(row[k * step] - largest);
      for (int k = 0; k < options_.bins; ++k) {
        p[k] /= sum;
        result[static_cast<size_t>(side)] += k * p[k];
      }
    }
    return result;
  }

  std::vector<Prediction> predictions(int64_t picture) {
    std::vector<Prediction> result;
    for (const Place& place : places_of(picture)) {
      const std::array<double, 4> d = distances(place);
      const double stride = place.level->stride;
      Prediction prediction;
      prediction.x = place.column * stride;
      prediction.y = place.row * stride;
      prediction.box = {(place.column - d[0]) * stride, (place.row - d[1]) * stride,
                        (place.column + d[2]) * stride, (place.row + d[3]) * stride};
      prediction.logits = place.level->score + score_start(place);
      prediction.logit_step = cells(place);
      result.push_back(prediction);
    }
    return result;
  }

  // Binary cross entropy of all classes against the target score of one.
  double class_loss(const Place& place, const Truth* truth, double target, double factor) const {
    double sum = 0;
    const int64_t start = score_start(place), step = cells(place);
    for (int c = 0; c < options_.classes; ++c) {
      const double x = place.level->score[start + c * step];
      const double y = truth != nullptr && truth->category == c ? target : 0;
      if (y == 0 && x <= options_.background) continue;
      sum += std::max(x, 0.0) - x * y + std::log1p(std::exp(-std::abs(x)));
      if (place.level->score_gradient != nullptr) {
        place.level->score_gradient[start + c * step] +=
            static_cast<float>(options_.class_gain * factor * (1 / (1 + std::exp(-x)) - y));
      }
    }
    return sum;
  }

  // Adds the box and distribution terms of one assigned place, without gains.
  void box_loss(const Place& place, const Truth& truth, double weight, double factor, LossTerms& terms) {
    const double stride = place.level->stride;
    const std::array<double, 4> d = distances(place);
    const Box predicted{place.column - d[0], place.row - d[1], place.column + d[2], place.row + d[3]};
    const Box wanted{truth.x1 / stride, truth.y1 / stride, truth.x2 / stride, truth.y2 / stride};
    double slope[4];
    terms.box += weight * (1 - complete_iou(predicted, wanted, slope));
    // Distances left and top are subtracted from the centre.
    const double by_distance[4] = {slope[0], slope[1], -slope[2], -slope[3]};
    const double sides[4] = {place.column - wanted.x1, place.row - wanted.y1, wanted.x2 - place.column,
                             wanted.y2 - place.row};
    const int64_t start = box_start(place), step = cells(place);
    for (int side = 0; side < 4; ++side) {
      const double y = std::clamp(sides[side], 0.0, options_.bins - 1 - kBinMargin);
      const int lower = static_cast<int>(y);
      const double upper_share = y - lower;
      const double* p = &softmax_[static_cast<size_t>(side * options_.bins)];
      constexpr double kTiny = 1e-300;  // the logarithm of a probability that vanished
      terms.distribution -= weight / 4 *
                            ((1 - upper_share) * std::log(std::max(p[lower], kTiny)) +
                             upper_share * std::log(std::max(p[lower + 1], kTiny)));
      if (place.level->box_gradient == nullptr) continue;
      for (int k = 0; k < options_.bins; ++k) {
        const double share = k == lower ? 1 - upper_share : k == lower + 1 ? upper_share : 0;
        const double gradient =
            options_.box_gain * by_distance[side] * p[k] * (k - d[static_cast<size_t>(side)]) +
            options_.distribution_gain / 4 * (p[k] - share);
        place.level->box_gradient[start + (side * options_.bins + k) * step] +=
            static_cast<float>(factor * weight * gradient);
      }
    }
  }

  const std::vector<LossLevel>& levels_;
  const LossOptions& options_;
  std::vector<double> softmax_;  // [side][bin] of the place looked at last
  double normaliser_ = 1;
};

}  // namespace

LossTerms detection_loss(const std::vector<LossLevel>& levels, const std::vector<std::vector<Truth>>& truths,
                         const LossOptions& options) {
  return Loss(levels, options).run(truths);
}

}  // namespace shrike::train
