// Steps along gradients, on plain numbers: SGD with Nesterov momentum, Adam with decoupled decay, clipping and
// the moving average of the weights (spec/training.md section 4).
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

// average <- d * average + (1 - d) * values, d = 0.9999 (1 - exp(-step / 2000)) for step 1, 2, ...; `horizon`
// replaces the 2000.
void average_into(Values& average, const Values& values, int64_t step, double horizon = 2000);

// Rate of step `step` of `steps` relative to its highest: linear warm-up, then a cosine to `final_share`.
double cosine(int64_t step, int64_t steps, int64_t warm_up, double final_share);

}  // namespace shrike::train
