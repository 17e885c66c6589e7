// How good a model file is, by the protocol of `shrike eval`.
#pragma once
#include <string>

#include "toolchain/evaluate/coco.h"
#include "toolchain/evaluate/run.h"
#include "toolchain/train/processes.h"

namespace shrike::train {

// Runs the float or integer model in the file over the labelled pictures, every process over its share; all
// receive the same.
evaluate::Metrics judge(const std::string& model, const evaluate::Folder& folder, int threads,
                        const Processes& processes = {});

}  // namespace shrike::train
