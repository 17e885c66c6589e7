// The pictures of one step, in parts that go through the network one by one.
#pragma once
#include <cstdint>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/train/pictures.h"
#include "toolchain/train/processes.h"

namespace shrike::train {

struct Batch {
  // [pictures, C, H, W], one a part; empty for the parts of other processes.
  std::vector<engine::Array> inputs;
  std::vector<std::vector<std::vector<Truth>>> truths;  // part, picture, object
};

// Samples step * batch .. step * batch + batch - 1 of the run.
Batch make_batch(const SampleMaker& maker, int64_t step, int batch, int part,
                 const Augmentation& augmentation, const Processes& processes);

}  // namespace shrike::train
