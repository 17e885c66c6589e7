// How good a model file is, by the protocol of `shrike eval`.
#pragma once
#include <string>
#include <vector>

#include "toolchain/evaluate/coco.h"
#include "toolchain/evaluate/run.h"
#include "toolchain/train/processes.h"

namespace shrike::train {

// Runs the float or integer model in the file over the labelled pictures, every process over its share; all
// receive what all found, in the order of the pictures.
std::vector<evaluate::Detection> found_by(const std::string& model, const evaluate::Folder& folder,
                                          int threads, const Processes& processes = {});
evaluate::Metrics judge(const std::string& model, const evaluate::Folder& folder, int threads,
                        const Processes& processes = {});

// What is known of a file that a run could write. Its mAP is as good as the pictures are many; the error of
// its outputs against the float network's is steady on few.
struct Verdict {
  double map = 0;              // with labels
  double error = 0;            // of the outputs
  std::vector<float> redrawn;  // with labels: mAP of the pictures redrawn, the same draws for every file
};
// Of the difference between the two in mAP.
double standard_error(const Verdict& a, const Verdict& b);
// A difference in mAP counts from this many standard errors on.
inline constexpr double kCertain = 2;
bool loses_accuracy(const Verdict& verdict, const Verdict& other);  // by so much
// By mAP where the difference counts, else by the error.
bool is_better(const Verdict& verdict, const Verdict& other);

}  // namespace shrike::train
