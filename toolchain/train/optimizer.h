// Steps along gradients, on plain numbers: SGD with Nesterov momentum, Adam with decoupled decay, clipping
// and the moving average of the weights (spec/training.md section 4).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace shrike::train {

using Values = std::vector<std::vector<float>>;

// Scales all gradients so that their common norm is at most `limit`; returns the norm before.
double clip_norm(Values& gradients, double limit);

class Optimizer {
 public:
  enum class Kind { kSgd, kAdam };
  Optimizer(Kind kind, const Values& like);

  // `rates` and `decays` by parameter. Momentum of SGD, first beta of Adam; the second is 0.999.
  void step(Values& parameters, const Values& gradients, const std::vector<double>& rates,
            const std::vector<double>& decays, double momentum);

  // What a checkpoint keeps.
  int64_t steps = 0;
  Values first, second;

 private:
  Kind kind_;
};

// As many zeros.
Values zeros_like(const Values& values);
// sums <- sums + values.
void add_into(Values& sums, const Values& values);

// average <- keep * average + (1 - keep) * values.
void average_into(Values& average, const Values& values, double keep);
// The share that the field keeps at step 1, 2, ... of float training.
double average_keep(int64_t step);

// Rate of step `step` of `steps` relative to its highest: linear warm-up, then a cosine to `final_share`.
double cosine(int64_t step, int64_t steps, int64_t warm_up, double final_share);

}  // namespace shrike::train
