#include "toolchain/train/exponent_choice.h"

#include <cmath>

namespace shrike::train {
namespace {

class Choice {
 public:
  Choice(TrainablePlan& plan, Values& exponents, const ExponentJudge& judge)
      : plan_(plan), exponents_(exponents), present_(plan.exponents()), judge_(judge) {}

  int run() {
    const std::vector<size_t> proposed = plan_.proposed(exponents_);
    if (!proposed.empty()) choose(proposed, judge_.loss());
    return changed_;
  }

 private:
  // Returns the loss afterwards.
  double choose(const std::vector<size_t>& proposed, double before) {
    if (plan_.computable(proposed, exponents_)) {
      const auto formats = plan_.take_over(proposed, exponents_);
      judge_.set_formats(formats);
      const double loss = judge_.loss();
      if (loss <= before) {
        changed_ += static_cast<int>(formats.size());
        return loss;
      }
      judge_.set_formats(plan_.take_over(proposed, present_));
    }
    if (proposed.size() == 1) {
      put_back(exponents_[proposed[0]], present_[proposed[0]]);
      return before;
    }
    const auto middle = proposed.begin() + static_cast<std::ptrdiff_t>(proposed.size() / 2);
    before = choose({proposed.begin(), middle}, before);
    return choose({middle, proposed.end()}, before);
  }

  // Of a weight's channels only those that proposed; the others keep how far they have come.
  static void put_back(std::vector<float>& exponents, const std::vector<float>& present) {
    for (size_t i = 0; i < exponents.size(); ++i) {
      if (std::lround(exponents[i]) != std::lround(present[i])) exponents[i] = present[i];
    }
  }

  TrainablePlan& plan_;
  Values& exponents_;
  const Values present_;
  const ExponentJudge& judge_;
  int changed_ = 0;
};

}  // namespace

int choose_exponents(TrainablePlan& plan, Values& exponents, const ExponentJudge& judge) {
  return Choice(plan, exponents, judge).run();
}

}  // namespace shrike::train
