// Networks that are no detectors, of several inputs that are no pictures, learn to say what they say in
// floats.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/import/onnx_builder.h"
#include "tests/import/temporary_folder.h"
#include "tests/npy.h"
#include "toolchain/engine/gradients.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/integer/trial.h"
#include "toolchain/pipeline/float_graph.h"
#include "toolchain/pipeline/plan_of_file.h"
#include "toolchain/pipeline/quantize.h"
#include "toolchain/support/files.h"
#include "toolchain/support/random.h"
#include "toolchain/train/quantized_training.h"
#include "toolchain/train/trainable_plan.h"

namespace shrike::train {
namespace {

using tests::Floats;
using tests::Ints;
using tests::OnnxBuilder;

Floats noise(int64_t count, uint64_t seed) {
  Random random(seed, 1);
  Floats values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(random.uniform(-1, 1)));
  return values;
}

// signal [1,4,20] -> two convolutions with a Relu each, times a gain that settings [1,6] give. Beside it an
// output that no weight decides, and the length of what a Relu may leave as zeros alone.
std::string network_of_two_inputs() {
  OnnxBuilder b;
  b.input("signal", {1, 4, 20}).input("settings", {1, 6});
  b.floats("w", {16, 4, 3}, noise(192, 1)).floats("v", {8, 16, 3}, noise(384, 2));
  b.floats("c", {8}, noise(8, 3));
  b.floats("g", {8, 6}, noise(48, 4)).floats("bias", {8}, noise(8, 5));
  b.node("Conv", {"signal", "w"}, {"h"}, {{"pads", Ints{1, 1}}}).node("Relu", {"h"}, {"heard"});
  b.node("Conv", {"heard", "v", "c"}, {"k"}, {{"pads", Ints{1, 1}}}).node("Relu", {"k"}, {"loud"});
  b.node("Gemm", {"settings", "g", "bias"}, {"l"}, {{"transB", int64_t{1}}}).node("Tanh", {"l"}, {"gain"});
  b.integers("shape", {1, 8, 1}).node("Reshape", {"gain", "shape"}, {"gains"});
  b.node("Mul", {"loud", "gains"}, {"out"}).output("out");
  b.node("Abs", {"settings"}, {"size"}).output("size");
  b.node("ReduceL2", {"loud"}, {"length"}, {{"axes", Ints{2}}, {"keepdims", int64_t{1}}}).output("length");
  return b.bytes();
}

struct TwoInputs {
  explicit TwoInputs(Target target = Target::kEsp32s3)
      : model(folder.write("m.onnx", network_of_two_inputs())) {
    for (const auto& [input, shape] :
         {std::pair<const char*, Ints>{"signal", {1, 4, 20}}, {"settings", {1, 6}}}) {
      std::filesystem::create_directories(folder / (std::string("data/") + input));
      for (uint64_t i = 0; i < 40; ++i) {
        const std::vector<uint8_t> bytes = tests::npy(shape, noise(graph::element_count(shape), 10 + i));
        folder.write(fmt::format("data/{}/{}.npy", input, 10 + i), std::string(bytes.begin(), bytes.end()));
      }
    }
    settings.target = target;
    settings.threads = 1;
    const graph::Graph graph = quantize::load_float_graph(model, settings);
    parts = hold_out(unlabelled_set(data::list_samples(folder / "data", data::ports_of(graph))), 0.25, 200);
    start = quantized_start(model, parts, settings);
  }

  QuantizedOptions options(const std::string& name) const {
    QuantizedOptions options;
    options.output = folder / name;
    options.steps = 60;
    options.batch = 8;
    options.rate = 0.02;  // so few weights stand more than those of a deep network
    options.evaluations = 3;
    options.threads = 2;
    return options;
  }

  tests::TemporaryFolder folder;
  std::string model;
  quantize::Settings settings;
  Parts parts;
  QuantizedStart start;
};

// The plan with an eighth of the steps that its weights have: then there is something to learn.
QuantizedStart coarse(QuantizedStart start) {
  for (auto& [node, code] : start.plan.weights) {
    code.format.exponent += 3;
    for (int& exponent : code.format.channel_exponents) exponent += 3;
    for (auto& integer : code.integers) integer = integer >= 0 ? (integer + 4) / 8 : -((4 - integer) / 8);
  }
  return start;
}

TEST(AnyNetwork, LearnsFromItsFloatSelf) {
  TwoInputs s;
  s.start = coarse(std::move(s.start));
  const QuantizedOptions options = s.options("whole.espdl");
  const QuantizedReport report = train_quantized(s.start, s.parts, s.settings, options);
  EXPECT_FALSE(report.detects);
  EXPECT_FALSE(report.labelled);
  EXPECT_EQ(report.training_pictures, 30u);
  EXPECT_EQ(report.judging_pictures, 10u);
  ASSERT_EQ(report.judgements.size(), 3u);
  EXPECT_GT(report.start.distillation.outputs, 0);
  EXPECT_GT(report.best.step, 0);
  EXPECT_LT(report.best.verdict.error, 0.85 * report.start.verdict.error);
  EXPECT_GT(report.best.moved_weights, 0);

  QuantizedOptions resumed = s.options("resumed.espdl");
  resumed.threads = 1;
  for (const int64_t moment : {1, 20, 37}) {
    resumed.stop_after = moment;
    EXPECT_TRUE(train_quantized(s.start, s.parts, s.settings, resumed).interrupted);
    resumed.resume = true;
  }
  resumed.stop_after = 0;
  train_quantized(s.start, s.parts, s.settings, resumed);
  EXPECT_EQ(read_file(options.output), read_file(resumed.output));
  EXPECT_EQ(read_file(options.output + ".train.jsonl"), read_file(resumed.output + ".train.jsonl"));

  // The file is a start like any other.
  const host::IntegerModel file = host::IntegerModel::open(options.output);
  const graph::Graph graph = quantize::float_graph_of(s.model, file, s.settings);
  const QuantizedStart again{graph, quantize::plan_of_file(file, graph)};
  QuantizedOptions further = s.options("further.espdl");
  further.steps = 1;
  EXPECT_EQ(train_quantized(again, s.parts, s.settings, further).start.verdict.error,
            report.best.verdict.error);
}

// A convolution that does its Relu itself rounds once, on the Relu's format.
TEST(AnyNetwork, IsTrainedOnWhatTheIntegerRuntimeComputes) {
  for (const Target target : {Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32}) {
    const TwoInputs s(target);
    const TrainablePlan trainable(s.start.graph, s.start.plan, target, 0.25);
    engine::GradientOptions options;
    options.precision = engine::Precision::kFakeQuantized;
    options.half_even = rounding_of(target) == Rounding::kHalfEven;
    options.parameters = trainable.parameters();
    options.outputs = s.start.graph.outputs;
    const auto network = engine::make_differentiable(trainable.quantized(), options);
    quantize::TrialNetwork integer(
        quantize::materialize(s.start.graph, trainable.plan(trainable.start()), target), target,
        KeepTensors::kReuseMemory, 1);
    std::vector<std::string> samples;
    for (const LabelledPicture& sample : s.parts.training.pictures) samples.push_back(sample.path);
    const quantize::Feed feed(s.start.graph, samples, 1);
    for (size_t i = 0; i < feed.size(); ++i) {
      integer.run(feed.values(i));
      const std::vector<engine::Array> found = network->outputs(feed.inputs(i), trainable.start());
      for (size_t k = 0; k < found.size(); ++k)
        EXPECT_EQ(found[k].values, integer.values(options.outputs[k]).values) << options.outputs[k];
    }
  }
}

TEST(AnyNetwork, InFloatOnlyDetectorsAreTrained) {
  const TwoInputs s;
  EXPECT_FALSE(trainable_head(s.start.graph));
  EXPECT_THROW(find_head(s.start.graph), Error);
}

}  // namespace
}  // namespace shrike::train
