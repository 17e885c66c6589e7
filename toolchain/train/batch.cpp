#include "toolchain/train/batch.h"

#include <algorithm>

namespace shrike::train {

Batch make_batch(const SampleMaker& maker, int64_t step, int batch, int part,
                 const Augmentation& augmentation) {
  Batch result;
  for (int first = 0; first < batch; first += part) {
    std::vector<Sample> samples;
    std::vector<std::vector<Truth>> truths;
    for (int i = first; i < std::min(first + part, batch); ++i) {
      samples.push_back(maker.make(static_cast<uint64_t>(step * batch + i), augmentation));
      truths.push_back(samples.back().truths);
    }
    const auto count = static_cast<int64_t>(samples.size());
    result.inputs.push_back(
        {{count, 3, samples[0].image.height, samples[0].image.width}, to_planar(samples)});
    result.truths.push_back(std::move(truths));
  }
  return result;
}

}  // namespace shrike::train
