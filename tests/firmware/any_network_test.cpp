// Networks of any kind in QEMU: bit for bit what `shrike run` computes here.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <random>
#include <regex>
#include <string>

#include "tests/firmware/tools.h"
#include "tests/import/onnx_builder.h"
#include "tests/npy.h"
#include "toolchain/data/image.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

namespace fs = std::filesystem;

// What people run besides detectors, each quantised from the float network and compared in QEMU with `shrike
// run`.
class AnyNetwork : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    make_folder(folder_);
  }

  Floats drawn(int64_t count, float low, float high) {
    Floats values(static_cast<size_t>(count));
    for (float& value : values)
      value = low + (high - low) * static_cast<float>(random_() & 0xffff) / 65536.0f;
    return values;
  }

  // A layer with a bias: a convolution of `kernel` (its spatial sizes), or Gemm where it has none.
  void layer(OnnxBuilder& b, const std::string& x, int64_t in, int64_t out, const Ints& kernel,
             int64_t stride, const std::string& y) {
    Ints shape = {out, in};
    int64_t taps = in;
    for (const int64_t size : kernel) {
      shape.push_back(size);
      taps *= size;
    }
    const float limit = 1.7f / std::sqrt(static_cast<float>(taps));
    b.floats(y + ".w", shape, drawn(out * taps, -limit, limit))
        .floats(y + ".b", {out}, drawn(out, -0.2f, 0.2f));
    if (kernel.empty()) {
      b.node("Gemm", {x, y + ".w", y + ".b"}, {y}, {{"transB", int64_t{1}}});
    } else {
      b.node("Conv", {x, y + ".w", y + ".b"}, {y}, {{"strides", Ints(kernel.size(), stride)}});
    }
  }

  std::string picture(const std::string& name, int width, int height) {
    data::Image image{width, height, std::vector<uint8_t>(static_cast<size_t>(width) * height * 3)};
    for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random_() >> 24);
    make_folder(fs::path(path(name)).parent_path().string());
    data::save_image(image, path(name));
    return path(name);
  }

  std::string array(const std::string& name, const Ints& shape) {
    int64_t count = 1;
    for (const int64_t dim : shape) count *= dim;
    make_folder(fs::path(path(name)).parent_path().string());
    write_file_atomically(path(name), npy(shape, drawn(count, -1, 1)));
    return path(name);
  }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  // `calibration`: a folder of path(); `samples`: as run-firmware takes them; `inputs`: as run does.
  void expect_equal_in_qemu(const OnnxBuilder& network, const std::string& calibration,
                            const std::string& options, const std::string& samples,
                            const std::string& inputs) {
    write_file_atomically(path("float.onnx"), network.bytes());
    const std::string program = SHRIKE_PROGRAM, model = path("model.espdl");
    const Finished made = run(program + " quantize " + path("float.onnx") + " --calib " + path(calibration) +
                              " " + options + " --threads 1 --quiet -o " + model);
    ASSERT_EQ(made.status, 0) << made.output;
    const Finished here = run(program + " run " + model + " " + inputs);
    ASSERT_EQ(here.status, 0) << here.output;
    const Finished there = run(program + " run-firmware " + model + " " + samples + " --build " + kBuild +
                               "/detect --timeout 60");
    ASSERT_EQ(there.status, 0) << there.output;
    EXPECT_NE(there.output.find("firmware and host agree on every output tensor"), std::string::npos);
    std::smatch hash;
    ASSERT_TRUE(std::regex_search(here.output, hash, std::regex("sha256 ([0-9a-f]{64})"))) << here.output;
    EXPECT_NE(there.output.find(hash[1].str() + "  equal"), std::string::npos) << there.output;
  }

 private:
  std::string folder_ = kBuild + "/any_network";
  std::mt19937 random_{1};
};

TEST_F(AnyNetwork, ClassifierOfNormalisedPictures) {
  SHRIKE_NEEDS_TOOLS();
  OnnxBuilder b;
  layer(b.input("photo", {1, 3, 24, 24}), "photo", 3, 8, {3, 3}, 2, "c");
  b.node("Relu", {"c"}, {"r"}).node("GlobalAveragePool", {"r"}, {"g"}).node("Flatten", {"g"}, {"f"});
  layer(b, "f", 8, 5, {}, 1, "logits");
  b.node("Softmax", {"logits"}, {"classes"}).output("classes");
  for (const char* name : {"photos/0.png", "photos/1.png"}) picture(name, 24, 24);
  const std::string sample = picture("sample.png", 37, 21);  // the chip letterboxes it
  expect_equal_in_qemu(b, "photos", "--mean 123.7,116.3,103.5 --std 58.4,57.1,57.4", sample,
                       "--input photo=" + sample);
}

TEST_F(AnyNetwork, KeyPointsOfBluePicturesInBytes) {
  SHRIKE_NEEDS_TOOLS();
  OnnxBuilder b;
  layer(b.input("face", {1, 3, 24, 24}), "face", 3, 8, {3, 3}, 2, "c");
  b.node("Relu", {"c"}, {"r"}).node("Flatten", {"r"}, {"f"});
  layer(b, "f", 8 * 11 * 11, 10, {}, 1, "points");
  b.output("points");
  for (const char* name : {"photos/0.png", "photos/1.png"}) picture(name, 24, 24);
  const std::string sample = picture("sample.png", 24, 24);
  expect_equal_in_qemu(b, "photos", "--color bgr --scale 1 --preprocess stretch", sample,
                       "--input face=" + sample);
}

TEST_F(AnyNetwork, GreyPictures) {
  SHRIKE_NEEDS_TOOLS();
  OnnxBuilder b;
  layer(b.input("digit", {1, 1, 20, 20}), "digit", 1, 8, {5, 5}, 2, "c");
  b.node("Relu", {"c"}, {"r"}).node("Flatten", {"r"}, {"f"});
  layer(b, "f", 8 * 8 * 8, 10, {}, 1, "digits");
  b.output("digits");
  for (const char* name : {"photos/0.png", "photos/1.png"}) picture(name, 20, 20);
  const std::string sample = picture("sample.png", 20, 20);
  expect_equal_in_qemu(b, "photos", "", sample, "--input digit=" + sample);
}

TEST_F(AnyNetwork, SoundInOneDimension) {
  SHRIKE_NEEDS_TOOLS();
  OnnxBuilder b;
  layer(b.input("frames", {1, 8, 30}), "frames", 8, 16, {3}, 2, "c");
  b.node("Relu", {"c"}, {"r"});
  layer(b, "r", 16, 4, {1}, 1, "words");
  b.output("words");
  for (const char* name : {"sounds/0.npy", "sounds/1.npy"}) array(name, {1, 8, 30});
  const std::string sample = array("sample.npy", {1, 8, 30});
  expect_equal_in_qemu(b, "sounds", "", sample, "--input frames=" + sample);
}

TEST_F(AnyNetwork, SequencesThroughARecurrentLayerFromAState) {
  SHRIKE_NEEDS_TOOLS();
  OnnxBuilder b(18);
  b.input("sequence", {4, 1, 6}).input("state", {1, 1, 5});
  b.floats("W", {1, 15, 6}, drawn(90, -0.6f, 0.6f)).floats("R", {1, 15, 5}, drawn(75, -0.6f, 0.6f));
  b.node("GRU", {"sequence", "W", "R", "", "", "state"}, {"all", "last"}, {{"hidden_size", int64_t{5}}});
  b.output("all").output("last");
  for (const char* name : {"0.npy", "1.npy"}) {
    array(std::string("both/sequence/") + name, {4, 1, 6});
    array(std::string("both/state/") + name, {1, 1, 5});
  }
  const std::string inputs =
      "--input sequence=" + path("both/sequence/1.npy") + " --input state=" + path("both/state/0.npy");
  expect_equal_in_qemu(b, "both", "", inputs, inputs);
}

}  // namespace
}  // namespace shrike::tests
