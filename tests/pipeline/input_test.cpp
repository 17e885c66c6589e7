// Networks that were trained for other ranges than 0..1: float and integer network agree on pictures, and the
// chip's preprocessing gets the same numbers from the file alone.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "runtime/ops/numeric.h"
#include "shrike/image.h"
#include "tests/import/onnx_builder.h"
#include "toolchain/data/samples.h"
#include "toolchain/engine/engine.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/integer/network.h"
#include "toolchain/measure/noise.h"
#include "toolchain/pipeline/quantize.h"

namespace shrike::quantize {
namespace {

using tests::Floats;
using tests::OnnxBuilder;

constexpr int64_t kSide = 16;

class InputTest : public ::testing::TestWithParam<Target> {
 protected:
  InputTest() {
    std::filesystem::create_directories(folder_ / "pictures");
    for (int i = 0; i < 3; ++i) {
      data::Image image{kSide, kSide, std::vector<uint8_t>(kSide * kSide * 3)};
      for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(random_() >> 24);
      data::save_image(image, picture(i));
    }
  }
  ~InputTest() override { std::filesystem::remove_all(folder_); }

  std::string picture(int index) const {
    return (folder_ / "pictures" / (std::to_string(index) + ".png")).string();
  }

  // A convolution that takes numbers of about `range`.
  OnnxBuilder network(int64_t channels, float range) {
    OnnxBuilder b;
    b.input("picture", {1, channels, kSide, kSide});
    Floats weights(static_cast<size_t>(8 * channels * 9));
    for (float& value : weights) value = (static_cast<float>(random_() & 0xffff) / 32768.0f - 1) / range;
    b.floats("w", {8, channels, 3, 3}, weights)
        .node("Conv", {"picture", "w"}, {"c"})
        .node("Relu", {"c"}, {"y"});
    b.output("y");
    return b;
  }

  void expect_agreement(const OnnxBuilder& network, const data::InputOptions& input) {
    const std::string file = (folder_ / "model.onnx").string();
    std::ofstream(file, std::ios::binary) << network.bytes();
    Settings settings;
    settings.target = GetParam();
    settings.input = input;
    settings.threads = 1;
    const Result result = quantize(file, (folder_ / "pictures").string(), settings, [](auto&&...) {});
    const std::vector<data::Port> ports = data::ports_of(result.float_graph);
    ASSERT_EQ(ports.size(), 1u);
    ASSERT_TRUE(ports[0].picture.has_value());
    host::IntegerModel model =
        host::IntegerModel::from_bytes(espdl::serialize(result.program), "the new file");
    const TensorView stored = model.model().input(0);

    const data::Image image = data::load_image(picture(1));
    const std::vector<float> values = data::to_network(image, *ports[0].picture, nullptr);
    ImagePlacement placement;
    ASSERT_TRUE(preprocess({image.pixels.data(), image.width, image.height},
                           preprocess_options(model.model()), model.model(), &placement)
                    .ok());
    const size_t channels = static_cast<size_t>(ports[0].shape[1]), pixels = kSide * kSide;
    for (size_t c = 0; c < channels; ++c) {
      for (size_t i = 0; i < pixels; ++i) {
        ASSERT_EQ(static_cast<const int8_t*>(stored.data)[i * channels + c],
                  quantize_float<int8_t>(values[c * pixels + i] * power_of_two(-stored.exponent),
                                         rounding_of(model.target())))
            << "channel " << c << ", pixel " << i;
      }
    }

    const TensorView output = model.model().output(0);
    IntegerNetwork integers(std::move(model), stored_variables(result.program));
    integers.run();
    engine::Engine engine(result.float_graph);
    const engine::Array wanted = engine.run({{"picture", {ports[0].shape, values}}}).at("y");
    EXPECT_LT(output_noise(result.float_graph, "y", wanted, integers.values("y")).ratio(), 2e-3);
    EXPECT_EQ(output.type, DataType::kInt8);
  }

 private:
  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("shrike_input_" + std::to_string(getpid()));
  std::mt19937 random_{1};
};

TEST_P(InputTest, MeanAndDeviationOfEachChannel) {
  data::InputOptions input;
  input.mean = {123.675, 116.28, 103.53};
  input.std = {58.395, 57.12, 57.375};
  expect_agreement(network(3, 8), input);
}

TEST_P(InputTest, BytesInTheOrderOfBlue) {
  data::InputOptions input;
  input.scale = 1;
  input.color = data::Color::kBgr;
  expect_agreement(network(3, 800), input);
}

TEST_P(InputTest, GreyFromMinusOneToOne) {
  data::InputOptions input;
  input.mean = {127.5};
  input.std = {127.5};
  expect_agreement(network(1, 2), input);
}

INSTANTIATE_TEST_SUITE_P(Targets, InputTest,
                         ::testing::Values(Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32),
                         [](const auto& info) { return host::target_name(info.param); });

}  // namespace
}  // namespace shrike::quantize
