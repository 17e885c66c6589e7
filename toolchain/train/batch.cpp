#include "toolchain/train/batch.h"

#include <algorithm>

namespace shrike::train {

Batch make_batch(const SampleMaker& maker, int64_t step, int batch, int part,
                 const Augmentation& augmentation, const Processes& processes) {
  Batch result;
  for (int first = 0; first < batch; first += part) {
    if (!processes.has(result.inputs.size())) {
      result.inputs.emplace_back();
      result.truths.emplace_back();
      continue;
    }
    std::vector<Sample> samples;
    std::vector<std::vector<Truth>> truths;
    for (int i = first; i < std::min(first + part, batch); ++i) {
      samples.push_back(maker.make(static_cast<uint64_t>(step * batch + i), augmentation));
      truths.push_back(samples.back().truths);
    }
    const data::InputSpec& input = maker.input();
    result.inputs.push_back(
        {{static_cast<int64_t>(samples.size()), input.channels, input.height, input.width},
         to_network(samples, input)});
    result.truths.push_back(std::move(truths));
  }
  return result;
}

}  // namespace shrike::train
