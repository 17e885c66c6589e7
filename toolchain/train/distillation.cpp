#include "toolchain/train/distillation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"

namespace shrike::train {
namespace {

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// Class scores above this make a place worth a box.
constexpr double kObject = 0.05;

constexpr float kNoFloor = -std::numeric_limits<float>::infinity();

// Noise to signal of what rises above `floor`.
double noise_loss(const engine::Array& teacher, const engine::Array& student, float floor, double gain,
                  double weight, engine::Array& derivatives) {
  const double zero = std::isinf(floor) ? 0 : floor;
  const auto difference = [&](size_t i) {
    return static_cast<double>(std::max(student.values[i], floor)) - std::max(teacher.values[i], floor);
  };
  double power = 0, error = 0;
  for (size_t i = 0; i < teacher.values.size(); ++i) {
    const double signal = std::max(teacher.values[i], floor) - zero;
    power += signal * signal;
    error += difference(i) * difference(i);
  }
  if (power <= 0) return 0;
  const double slope = 2 * gain * weight / power;
  for (size_t i = 0; i < teacher.values.size(); ++i) {
    if (student.values[i] > floor) derivatives.values[i] += static_cast<float>(slope * difference(i));
  }
  return gain * error / power;
}

// Softmax of `bins` logits `step` apart.
void softmax(const float* logits, int64_t step, int64_t bins, std::vector<double>& result) {
  result.resize(static_cast<size_t>(bins));
  double largest = logits[0], sum = 0;
  for (int64_t k = 1; k < bins; ++k) largest = std::max<double>(largest, logits[k * step]);
  for (int64_t k = 0; k < bins; ++k)
    sum += result[static_cast<size_t>(k)] = std::exp(logits[k * step] - largest);
  for (double& p : result) p /= sum;
}

class HeadDistillation {
 public:
  HeadDistillation(const DetectionHead& head, const std::vector<engine::Array>& teacher,
                   const std::vector<engine::Array>& student, const DistillationOptions& options,
                   double weight, std::vector<engine::Array>& derivatives)
      : head_(head),
        teacher_(teacher),
        student_(student),
        options_(options),
        weight_(weight),
        derivatives_(derivatives) {}

  void run(DistillationTerms& terms) {
    double sum = 0;
    for (size_t level = 0; level < head_.head.levels.size(); ++level) {
      for (const float logit : teacher_[2 * level + 1].values) {
        const double score = sigmoid(logit);
        if (score > kObject) sum += score;
      }
    }
    normaliser_ = std::max(sum, 1.0);
    for (size_t level = 0; level < head_.head.levels.size(); ++level) {
      classes(level, terms);
      boxes(level, terms);
    }
  }

 private:
  void classes(size_t level, DistillationTerms& terms) {
    const engine::Array &teacher = teacher_[2 * level + 1], &student = student_[2 * level + 1];
    const double factor = options_.class_gain / normaliser_;
    for (size_t i = 0; i < teacher.values.size(); ++i) {
      const double t = teacher.values[i], s = student.values[i];
      if (t <= quantize::recipe::kBackgroundLogit && s <= quantize::recipe::kBackgroundLogit) continue;
      const double wanted = sigmoid(t);
      const auto entropy = [&](double x) {
        return std::max(x, 0.0) - x * wanted + std::log1p(std::exp(-std::abs(x)));
      };
      terms.classes += factor * (entropy(s) - entropy(t));  // zero where both agree
      derivatives_[2 * level + 1].values[i] += static_cast<float>(weight_ * factor * (sigmoid(s) - wanted));
    }
  }

  void boxes(size_t level, DistillationTerms& terms) {
    const engine::Array &teacher = teacher_[2 * level], &student = student_[2 * level];
    const engine::Array& scores = teacher_[2 * level + 1];
    const int64_t pictures = teacher.shape[0], cells = teacher.shape[2] * teacher.shape[3];
    const int64_t bins = head_.head.bins, classes = head_.head.classes;
    std::vector<double> wanted, found;
    for (int64_t place = 0; place < pictures * cells; ++place) {
      const int64_t picture = place / cells, cell = place % cells;
      double best = -1e9;
      for (int64_t c = 0; c < classes; ++c)
        best = std::max<double>(best,
                                scores.values[static_cast<size_t>((picture * classes + c) * cells + cell)]);
      const double score = sigmoid(best);
      if (score <= kObject) continue;
      const double factor = options_.box_gain * score / normaliser_ / 4;
      for (int side = 0; side < 4; ++side) {
        const auto start = static_cast<size_t>((picture * 4 * bins + side * bins) * cells + cell);
        softmax(&teacher.values[start], cells, bins, wanted);
        softmax(&student.values[start], cells, bins, found);
        for (int64_t k = 0; k < bins; ++k) {
          const auto bin = static_cast<size_t>(k);
          constexpr double kTiny = 1e-12;
          terms.boxes += factor * wanted[bin] * std::log((wanted[bin] + kTiny) / (found[bin] + kTiny));
          derivatives_[2 * level].values[start + bin * static_cast<size_t>(cells)] +=
              static_cast<float>(weight_ * factor * (found[bin] - wanted[bin]));
        }
      }
    }
  }

  const DetectionHead& head_;
  const std::vector<engine::Array>&teacher_, &student_;
  const DistillationOptions& options_;
  double weight_;
  std::vector<engine::Array>& derivatives_;
  double normaliser_ = 1;
};

}  // namespace

std::vector<std::string> branching_features(const graph::Graph& graph) {
  const graph::Links links(graph);
  std::vector<std::string> features;
  for (const graph::Node& node : graph.nodes) {
    if (!operators::is_table(node.op)) continue;
    const auto readers = links.consumers.find(node.outputs[0]);
    if (readers != links.consumers.end() && readers->second.size() > 1) features.push_back(node.outputs[0]);
  }
  return features;
}

Results results_of(const graph::Graph& graph) {
  Results results{trainable_head(graph), graph.outputs, {}};
  if (results.head) results.outputs = results.head->outputs;
  for (const std::string& output : results.outputs)
    results.floors.push_back(heads::is_class_logits(graph, output) ? quantize::recipe::kBackgroundLogit
                                                                   : kNoFloor);
  return results;
}

DistillationTerms distillation_loss(const Results& results, const std::vector<engine::Array>& teacher,
                                    const std::vector<engine::Array>& student,
                                    const DistillationOptions& options, double weight,
                                    std::vector<engine::Array>& derivatives) {
  DistillationTerms terms;
  const size_t outputs = results.outputs.size(), features = student.size() - outputs;
  for (size_t i = outputs; i < student.size(); ++i) {
    const double gain = options.feature_gain / static_cast<double>(features);
    terms.features += noise_loss(teacher[i], student[i], kNoFloor, gain, weight, derivatives[i]);
  }
  if (results.head) {
    HeadDistillation(*results.head, teacher, student, options, weight, derivatives).run(terms);
    return terms;
  }
  for (size_t i = 0; i < outputs; ++i) {
    const double gain = options.output_gain / static_cast<double>(outputs);
    terms.outputs += noise_loss(teacher[i], student[i], results.floors[i], gain, weight, derivatives[i]);
  }
  return terms;
}

}  // namespace shrike::train
