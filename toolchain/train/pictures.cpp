#include "toolchain/train/pictures.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <mutex>
#include <numeric>

#include "toolchain/support/error.h"
#include "toolchain/support/random.h"
#include "toolchain/train/augment.h"

namespace shrike::train {
namespace {

// Streams of random numbers for different uses.
constexpr uint64_t kOrder = 1, kSample = 2;

// Objects in shares of the picture become pixels.
void make_pixels(Sample& sample) {
  const auto width = static_cast<float>(sample.image.width), height = static_cast<float>(sample.image.height);
  for (Truth& truth : sample.truths) {
    truth.x1 *= width;
    truth.x2 *= width;
    truth.y1 *= height;
    truth.y2 *= height;
  }
}

// Labels of shares of the picture become pixels: its size is read once.
void make_pixels(evaluate::Folder& folder) {
  if (!folder.in_shares) return;
  std::vector<std::pair<int, int>> sizes;
  for (size_t i = 0; i < folder.paths.size(); ++i) {
    const data::Image image = data::load_image(folder.paths[i]);
    sizes.emplace_back(image.width, image.height);
    folder.dataset.images[i].width = image.width;
    folder.dataset.images[i].height = image.height;
  }
  evaluate::to_pixels(folder, sizes);
}

}  // namespace

LabelledSet open_labelled_set(const std::string& path, const evaluate::ClassNames& model) {
  LabelledSet set;
  std::error_code ignored;
  const std::filesystem::path root(path);
  if (std::filesystem::is_directory(root, ignored) &&
      !std::filesystem::exists(root / "instances.json", ignored) &&
      !std::filesystem::exists(root / "_annotations.coco.json", ignored) &&
      !std::filesystem::exists(root / "data.yaml", ignored)) {
    set.labelled = false;
    for (const std::string& image : data::list_images(path)) set.pictures.push_back({image, {}});
    return set;
  }
  evaluate::Folder folder = evaluate::open_folder(path, {.training = true});
  make_pixels(folder);
  const evaluate::Dataset& dataset = folder.dataset;
  const std::vector<int> categories =
      model.names.empty() ? dataset.category_ids : evaluate::category_of_classes(dataset, model);
  std::map<int, int> class_of;
  for (size_t i = 0; i < categories.size(); ++i) {
    class_of[categories[i]] = static_cast<int>(i);
    const auto name = dataset.category_names.find(categories[i]);
    set.class_names.push_back(name == dataset.category_names.end() ? fmt::format("class {}", i)
                                                                   : name->second);
  }
  std::map<int64_t, size_t> picture_of;
  for (size_t i = 0; i < folder.paths.size(); ++i) {
    picture_of[dataset.images[i].id] = i;
    set.pictures.push_back({folder.paths[i], {}});
  }
  for (const evaluate::GroundTruth& truth : dataset.annotations) {
    const auto picture = picture_of.find(truth.image_id);
    const auto category = class_of.find(truth.category_id);
    if (truth.crowd || picture == picture_of.end() || category == class_of.end()) continue;
    const auto& entry = dataset.images[picture->second];
    const auto share = [](double pixels, int size) {
      return static_cast<float>(std::clamp(pixels / size, 0.0, 1.0));
    };
    const Truth box{category->second, share(truth.x, entry.width), share(truth.y, entry.height),
                    share(truth.x + truth.width, entry.width), share(truth.y + truth.height, entry.height)};
    if (box.x2 > box.x1 && box.y2 > box.y1) set.pictures[picture->second].truths.push_back(box);
  }
  set.folder = folder;
  return set;
}

LabelledSet unlabelled_set(const std::vector<std::string>& samples) {
  LabelledSet set;
  set.labelled = false;
  for (const std::string& sample : samples) set.pictures.push_back({sample, {}});
  return set;
}

Parts hold_out(const LabelledSet& set, double share, size_t most) {
  const size_t count = set.pictures.size();
  if (count < 2) fail("training needs at least two pictures, one of them to judge by; found {}", count);
  const auto wanted = static_cast<size_t>(std::lround(share * static_cast<double>(count)));
  const size_t held = std::clamp<size_t>(wanted, 1, std::max<size_t>(1, std::min(most, count - 1)));
  Parts parts;
  for (LabelledSet* part : {&parts.training, &parts.judging}) {
    part->class_names = set.class_names;
    part->labelled = set.labelled;
    part->folder.dataset.category_ids = set.folder.dataset.category_ids;
    part->folder.dataset.category_names = set.folder.dataset.category_names;
  }
  std::map<int64_t, bool> judged;  // by image id
  for (size_t i = 0; i < count; ++i) {
    const bool judges = i * held / count != (i + 1) * held / count;
    LabelledSet& part = judges ? parts.judging : parts.training;
    part.pictures.push_back(set.pictures[i]);
    if (!set.labelled) continue;
    judged[set.folder.dataset.images[i].id] = judges;
    part.folder.dataset.images.push_back(set.folder.dataset.images[i]);
    part.folder.paths.push_back(set.folder.paths[i]);
  }
  for (const evaluate::GroundTruth& truth : set.folder.dataset.annotations) {
    const auto found = judged.find(truth.image_id);
    if (found == judged.end()) continue;
    (found->second ? parts.judging : parts.training).folder.dataset.annotations.push_back(truth);
  }
  return parts;
}

struct SampleMaker::Cache {
  std::mutex mutex;
  std::map<size_t, data::Image> images;
  size_t bytes = 0, limit = 0;
};

SampleMaker::SampleMaker(const LabelledSet& set, const data::InputSpec& input, uint64_t seed,
                         size_t cache_bytes)
    : set_(set), input_(input), seed_(seed), cache_(std::make_unique<Cache>()) {
  if (set.pictures.empty()) fail("there are no pictures to train on");
  cache_->limit = cache_bytes;
}

SampleMaker::~SampleMaker() = default;

Sample SampleMaker::load(size_t picture) const {
  const LabelledPicture& labelled = set_.pictures[picture];
  Sample sample;
  {
    const std::lock_guard lock(cache_->mutex);
    const auto found = cache_->images.find(picture);
    if (found != cache_->images.end()) sample.image = found->second;
  }
  if (sample.image.pixels.empty()) {
    const data::Image full = data::load_image(labelled.path);
    const double across = static_cast<double>(input_.width) / full.width,
                 down = static_cast<double>(input_.height) / full.height;
    // What is cropped must cover the input, what is letterboxed fit into it.
    const double ratio =
        input_.geometry == data::Geometry::kLetterbox ? std::min(across, down) : std::max(across, down);
    const auto side = [&](int size) { return std::max(1, static_cast<int>(std::ceil(size * ratio - 1e-6))); };
    sample.image = data::resize_bilinear(full, side(full.width), side(full.height));
    const std::lock_guard lock(cache_->mutex);
    if (cache_->bytes + sample.image.pixels.size() <= cache_->limit &&
        cache_->images.emplace(picture, sample.image).second) {
      cache_->bytes += sample.image.pixels.size();
    }
  }
  sample.truths = labelled.truths;
  make_pixels(sample);
  return sample;
}

size_t drawn_sample(uint64_t number, size_t count, uint64_t seed) {
  Random random(seed, kOrder, number / count);
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  for (size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order[number % count];
}

Sample SampleMaker::make(uint64_t number, const Augmentation& augmentation) const {
  Random random(seed_, kSample, number);
  Sample sample = load(drawn_sample(number, set_.pictures.size(), seed_));
  if (random.unit() < augmentation.mosaic) {
    std::vector<Sample> four = {std::move(sample)};
    while (four.size() < 4) four.push_back(load(random.below(set_.pictures.size())));
    sample = mosaic(four, input_.width, input_.height, random);
  } else {
    sample = fitted(sample, input_);
  }
  sample =
      zoom_and_shift(sample, input_.width, input_.height, augmentation.scale, augmentation.translate, random);
  shift_colours(sample.image, augmentation.hue, augmentation.saturation, augmentation.value, random);
  if (random.unit() < augmentation.flip) flip(sample);
  return sample;
}

Sample SampleMaker::plain(size_t picture) const {
  Sample sample{data::load_image(set_.pictures[picture].path), set_.pictures[picture].truths};
  make_pixels(sample);
  return fitted(sample, input_);
}

Sample fitted(const Sample& sample, const data::InputSpec& input) {
  Sample result;
  data::Placement placement;
  result.image = data::fit(sample.image, input.width, input.height, input.geometry, &placement);
  const auto into = [](float value, float scale, int offset, int size) {
    return std::clamp(value * scale + static_cast<float>(offset), 0.0f, static_cast<float>(size));
  };
  for (Truth truth : sample.truths) {
    truth.x1 = into(truth.x1, placement.scale_x, placement.left, input.width);
    truth.x2 = into(truth.x2, placement.scale_x, placement.left, input.width);
    truth.y1 = into(truth.y1, placement.scale_y, placement.top, input.height);
    truth.y2 = into(truth.y2, placement.scale_y, placement.top, input.height);
    if (truth.x2 > truth.x1 && truth.y2 > truth.y1) result.truths.push_back(truth);
  }
  return result;
}

std::vector<float> to_network(const std::vector<Sample>& samples, const data::InputSpec& input) {
  std::vector<float> values;
  values.reserve(samples.size() * input.elements());
  for (const Sample& sample : samples) {
    const std::vector<float> each = data::to_network(sample.image, input, nullptr);
    values.insert(values.end(), each.begin(), each.end());
  }
  return values;
}

}  // namespace shrike::train
