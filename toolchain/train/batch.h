// The pictures of one step, in parts that go through the network one by one.
#pragma once
#include <cstdint>
#include <vector>

#include "toolchain/engine/engine.h"
#include "toolchain/train/pictures.h"

namespace shrike::train {

struct Batch {
  std::vector<engine::Array> inputs;                    // [pictures, 3, H, W], one a part
  std::vector<std::vector<std::vector<Truth>>> truths;  // part, picture, object
};

// Samples step * batch .. step * batch + batch - 1 of the run.
Batch make_batch(const SampleMaker& maker, int64_t step, int batch, int part,
                 const Augmentation& augmentation);

}  // namespace shrike::train
