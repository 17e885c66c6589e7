// Labelled pictures for training: the set, and what is done to a picture before the network sees it
// (spec/training.md section 3).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "toolchain/data/image.h"
#include "toolchain/data/input_spec.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/evaluate/run.h"
#include "toolchain/train/assigner.h"

namespace shrike::train {

struct LabelledPicture {
  std::string path;           // a sample as in data/samples.h: also an array, or the files of several inputs
  std::vector<Truth> truths;  // in shares of the picture's width and height, 0..1
};

struct LabelledSet {
  std::vector<LabelledPicture> pictures;
  std::vector<std::string> class_names;
  bool labelled = true;     // false: a plain folder of pictures
  evaluate::Folder folder;  // what evaluation needs of it; empty when not labelled
};

// The set in two: what is trained on and what judges, every picture in one of them.
struct Parts {
  LabelledSet training, judging;
};
// Holds `share` of the pictures back, evenly spread, at most `most` and at least one.
Parts hold_out(const LabelledSet& set, double share, size_t most);

// Samples without labels, of any network.
LabelledSet unlabelled_set(const std::vector<std::string>& samples);
// A labelled set (anything that `shrike eval --data` takes; of a data.yaml the pictures of `train:`), or a
// plain folder of pictures. The set's categories become the model's classes as in evaluation; without `model`
// they are the classes, in order. Crowd regions are left out. Throws Error naming what is missing.
LabelledSet open_labelled_set(const std::string& path, const evaluate::ClassNames& model = {});

struct Augmentation {
  double mosaic = 1.0;     // probability of four pictures in one
  double scale = 0.5;      // zoom by 1 - scale .. 1 + scale
  double translate = 0.1;  // of the input's size
  double hue = 0.015, saturation = 0.7, value = 0.4;
  double flip = 0.5;  // probability of left for right
};

// A picture of the network's size and its objects in pixels.
struct Sample {
  data::Image image;
  std::vector<Truth> truths;
};

// Which of `count` samples is number n of a run: every round goes through all of them, in a new order.
size_t drawn_sample(uint64_t number, size_t count, uint64_t seed);

// Makes the samples of a run. Everything about sample number n of a run follows from the seed and n alone.
class SampleMaker {
 public:
  // `input` is what the network is fed with. Keeps decoded pictures in memory up to `cache_bytes`.
  SampleMaker(const LabelledSet& set, const data::InputSpec& input, uint64_t seed,
              size_t cache_bytes = size_t{512} << 20);
  ~SampleMaker();

  // Safe to call from several threads.
  Sample make(uint64_t number, const Augmentation& augmentation) const;
  // The picture fitted as for evaluation, nothing else.
  Sample plain(size_t picture) const;
  const data::InputSpec& input() const { return input_; }

 private:
  struct Cache;
  // The picture at about the network's size, and its objects in pixels.
  Sample load(size_t picture) const;

  const LabelledSet& set_;
  data::InputSpec input_;
  uint64_t seed_;
  std::unique_ptr<Cache> cache_;
};

// The picture in the network's geometry, its objects with it.
Sample fitted(const Sample& sample, const data::InputSpec& input);
// Fitted samples one behind the other as the network is fed with them.
std::vector<float> to_network(const std::vector<Sample>& samples, const data::InputSpec& input);

}  // namespace shrike::train
