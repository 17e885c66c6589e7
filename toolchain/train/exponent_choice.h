// Which of the exponents that training proposes are taken over. A changed exponent moves every value of its
// tensors at once, further than any step of the weights, and what follows the gradient of a real exponent
// may still be a jump into clipping that the rest of the run does not climb out of. So the batch that
// proposed is asked again: what makes its loss worse is put back.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "toolchain/train/trainable_plan.h"

namespace shrike::train {

struct ExponentJudge {
  std::function<void(const std::map<std::string, graph::Format>& changed)> set_formats;
  std::function<double()> loss;  // of the network as it stands
};

// Takes over the exponents that round to others than the plan's, that the target can compute with, and with
// which the loss is not greater: all together if that holds for them, else in halves, down to single ones.
// The others are set back to the plan's. Returns the number of formats that changed.
int choose_exponents(TrainablePlan& plan, Values& exponents, const ExponentJudge& judge);

}  // namespace shrike::train
