// Whole runs on small drawn sets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "tests/own_temporary.h"
#include "tests/train/drawn_set.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/graph/passes.h"
#include "toolchain/import/import.h"
#include "toolchain/import/onnx/write.h"
#include "toolchain/integer/reference.h"
#include "toolchain/integer/trial.h"
#include "toolchain/pipeline/float_graph.h"
#include "toolchain/pipeline/plan_of_file.h"
#include "toolchain/rounding/weights.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/train/checkpoint.h"
#include "toolchain/train/exponent_choice.h"
#include "toolchain/train/float_training.h"
#include "toolchain/train/judge.h"
#include "toolchain/train/quantized_training.h"
#include "toolchain/train/trainable_plan.h"
#include "toolchain/train/yolo11.h"

namespace shrike::train {
namespace {

Yolo11Options small(int64_t image_size) {
  Yolo11Options options;
  options.width = 0.0625;
  options.classes = 2;
  options.bins = 8;
  options.image_size = image_size;
  return options;
}

FloatOptions quick(const std::string& name) {
  FloatOptions options;
  options.output = tests::own_temporary(name + ".onnx");
  options.steps = 4;
  options.batch = 4;
  options.part = 2;
  options.evaluations = 2;
  options.held_out = 0.2;
  return options;
}

TEST(FloatTraining, GivesTheSameBytesForAnyNumberOfThreads) {
  const tests::DrawnSet drawn("threads_set", 8, 48);
  const LabelledSet set = open_labelled_set(drawn.folder);
  const graph::Graph graph = build_yolo11(small(32));
  FloatOptions one = quick("one_thread"), three = quick("three_threads");
  one.threads = 1;
  three.threads = 3;
  train_float(graph, set, one);
  train_float(graph, set, three);
  EXPECT_EQ(read_file(one.output), read_file(three.output));
}

// Spec section 8, check 7.
TEST(FloatTraining, AFreshSmallNetworkLearnsEightPicturesByHeart) {
  const tests::DrawnSet drawn("overfit_set", 9, 64);  // the ninth is held out
  const LabelledSet set = open_labelled_set(drawn.folder);
  FloatOptions options = quick("overfit");
  options.steps = 300;
  options.batch = 8;
  options.part = 8;
  options.rate = 0.01;
  options.evaluations = 1;
  options.held_out = 1.0 / 9;
  options.plain_end = 0;
  options.augmentation = {
      .mosaic = 0, .scale = 0, .translate = 0, .hue = 0, .saturation = 0, .value = 0, .flip = 0};
  train_float(build_yolo11(small(64)), set, options);
  const Parts parts = hold_out(set, options.held_out, 1);
  ASSERT_EQ(parts.training.pictures.size(), 8u);
  EXPECT_GT(judge(options.output, parts.training.folder, 1).map50(), 0.95);
}

// Moments at which a run of `steps` steps is interrupted, in order.
std::vector<int64_t> five_moments(int64_t steps) {
  std::set<int64_t> moments;
  for (Random random(17); moments.size() < 5;)
    moments.insert(1 + static_cast<int64_t>(random.below(static_cast<uint64_t>(steps) - 1)));
  return {moments.begin(), moments.end()};
}

TEST(FloatTraining, InterruptedFiveTimesItGivesTheBytesOfAnUninterruptedRun) {
  const tests::DrawnSet drawn("resume_set", 8, 48);
  const LabelledSet set = open_labelled_set(drawn.folder);
  const graph::Graph graph = build_yolo11(small(32));
  FloatOptions options = quick("whole");
  FloatOptions resumed = quick("resumed");
  options.steps = resumed.steps = 12;
  train_float(graph, set, options);
  for (const int64_t moment : five_moments(12)) {
    resumed.stop_after = moment;
    EXPECT_TRUE(train_float(graph, set, resumed).interrupted);
    resumed.resume = true;
  }
  resumed.stop_after = 0;
  EXPECT_EQ(train_float(graph, set, resumed).steps, 12);
  EXPECT_EQ(read_file(options.output), read_file(resumed.output));
  EXPECT_EQ(read_file(options.output + ".train.jsonl"), read_file(resumed.output + ".train.jsonl"));
  const auto refusal = [&](const graph::Graph& with, const LabelledSet& on) {
    try {
      train_float(with, on, resumed);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  LabelledSet others = set;
  others.pictures.front().truths.clear();
  EXPECT_THAT(refusal(graph, others), testing::HasSubstr("of a run that differs in pictures or labels;"));
  graph::Graph network = graph;
  for (auto& [name, tensor] : network.tensors) {
    if (tensor.constant && !tensor.values.empty()) tensor.values[0] += 1;
  }
  EXPECT_THAT(refusal(network, set), testing::HasSubstr("of a run that differs in the network;"));
  resumed.rate *= 2;
  EXPECT_THAT(refusal(graph, set), testing::HasSubstr("of a run that differs in options;"));
}

TEST(Checkpoint, ADamagedFileIsRefused) {
  const std::string path = tests::own_temporary("damaged.ckpt");
  Checkpoint checkpoint;
  checkpoint.values["v"] = {{1, 2, 3}};
  checkpoint.numbers["n"] = 4;
  save_checkpoint(checkpoint, path);
  EXPECT_EQ(load_checkpoint(path).values.at("v"), checkpoint.values.at("v"));
  std::vector<uint8_t> bytes = read_file(path);
  bytes.back() ^= 1;
  write_file_atomically(path, bytes);
  EXPECT_THROW(load_checkpoint(path), Error);
  write_file_atomically(path, std::string_view("something else"));
  EXPECT_THROW(load_checkpoint(path), Error);
}

// A quantised start from a fresh network.
struct Started {
  tests::DrawnSet drawn;
  Parts parts;
  quantize::Settings settings;
  std::string model;
  QuantizedStart start;

  explicit Started(const std::string& name, Target target = kDefaultTarget) : drawn(name, 10, 64) {
    settings.target = target;
    parts = hold_out(open_labelled_set(drawn.folder), 0.2, 100);
    graph::Graph graph = build_yolo11(small(64));
    model = tests::own_temporary(name + ".onnx");
    write_file_atomically(model, std::string_view(graph::onnx_bytes(graph)));
    settings.threads = 2;
    start = quantized_start(model, parts, settings);
  }
};

TEST(TrainablePlan, BeginsWithThePlansIntegers) {
  const Started s("plan_set");
  const TrainablePlan trainable(s.start.graph, s.start.plan, s.settings.target, 0.25);
  const quantize::Plan plan = trainable.plan(trainable.start());
  for (const auto& [node, code] : s.start.plan.weights) {
    EXPECT_EQ(plan.weights.at(node).integers, code.integers) << node;
    EXPECT_EQ(plan.weights.at(node).bias, code.bias) << node;
  }
}

TEST(TrainablePlan, CountsTheWeightsThatRoundToOtherValues) {
  const Started s("moved_set");
  const TrainablePlan trainable(s.start.graph, s.start.plan, s.settings.target, 0.25);
  Values values = trainable.start();
  EXPECT_EQ(trainable.moved(values), 0);
  const graph::Format& format = trainable.quantized().tensor(trainable.parameters()[0]).format;
  const auto unit = std::ldexp(1.0f, format.per_channel() ? format.channel_exponents[0] : format.exponent);
  values[0][0] += values[0][0] < 0 ? unit : -unit;  // towards zero: nothing clips
  EXPECT_EQ(trainable.moved(values), 1);
}

// Finer weights leave less room for biases: the largest of the filters that share an exponent decides.
TEST(TrainablePlan, ASharedExponentLeavesRoomForEveryBias) {
  Started s("shared_set", Target::kEsp32s3);
  for (auto& [node, code] : s.start.plan.weights) {
    if (code.bias.size() < 2) continue;
    code.bias[0] = 0;
    code.bias[1] *= 64;
  }
  const TrainablePlan trainable(s.start.graph, s.start.plan, s.settings.target, 0.25);
  const size_t groups = trainable.exponents().size() - s.start.plan.weights.size();
  size_t weight = groups;
  int refused = 0;
  for (const graph::Node& node : trainable.quantized().nodes) {
    const auto code = s.start.plan.weights.find(node.name);
    if (code == s.start.plan.weights.end()) continue;
    const quantize::ExponentRange range = quantize::shared_exponent_range(
        {s.settings.target, trainable.quantized().tensor(node.inputs[0]).format.exponent,
         trainable.quantized().tensor(node.outputs[0]).format,
         quantize::largest_of(s.start.plan, node.outputs[0])},
        code->second.bias);
    Values exponents = trainable.exponents();
    for (int step = 1; step < 8; ++step) {
      exponents[weight][0] -= 1;
      const auto exponent = static_cast<int>(exponents[weight][0]);
      if (code->second.format.exponent < range.lowest || exponent >= range.lowest) continue;
      EXPECT_FALSE(trainable.computable({weight}, exponents)) << node.name << " " << exponent;
      ++refused;
    }
    ++weight;
  }
  EXPECT_GT(refused, 20);
}

// From the file that a plan was written to, back to the plan and to the same file.
TEST(PlanOfFile, IsThePlanThatTheFileWasWrittenFor) {
  for (const Target target : {Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32}) {
    const Started s("file_set", target);
    const std::vector<uint8_t> bytes =
        espdl::serialize(espdl::lower(quantize::materialize(s.start.graph, s.start.plan, target), target));
    const host::IntegerModel file = host::IntegerModel::from_bytes(bytes, "written.espdl");
    const graph::Graph graph = quantize::float_graph_of(s.model, file, s.settings);
    const quantize::Plan plan = quantize::plan_of_file(file, graph);
    for (const auto& [node, code] : s.start.plan.weights) {
      EXPECT_EQ(plan.weights.at(node).integers, code.integers) << node;
      EXPECT_EQ(plan.weights.at(node).format, code.format) << node;
    }
    EXPECT_EQ(espdl::serialize(espdl::lower(quantize::materialize(graph, plan, target), target)), bytes);
  }
}

TEST(PlanOfFile, AFileOfAnotherModelIsRefused) {
  const Started s("other_set");
  const std::vector<uint8_t> bytes = espdl::serialize(
      espdl::lower(quantize::materialize(s.start.graph, s.start.plan, s.settings.target), s.settings.target));
  const host::IntegerModel file = host::IntegerModel::from_bytes(bytes, "written.espdl");
  Yolo11Options deeper = small(64);
  deeper.classes = 5;
  const std::string other = tests::own_temporary("five_classes.onnx");
  write_file_atomically(other, std::string_view(graph::onnx_bytes(build_yolo11(deeper))));
  EXPECT_THROW(quantize::plan_of_file(file, quantize::float_graph_of(other, file, s.settings)), Error);
}

// The loss is told: the first two exponents make it worse, the third better, the fourth changes nothing.
TEST(ExponentChoice, TakesOverWhatTheBatchIsNoWorseWith) {
  const Started s("choice_set");
  TrainablePlan plan(s.start.graph, s.start.plan, s.settings.target, 0.25);
  const Values before = plan.exponents();
  Values exponents = before;
  for (size_t i = 0; i < 4; ++i) exponents[i][0] += 0.6f;
  exponents[4][0] += 0.4f;  // rounds to what it was
  ASSERT_EQ(plan.proposed(exponents).size(), 4u) << "the target can't compute with one of them";
  std::map<std::string, graph::Format> told;
  const int changed = choose_exponents(plan, exponents,
                                       {[&](const auto& formats) {
                                          for (const auto& [name, format] : formats) told[name] = format;
                                        },
                                        [&] {
                                          const Values now = plan.exponents();
                                          const auto moved = [&](size_t i) {
                                            return static_cast<double>(now[i][0] - before[i][0]);
                                          };
                                          return 2 * moved(0) + moved(1) - moved(2);
                                        }});
  EXPECT_GT(changed, 0);
  const Values now = plan.exponents();
  EXPECT_EQ(now[0], before[0]);
  EXPECT_EQ(now[1], before[1]);
  EXPECT_EQ(now[2][0], before[2][0] + 1);
  EXPECT_EQ(now[3][0], before[3][0] + 1);
  EXPECT_EQ(exponents[0], before[0]) << "is to begin anew";
  EXPECT_EQ(exponents[2][0], before[2][0] + 0.6f) << "goes on from where it is";
  EXPECT_EQ(exponents[4][0], before[4][0] + 0.4f);
  for (const auto& [name, format] : told) EXPECT_EQ(format, plan.quantized().tensor(name).format) << name;
}

TEST(TrainablePlan, WhatIsTrainedIsWhatTheIntegerRuntimeComputes) {
  const Started s("forward_set");
  TrainablePlan trainable(s.start.graph, s.start.plan, s.settings.target, 0.25);
  // Somewhere else than the plan: every weight moved a bit, and one exponent.
  Values values = trainable.start();
  Random random(1);
  const std::vector<double> units = trainable.units();
  for (size_t p = 0; p < values.size(); ++p) {
    for (float& v : values[p]) v += static_cast<float>(units[p] * random.uniform(-1, 1));
  }
  Values exponents = trainable.exponents();
  for (size_t i = 0; i < 8; ++i) exponents[i][0] += 1;
  const std::vector<size_t> proposed = trainable.proposed(exponents);
  EXPECT_FALSE(proposed.empty());
  trainable.take_over(proposed, exponents);

  engine::GradientOptions options;
  options.precision = engine::Precision::kFakeQuantized;
  options.parameters = trainable.parameters();
  options.outputs = s.start.graph.outputs;
  const auto network = engine::make_differentiable(trainable.quantized(), options);
  quantize::TrialNetwork integer(
      quantize::materialize(s.start.graph, trainable.plan(values), s.settings.target), s.settings.target,
      KeepTensors::kReuseMemory, 1);
  const SampleMaker maker(s.parts.training, find_head(s.start.graph).input, 0);
  for (size_t picture = 0; picture < 3; ++picture) {
    const std::vector<float> input = to_network({maker.plain(picture)}, maker.input());
    integer.run(input);
    std::vector<engine::Array> found;
    network->run(
        {{s.start.graph.inputs[0], {{1, 3, 64, 64}, input}}}, values,
        [&](const std::vector<engine::Array>& outputs, std::vector<engine::Array>&) { found = outputs; },
        false);
    for (size_t i = 0; i < found.size(); ++i)
      EXPECT_EQ(found[i].values, integer.values(options.outputs[i]).values) << options.outputs[i];
  }
}

TEST(QuantizedTraining, WithRoundingSwitchedOffTheStudentIsTheTeacher) {
  const Started s("off_set");
  const DetectionHead head = find_head(s.start.graph);
  engine::GradientOptions options;
  options.outputs = head.outputs;
  const auto network = engine::make_differentiable(s.start.graph, options);
  engine::Engine teacher(s.start.graph);
  const SampleMaker maker(s.parts.training, find_head(s.start.graph).input, 0);
  const engine::Array input{{1, 3, 64, 64}, to_network({maker.plain(0)}, maker.input())};
  const auto reference = teacher.run({{s.start.graph.inputs[0], input}}, head.outputs);
  std::vector<engine::Array> expected;
  for (const std::string& name : head.outputs) expected.push_back(reference.at(name));
  network->run(
      {{s.start.graph.inputs[0], input}}, {},
      [&](const std::vector<engine::Array>& outputs, std::vector<engine::Array>& derivatives) {
        const LossTerms a = head_loss(head, outputs, {maker.plain(0).truths}, {}, derivatives);
        std::vector<engine::Array> ignored = derivatives;
        const LossTerms b = head_loss(head, expected, {maker.plain(0).truths}, {}, ignored);
        EXPECT_NEAR(a.total(), b.total(), 1e-5);
        EXPECT_NEAR(distillation_loss(results_of(s.start.graph), expected, outputs, {}, 1, ignored).total(),
                    0, 1e-5);
      },
      false);
}

// Weights that lie on the grid: rounding nothing but the variables is what the integer runtime does then.
TEST(OutputLoss, WithFloatWeightsIsThatOfTheIntegersWhereBothAreTheSame) {
  const Started s("on_grid");
  graph::Graph on_grid = s.start.graph;
  const graph::Graph rounded = quantize::materialize(on_grid, s.start.plan, s.settings.target);
  for (const graph::Node& node : rounded.nodes) {
    if (!s.start.plan.weights.contains(node.name)) continue;
    ASSERT_EQ(node.inputs.size(), 3u) << node.name;
    for (const std::string& constant : {node.inputs[1], node.inputs[2]}) {
      const graph::Tensor& integers = rounded.tensor(constant);
      const std::vector<int>& exponents = integers.format.channel_exponents;
      std::vector<float>& values = on_grid.tensor(constant).values;
      for (size_t i = 0; i < values.size(); ++i) {
        const int exponent =
            exponents.empty() ? integers.format.exponent : exponents[i * exponents.size() / values.size()];
        values[i] = static_cast<float>(std::ldexp(static_cast<double>(integers.integers[i]), exponent));
      }
    }
  }
  std::vector<std::string> paths;
  for (const LabelledPicture& picture : s.parts.judging.pictures) paths.push_back(picture.path);
  const quantize::Reference reference =
      quantize::make_reference(s.start.graph, quantize::Feed(s.start.graph, paths, 2));
  const auto loss = [&](const graph::Graph& graph, auto&& measure) {
    return measure(graph, s.start.plan, s.settings.target, reference);
  };
  const double integers = loss(on_grid, quantize::output_loss);
  EXPECT_GT(integers, 0);
  EXPECT_EQ(loss(on_grid, quantize::output_loss_with_float_weights), integers);
  EXPECT_NE(loss(s.start.graph, quantize::output_loss_with_float_weights), integers);
}

// mAP where it tells the two apart, else the outputs.
TEST(Verdict, BelievesAccuracyOnlyAsFarAsThePicturesTell) {
  const Verdict start{0.5, 0.2, {0.50f, 0.48f, 0.52f, 0.51f}};
  const Verdict closer{0.49, 0.1, {0.50f, 0.46f, 0.53f, 0.48f}};
  EXPECT_TRUE(is_better(closer, start));
  EXPECT_FALSE(is_better(start, closer));
  const Verdict worse{0.4, 0.1, {0.40f, 0.38f, 0.43f, 0.41f}};
  EXPECT_TRUE(loses_accuracy(worse, start));
  EXPECT_FALSE(is_better(worse, start));
  const Verdict better{0.6, 0.3, {0.60f, 0.58f, 0.62f, 0.60f}};
  EXPECT_TRUE(is_better(better, start));
  EXPECT_FALSE(is_better(start, better));
  EXPECT_FALSE(is_better(start, start));
  EXPECT_TRUE(is_better({0, 0.1, {}}, {0, 0.2, {}})) << "without labels";
}

TEST(QuantizedTraining, NeverWritesAFileThatIsWorseThanItsStartAndResumesToTheSameBytes) {
  const Started s("qat_set");
  QuantizedOptions options;
  options.output = tests::own_temporary("qat.espdl");
  options.steps = 8;
  options.batch = 4;
  options.part = 2;
  options.evaluations = 2;
  options.threads = 2;
  const QuantizedReport report = train_quantized(s.start, s.parts, s.settings, options);
  EXPECT_EQ(report.judgements.size(), 2u);
  const double lost = report.start.verdict.map - report.best.verdict.map;
  EXPECT_TRUE(report.best.step == 0 || report.best.verdict.error < report.start.verdict.error || lost < 0);
  EXPECT_LE(lost, 2 * report.best.map_deviation);
  EXPECT_GT(report.start.distillation.features, 0);
  QuantizedOptions resumed = options;
  resumed.output = tests::own_temporary("qat_resumed.espdl");
  resumed.threads = 1;
  for (const int64_t moment : five_moments(8)) {
    resumed.stop_after = moment;
    EXPECT_TRUE(train_quantized(s.start, s.parts, s.settings, resumed).interrupted);
    resumed.resume = true;
  }
  resumed.stop_after = 0;
  const QuantizedReport again = train_quantized(s.start, s.parts, s.settings, resumed);
  EXPECT_EQ(again.start.distillation.features, report.start.distillation.features);
  EXPECT_EQ(read_file(options.output), read_file(resumed.output));
  EXPECT_EQ(read_file(options.output + ".train.jsonl"), read_file(resumed.output + ".train.jsonl"));
}

}  // namespace
}  // namespace shrike::train
