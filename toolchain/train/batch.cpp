#include "toolchain/train/batch.h"

#include <algorithm>

namespace shrike::train {

Batch make_batch(const SampleMaker& maker, const std::string& input, int64_t step, int batch, int part,
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
    const data::InputSpec& spec = maker.input();
    const auto count = static_cast<int64_t>(samples.size());
    std::vector<int64_t> shape = {count, spec.channels, spec.height, spec.width};
    if (spec.channels_last) shape = {count, spec.height, spec.width, spec.channels};
    result.inputs.push_back({{input, {shape, to_network(samples, spec)}}});
    result.truths.push_back(std::move(truths));
  }
  return result;
}

Batch make_batch(const quantize::Feed& feed, uint64_t seed, int64_t step, int batch,
                 const Processes& processes) {
  Batch result;
  for (int i = 0; i < batch; ++i) {
    result.truths.emplace_back(1);
    result.inputs.emplace_back();
    if (!processes.has(static_cast<size_t>(i))) continue;
    const auto number = static_cast<uint64_t>(step * batch + i);
    result.inputs.back() = feed.inputs(drawn_sample(number, feed.size(), seed));
  }
  return result;
}

}  // namespace shrike::train
