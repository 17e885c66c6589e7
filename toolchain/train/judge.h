// How good a model file is, by the protocol of `shrike eval`.
#pragma once
#include <string>

#include "toolchain/evaluate/coco.h"
#include "toolchain/evaluate/run.h"

namespace shrike::train {

// Runs the float or integer model in the file over the labelled pictures.
evaluate::Metrics judge(const std::string& model, const evaluate::Folder& folder, int threads);

}  // namespace shrike::train
