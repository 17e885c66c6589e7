// Labelled sets and augmentation (spec/training.md section 3).
#include "toolchain/train/pictures.h"
#include "tests/own_temporary.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "tests/train/drawn_set.h"
#include "toolchain/support/error.h"
#include "toolchain/train/augment.h"

namespace shrike::train {
namespace {

data::InputSpec square(int size) {
  data::InputSpec input;
  input.width = input.height = size;
  return input;
}

// A red object on grey.
Sample one_object(int width, int height, const Truth& truth) {
  Sample sample;
  sample.image = {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 50)};
  data::fill_rectangle(sample.image, static_cast<int>(truth.x1), static_cast<int>(truth.y1),
                       static_cast<int>(truth.x2), static_cast<int>(truth.y2), {250, 10, 10});
  sample.truths = {truth};
  return sample;
}

// The box around what is red in the picture.
Truth red_box(const data::Image& image) {
  Truth box{0, 1e9f, 1e9f, -1, -1};
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* p = &image.pixels[static_cast<size_t>(y * image.width + x) * 3];
      if (p[0] < 150 || p[1] > 80) continue;
      box.x1 = std::min(box.x1, static_cast<float>(x));
      box.y1 = std::min(box.y1, static_cast<float>(y));
      box.x2 = std::max(box.x2, static_cast<float>(x + 1));
      box.y2 = std::max(box.y2, static_cast<float>(y + 1));
    }
  }
  return box;
}

void expect_near(const Truth& found, const Truth& expected, float tolerance) {
  EXPECT_NEAR(found.x1, expected.x1, tolerance);
  EXPECT_NEAR(found.y1, expected.y1, tolerance);
  EXPECT_NEAR(found.x2, expected.x2, tolerance);
  EXPECT_NEAR(found.y2, expected.y2, tolerance);
}

TEST(Augmentation, ObjectsStayWithTheirPixels) {
  const Sample sample = one_object(64, 48, {0, 10, 12, 34, 30});
  Sample flipped = sample;
  flip(flipped);
  expect_near(flipped.truths[0], {0, 30, 12, 54, 30}, 0);
  expect_near(red_box(flipped.image), flipped.truths[0], 0);
  const Sample boxed = fitted(sample, square(96));
  EXPECT_EQ(boxed.image.pixels[0], 114);
  expect_near(red_box(boxed.image), boxed.truths[0], 1);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    const Sample zoomed = zoom_and_shift(fitted(sample, square(64)), 64, 64, 0.5, 0.1, random);
    ASSERT_EQ(zoomed.truths.size(), 1u);
    expect_near(red_box(zoomed.image), zoomed.truths[0], 1.1f);
  }
}

TEST(Augmentation, AMosaicKeepsEveryObjectInItsQuarter) {
  const Truth truth{3, 20, 20, 44, 44};
  const std::vector<Sample> four(4, one_object(64, 64, truth));
  Random random(1);
  const Sample mosaicked = mosaic(four, 64, 64, random);
  EXPECT_EQ(mosaicked.image.width, 128);
  ASSERT_EQ(mosaicked.truths.size(), 4u);
  for (const Truth& t : mosaicked.truths) EXPECT_EQ(t.category, 3);
}

TEST(Augmentation, ObjectsThatAreAlmostOutsideAreDropped) {
  Sample sample = one_object(64, 64, {0, 2, 2, 62, 62});
  sample.truths = {{0, 0, 0, 4, 4}};  // a corner that a view zoomed twice does not show
  Random random(1);
  // zoom_and_shift draws its zoom from 1 - scale .. 1 + scale: look for one above 1.3.
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Random other(seed);
    Random same(seed);
    const double zoom = same.uniform(0.5, 1.5);
    const Sample view = zoom_and_shift(sample, 64, 64, 0.5, 0, other);
    if (zoom > 1.3) {
      EXPECT_TRUE(view.truths.empty()) << zoom;
    }
  }
}

TEST(Augmentation, ColourGainsOfZeroChangeNothing) {
  Sample sample = one_object(16, 16, {0, 2, 2, 9, 9});
  const std::vector<uint8_t> before = sample.image.pixels;
  Random random(1);
  shift_colours(sample.image, 0, 0, 0, random);
  EXPECT_EQ(sample.image.pixels, before);
  shift_colours(sample.image, 0, 0, 0.5, random);
  EXPECT_NE(sample.image.pixels, before);
}

TEST(LabelledSet, SamplesFollowFromTheSeedAndTheirNumberAlone) {
  const tests::DrawnSet drawn("samples_set", 6, 48);
  const LabelledSet set = open_labelled_set(drawn.folder);
  EXPECT_EQ(set.class_names, (std::vector<std::string>{"red", "blue"}));
  const SampleMaker a(set, square(64), 3), b(set, square(64), 3, 0), c(set, square(64), 4);
  a.make(5, {});  // what was made before does not matter
  const Sample first = a.make(1, {}), second = b.make(1, {}), other = c.make(1, {});
  EXPECT_EQ(first.image.pixels, second.image.pixels);
  EXPECT_EQ(first.truths, second.truths);
  EXPECT_NE(first.image.pixels, other.image.pixels);
}

TEST(LabelledSet, HeldOutPicturesAreNotTrainedOn) {
  const tests::DrawnSet drawn("held_set", 10, 32);
  const Parts parts = hold_out(open_labelled_set(drawn.folder), 0.3, 100);
  EXPECT_EQ(parts.training.pictures.size(), 7u);
  EXPECT_EQ(parts.judging.pictures.size(), 3u);
  std::set<std::string> paths;
  for (const auto* part : {&parts.training, &parts.judging}) {
    for (const LabelledPicture& picture : part->pictures) EXPECT_TRUE(paths.insert(picture.path).second);
  }
  EXPECT_EQ(parts.judging.folder.dataset.annotations.size(), 6u);
}

// Pixels as the network's input says: order of colours, mean and deviation, and how pictures are fitted.
TEST(LabelledSet, SamplesAreFedAsTheNetworkSays) {
  const tests::DrawnSet drawn("fed_set", 2, 48);
  const LabelledSet set = open_labelled_set(drawn.folder);
  data::InputSpec input = square(32);
  input.color = data::Color::kBgr;
  input.mean = {10, 20, 30};
  input.std = {2, 4, 8};
  const SampleMaker maker(set, input, 0);
  const Sample sample = maker.plain(0);
  const std::vector<float> values = to_network({sample, maker.plain(1)}, maker.input());
  ASSERT_EQ(values.size(), 2u * 3 * 32 * 32);
  const uint8_t* rgb = &sample.image.pixels[5 * 3];
  EXPECT_EQ(values[5], (static_cast<float>(rgb[2]) - 10) / 2);
  EXPECT_EQ(values[32 * 32 + 5], (static_cast<float>(rgb[1]) - 20) / 4);
  EXPECT_EQ(values[2 * 32 * 32 + 5], (static_cast<float>(rgb[0]) - 30) / 8);
}

TEST(LabelledSet, AStretchedPictureFillsTheInputAndACroppedOneLosesItsEdges) {
  const Sample wide = one_object(96, 48, {0, 40, 10, 56, 38});
  data::InputSpec input = square(48);
  input.geometry = data::Geometry::kStretch;
  const Sample stretched = fitted(wide, input);
  expect_near(stretched.truths[0], {0, 20, 10, 28, 38}, 0.01f);
  expect_near(red_box(stretched.image), stretched.truths[0], 1);
  input.geometry = data::Geometry::kCenterCrop;
  const Sample cropped = fitted(wide, input);
  expect_near(cropped.truths[0], {0, 16, 10, 32, 38}, 1);
  expect_near(red_box(cropped.image), cropped.truths[0], 1);
  EXPECT_TRUE(fitted(one_object(96, 48, {0, 2, 10, 14, 38}), input).truths.empty());
}

TEST(LabelledSet, OfADataYamlThePicturesForTrainingAreTaken) {
  const std::string folder = tests::own_temporary("yaml_set");
  std::filesystem::remove_all(folder);
  for (const char* part : {"train", "val"}) {
    make_folder(folder + "/" + part + "/images");
    make_folder(folder + "/" + part + "/labels");
    const std::string name = std::string("/") + (part[0] == 't' ? "a" : "b");
    data::save_image(one_object(40, 20, {0, 10, 5, 20, 15}).image,
                     folder + "/" + part + "/images" + name + ".png");
    write_file_atomically(folder + "/" + part + "/labels" + name + ".txt",
                          std::string_view("1 0.375 0.5 0.25 0.5\n"));
  }
  write_file_atomically(folder + "/data.yaml",
                        std::string_view("train: train/images\nval: val/images\nnames: [one, two]\n"));
  for (const std::string& place : {folder, folder + "/data.yaml"}) {
    const LabelledSet set = open_labelled_set(place);
    ASSERT_EQ(set.pictures.size(), 1u);
    EXPECT_EQ(std::filesystem::path(set.pictures[0].path).filename(), "a.png");
    ASSERT_EQ(set.pictures[0].truths.size(), 1u);
    const Truth& truth = set.pictures[0].truths[0];
    EXPECT_EQ(truth.category, 1);
    expect_near(truth, {1, 0.25f, 0.25f, 0.5f, 0.75f}, 1e-5f);
    EXPECT_EQ(set.class_names, (std::vector<std::string>{"one", "two"}));
  }
}

TEST(LabelledSet, APlainFolderHasNoLabels) {
  const tests::DrawnSet drawn("plain_set", 3, 32);
  const LabelledSet set = open_labelled_set(drawn.folder + "/images");
  EXPECT_FALSE(set.labelled);
  EXPECT_EQ(set.pictures.size(), 3u);
  EXPECT_THROW(open_labelled_set(drawn.folder + "/nothing"), Error);
}

}  // namespace
}  // namespace shrike::train
