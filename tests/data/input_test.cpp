// What networks are fed with: pictures made into values, arrays from files, samples of several inputs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "tests/npy.h"
#include "toolchain/data/decode.h"
#include "toolchain/data/npy.h"
#include "toolchain/data/samples.h"
#include "toolchain/data/yolo_set.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::data {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using tests::npy;

template <typename Work>
std::string error_of(Work work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

const std::vector<int64_t> kColor = {1, 3, 1, 2}, kGrayShape = {1, 1, 1, 2};
const Image kPixels{2, 1, {0, 51, 255, 255, 102, 0}};

TEST(InputSpec, DefaultsToRgbInZeroToOne) {
  const auto spec = input_spec(kColor, "");
  ASSERT_TRUE(spec.has_value());
  EXPECT_EQ(to_text(*spec), "");
  EXPECT_THAT(to_network(kPixels, *spec, nullptr), ElementsAre(0, 1, 0.2f, 0.4f, 1, 0));
}

TEST(InputSpec, NumbersGreaterThanOneBelongToPixelsOfBytes) {
  InputOptions options;
  options.mean = {127.5};
  options.std = {127.5};
  options.color = Color::kBgr;
  const auto spec = input_spec(kColor, "", options);
  EXPECT_THAT(to_network(kPixels, *spec, nullptr), ElementsAre(1, -1, -0.6f, -0.2f, -1, 1));
  EXPECT_EQ(spec->range()[0], -1);
  options.mean = {0.5};
  options.std = {0.5};
  const auto same = input_spec(kColor, "", options);
  EXPECT_FLOAT_EQ(same->mean[0], 127.5f);
  EXPECT_FLOAT_EQ(same->std[2], 127.5f);
}

TEST(InputSpec, AScaleOfOneLeavesPixelsAsTheyAre) {
  InputOptions options;
  options.scale = 1;
  EXPECT_THAT(to_network(kPixels, *input_spec(kColor, "", options), nullptr),
              ElementsAre(0, 255, 51, 102, 255, 0));
}

TEST(InputSpec, GrayIsTheChipsBrightness) {
  const auto spec = input_spec(kGrayShape, "");
  EXPECT_EQ(spec->color, Color::kGray);
  // (9798 R + 19235 G + 3735 B + 2^14) >> 15
  const auto values = to_network(kPixels, *spec, nullptr);
  EXPECT_FLOAT_EQ(values[0], 59 / 255.0f);
  EXPECT_FLOAT_EQ(values[1], 136 / 255.0f);
}

TEST(InputSpec, TravelsAsText) {
  InputOptions options;
  options.mean = {123.675, 116.28, 103.53};
  options.std = {58.395, 57.12, 57.375};
  options.geometry = Geometry::kStretch;
  const auto spec = input_spec(kColor, "", options);
  const std::string text = to_text(*spec);
  EXPECT_EQ(text, "color=rgb mean=123.675,116.28,103.53 std=58.395,57.12,57.375 fit=stretch padding=114");
  const auto read = input_spec(kColor, text);
  EXPECT_EQ(to_text(*read), text);
  // What the user says counts more.
  InputOptions other;
  other.geometry = Geometry::kLetterbox;
  EXPECT_EQ(input_spec(kColor, text, other)->geometry, Geometry::kLetterbox);
  EXPECT_EQ(input_spec(kColor, text, other)->mean, spec->mean);
}

TEST(InputSpec, ContradictionsAreRefused) {
  InputOptions options;
  options.color = Color::kGray;
  EXPECT_THAT(error_of([&] { input_spec(kColor, "", options); }), HasSubstr("3 channels"));
  options = {};
  options.mean = {1, 2};
  EXPECT_THAT(error_of([&] { input_spec(kColor, "", options); }), HasSubstr("one number or 3"));
  options = {};
  options.std = {0};
  EXPECT_THAT(error_of([&] { input_spec(kColor, "", options); }), HasSubstr("positive"));
  EXPECT_THAT(error_of([&] { parse_numbers("mean", "1,x"); }), HasSubstr("'1,x'"));
}

TEST(InputSpec, ChannelsMayComeLast) {
  const auto spec = input_spec({1, 1, 2, 3}, "");  // [1,H,W,C]: one row of two pixels
  // The first axis that can be a picture's channels decides, unless the user does.
  EXPECT_FALSE(spec->channels_last);
  InputOptions options;
  options.channels_last = true;
  EXPECT_THAT(to_network(kPixels, *input_spec({1, 1, 2, 3}, "", options), nullptr),
              ElementsAre(0, 0.2f, 1, 1, 0.4f, 0));
  EXPECT_TRUE(input_spec({1, 8, 8, 3}, "")->channels_last);
  EXPECT_FALSE(input_spec({1, 40, 105}, "").has_value());
}

TEST(Npy, WholeNumbersAndFloats) {
  const NpyArray bytes = parse_npy(npy("|u1", "(2, 3)", {1, 2, 3, 4, 5, 6}), "a");
  EXPECT_THAT(bytes.shape, ElementsAre(2, 3));
  EXPECT_THAT(bytes.values, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(parse_npy(npy("<f4", "(1,)", {0, 0, 0x80, 0x3f}), "a").values, ElementsAre(1));
  EXPECT_THAT(parse_npy(npy("<f2", "(2,)", {0x00, 0x3c, 0x01, 0x00}), "a").values,
              ElementsAre(1, std::ldexp(1.0f, -24)));
  EXPECT_THAT(parse_npy(npy("<i2", "()", {0xff, 0xff}), "a").values, ElementsAre(-1));
}

TEST(Npy, TheFirstAxisMayBeTheFastest) {
  EXPECT_THAT(parse_npy(npy("|u1", "(2, 3)", {1, 4, 2, 5, 3, 6}, "True"), "a").values,
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(Npy, DamageIsNamed) {
  EXPECT_THAT(error_of([] { parse_npy({1, 2, 3}, "x.npy"); }), HasSubstr("x.npy"));
  EXPECT_THAT(error_of([] {
                parse_npy(npy(">f4", "(1,)", {0, 0, 0, 0}), "x.npy");
              }),
              HasSubstr("little-endian"));
  EXPECT_THAT(error_of([] { parse_npy(npy("<f4", "(2,)", {0, 0, 0, 0}), "x.npy"); }), HasSubstr("8 bytes"));
  EXPECT_THAT(error_of([] { parse_npy(npy("|u1", "(99999, 99999, 99999)", {}), "x.npy"); }),
              HasSubstr("268435456"));
  EXPECT_THAT(error_of([] { parse_npy(npy("|O", "(1,)", {0}), "x.npy"); }), HasSubstr("little-endian"));
  std::vector<uint8_t> cut = npy("|u1", "(1,)", {1});
  for (size_t size = 0; size < cut.size(); ++size) {
    EXPECT_NE(error_of([&] {
                parse_npy({cut.begin(), cut.begin() + static_cast<std::ptrdiff_t>(size)}, "x");
              }),
              "no error");
  }
}

class Folders : public testing::Test {
 protected:
  void SetUp() override {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        fs::temp_directory_path() / (std::string("shrike_input_") + info->name() + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string write(const std::string& name, const std::vector<uint8_t>& bytes) {
    fs::create_directories((folder_ / name).parent_path());
    write_file_atomically((folder_ / name).string(), bytes);
    return (folder_ / name).string();
  }
  std::string write(const std::string& name, const std::string& text) {
    return write(name, std::vector<uint8_t>(text.begin(), text.end()));
  }
  std::string picture(const std::string& name) { return write(name, encode_png(kPixels)); }

  fs::path folder_;
};

TEST_F(Folders, SubFoldersAreSearchedAndHiddenFilesAreNot) {
  const std::string a = picture("a/1.png"), b = picture("b/c/2.PNG");
  picture("._1.png");
  picture(".hidden/3.png");
  write("d.webp", std::string("RIFF"));
  write("e.bmp", std::string("BM"));
  std::vector<std::string> notes;
  EXPECT_THAT(list_images(folder_.string(), &notes), ElementsAre(a, b));
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_THAT(notes[0], HasSubstr("2 pictures left out, because .bmp, .webp"));
}

TEST_F(Folders, AListKeepsItsOrder) {
  const std::string a = picture("a.png"), b = picture("sub/b.png");
  const std::string list = write("list.txt", std::string("# pictures\nsub/b.png\r\n\na.png\n"));
  EXPECT_THAT(list_images(list), ElementsAre(b, a));
  write("list.txt", std::string("none.png\n"));
  EXPECT_THAT(error_of([&] { list_images(list); }), HasSubstr("'none.png'"));
}

TEST_F(Folders, SeveralInputsHaveASubFolderEachOrAPrefix) {
  const std::vector<Port> ports = {{"frame", {1, 2}, {}}, {"cache", {1, 3}, {}}};
  write("frame/0.npy", npy("|u1", "(1, 2)", {1, 2}));
  write("cache/0.npy", npy("|u1", "(3,)", {3, 4, 5}));
  const auto samples = list_samples(folder_.string(), ports);
  ASSERT_EQ(samples.size(), 1u);
  const auto values = load_sample(samples[0], ports);
  EXPECT_THAT(values[0], ElementsAre(1, 2));
  EXPECT_THAT(values[1], ElementsAre(3, 4, 5));
  write("frame/1.npy", npy("|u1", "(1, 2)", {1, 2}));
  EXPECT_THAT(error_of([&] { list_samples(folder_.string(), ports); }),
              HasSubstr("input 'cache' has no file"));

  fs::remove_all(folder_);
  write("frame_a.npy", npy("|u1", "(2,)", {1, 2}));
  write("cache-a.npy", npy("|u1", "(3,)", {3, 4, 5}));
  EXPECT_EQ(list_samples(folder_.string(), ports).size(), 1u);
}

TEST_F(Folders, ArraysMustHaveTheInputsShapeOrItsChannelLastOrder) {
  const std::vector<Port> vector = {{"x", {1, 4}, {}}};
  const std::string five = write("x.npy", npy("|u1", "(5,)", {1, 2, 3, 4, 5}));
  EXPECT_THAT(error_of([&] { load_sample(five, vector); }),
              HasSubstr("[1,4] was expected for input 'x', found [5]"));
  const std::string stacked = write("s.npy", npy("|u1", "(2, 4)", {1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_THAT(error_of([&] { load_sample(stacked, vector); }), HasSubstr("each sample as a file of its own"));
  const std::vector<Port> map = {{"x", {1, 2, 1, 3}, {}}};
  const std::string turned = write("y.npy", npy("|u1", "(1, 1, 3, 2)", {1, 2, 3, 4, 5, 6}));
  EXPECT_THAT(load_sample(turned, map)[0], ElementsAre(1, 3, 5, 2, 4, 6));
  const std::string image = picture("z.png");
  EXPECT_THAT(error_of([&] { load_sample(image, vector); }), HasSubstr("is no picture"));
}

TEST(Warnings, ANetworkThatDividesBy255IsNotFedZeroToOne) {
  graph::Graph graph;
  graph.inputs = {"x"};
  graph.tensors["x"] = {"x", {1, 3, 8, 8}, graph::ElementType::kFloat, false, {}, {}, {}, {}, {}};
  graph.tensors["c"] = {"c", {}, graph::ElementType::kFloat, true, {255}, {}, {}, {}, {}};
  graph.tensors["y"] = {"y", {1, 3, 8, 8}, graph::ElementType::kFloat, false, {}, {}, {}, {}, {}};
  graph.nodes.push_back({"divide", "Div", {"x", "c"}, {"y"}, {}});
  graph.outputs = {"y"};
  EXPECT_THAT(input_warnings(graph, 8), ElementsAre(HasSubstr("Div by 255")));
  InputOptions options;
  options.scale = 1;
  decide_input(graph, options);
  EXPECT_THAT(input_warnings(graph, 8), ElementsAre());
  EXPECT_THAT(input_warnings(graph, 1), ElementsAre(HasSubstr("one sample only")));
}

TEST_F(Folders, YoloSets) {
  const std::string first = picture("images/val/0.png");
  write("labels/val/0.txt", std::string("1 0.5 0.5 0.25 0.5\n0 0.1 0.1 0.3 0.1 0.3 0.4\n"));
  const std::string yaml =
      write("data.yaml", std::string("path: .\nval: images/val\nnames:\n  0: cat\n  1: dog\n"));
  const YoloYaml set = load_yolo_yaml(yaml);
  EXPECT_THAT(set.val, ElementsAre(first));
  EXPECT_EQ(set.names.at(1), "dog");
  const auto labels = load_yolo_labels(first, 0);
  ASSERT_EQ(labels.size(), 2u);
  EXPECT_EQ(labels[0].category, 1);
  EXPECT_DOUBLE_EQ(labels[0].x, 0.375);
  EXPECT_DOUBLE_EQ(labels[0].height, 0.5);
  EXPECT_EQ(labels[1].polygon.size(), 6u);
  EXPECT_DOUBLE_EQ(labels[1].width, 0.3 - 0.1);
  write("labels/val/0.txt", std::string("1 0.5\n"));
  EXPECT_THAT(error_of([&] { load_yolo_labels(first, 0); }), HasSubstr("0.txt line 1"));
}

}  // namespace
}  // namespace shrike::data
