// The samples of one step, in parts that go through the network one by one.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "toolchain/engine/gradients.h"
#include "toolchain/measure/feed.h"
#include "toolchain/train/pictures.h"
#include "toolchain/train/processes.h"

namespace shrike::train {

struct Batch {
  std::vector<engine::Inputs> inputs;                   // one a part; empty for the parts of other processes
  std::vector<std::vector<std::vector<Truth>>> truths;  // part, sample, object
};

// Samples step * batch .. step * batch + batch - 1 of the run, pictures for the network's `input`.
Batch make_batch(const SampleMaker& maker, const std::string& input, int64_t step, int batch, int part,
                 const Augmentation& augmentation, const Processes& processes);
// The same of samples as they are, one a part.
Batch make_batch(const quantize::Feed& feed, uint64_t seed, int64_t step, int batch,
                 const Processes& processes);

}  // namespace shrike::train
