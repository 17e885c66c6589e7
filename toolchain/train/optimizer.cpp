#include "toolchain/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace shrike::train {

double clip_norm(Values& gradients, double limit) {
  double sum = 0;
  for (const std::vector<float>& gradient : gradients) {
    for (const float g : gradient) sum += static_cast<double>(g) * g;
  }
  const double norm = std::sqrt(sum);
  if (norm <= limit) return norm;
  const auto factor = static_cast<float>(limit / norm);
  for (std::vector<float>& gradient : gradients) {
    for (float& g : gradient) g *= factor;
  }
  return norm;
}

Optimizer::Optimizer(Kind kind, const Values& like) : kind_(kind) {
  for (const std::vector<float>& values : like) {
    first.emplace_back(values.size(), 0.0f);
    second.emplace_back(kind == Kind::kAdam ? values.size() : 0, 0.0f);
  }
}

void Optimizer::step(Values& parameters, const Values& gradients, const std::vector<double>& rates,
                     const std::vector<double>& decays, double momentum) {
  constexpr double kSecondBeta = 0.999, kEpsilon = 1e-8;
  ++steps;
  const double first_share = 1 - std::pow(momentum, static_cast<double>(steps)),
               second_share = 1 - std::pow(kSecondBeta, static_cast<double>(steps));
  for (size_t p = 0; p < parameters.size(); ++p) {
    const double rate = rates[p], decay = decays[p];
    for (size_t i = 0; i < parameters[p].size(); ++i) {
      float& value = parameters[p][i];
      const double gradient = gradients[p][i];
      if (kind_ == Kind::kSgd) {
        const double slope = gradient + decay * value;
        const double velocity = momentum * first[p][i] + slope;
        first[p][i] = static_cast<float>(velocity);
        value = static_cast<float>(value - rate * (slope + momentum * velocity));
        continue;
      }
      const double mean = momentum * first[p][i] + (1 - momentum) * gradient;
      const double square = kSecondBeta * second[p][i] + (1 - kSecondBeta) * gradient * gradient;
      first[p][i] = static_cast<float>(mean);
      second[p][i] = static_cast<float>(square);
      const double direction = mean / first_share / (std::sqrt(square / second_share) + kEpsilon);
      value = static_cast<float>(value - rate * (direction + decay * value));
    }
  }
}

Values zeros_like(const Values& values) {
  Values zeros;
  for (const std::vector<float>& each : values) zeros.emplace_back(each.size(), 0.0f);
  return zeros;
}

void add_into(Values& sums, const Values& values) {
  for (size_t p = 0; p < values.size(); ++p) {
    for (size_t i = 0; i < values[p].size(); ++i) sums[p][i] += values[p][i];
  }
}

double average_keep(int64_t step) {
  return 0.9999 * (1 - std::exp(-static_cast<double>(step) / 2000));
}

void average_into(Values& average, const Values& values, double keep) {
  for (size_t p = 0; p < values.size(); ++p) {
    for (size_t i = 0; i < values[p].size(); ++i) {
      average[p][i] = static_cast<float>(keep * average[p][i] + (1 - keep) * values[p][i]);
    }
  }
}

double cosine(int64_t step, int64_t steps, int64_t warm_up, double final_share) {
  const double done = steps > 0 ? static_cast<double>(step) / static_cast<double>(steps) : 1;
  const double rate =
      final_share + (1 - final_share) * (1 + std::cos(std::numbers::pi * std::min(done, 1.0))) / 2;
  return step < warm_up ? rate * static_cast<double>(step + 1) / static_cast<double>(warm_up) : rate;
}

}  // namespace shrike::train
