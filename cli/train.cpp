// shrike train: detectors from pictures and labels, and any network for a chip's integers.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/picture_options.h"
#include "toolchain/data/samples.h"
#include "toolchain/graph/passes.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/import/import.h"
#include "toolchain/measure/feed.h"
#include "toolchain/pipeline/float_graph.h"
#include "toolchain/pipeline/plan_of_file.h"
#include "toolchain/pipeline/quantize.h"
#include "toolchain/support/files.h"
#include "toolchain/support/outputs.h"
#include "toolchain/support/progress.h"
#include "toolchain/system/heap.h"
#include "toolchain/train/checkpoint.h"
#include "toolchain/train/float_training.h"
#include "toolchain/train/head.h"
#include "toolchain/train/judge.h"
#include "toolchain/train/quantized_training.h"
#include "toolchain/train/team.h"
#include "toolchain/train/yolo11.h"

namespace shrike::cli {
namespace {

struct TrainArguments {
  std::string model, family, data, optimizer = "adam";
  train::Yolo11Options network;
  train::FloatOptions training;
  train::QuantizedOptions quantized;
  std::string target;  // empty and no `from`: float training
  std::string from;    // an .espdl file to go on from
  int64_t image_size = 0;
  bool quiet = false;
  int processes = 1;
  std::string device = "cpu";
  std::map<std::string, const Option*> options;  // whose defaults differ between the two kinds
  bool given(const std::string& option) const { return options.at(option)->count() > 0; }
};

graph::Graph open_network(const TrainArguments& arguments, const train::LabelledSet& set) {
  if (!arguments.family.empty()) {
    train::Yolo11Options options = arguments.network;
    options.classes = static_cast<int>(set.class_names.size());
    options.seed = arguments.training.seed;
    if (arguments.image_size > 0) options.image_size = arguments.image_size;
    return train::build_yolo11(options);
  }
  graph::Graph graph = graph::import_model(arguments.model);
  graph::prepare(graph, {.size = {arguments.image_size, arguments.image_size}, .outputs = {}});
  return graph;
}

void print_report(const TrainArguments& arguments, const train::FloatReport& report) {
  fmt::print("{:>9} {:>9} {:>9} {:>9} {:>8} {:>8}\n", "step", "box", "class", "distr.", "mAP", "mAP50");
  for (const train::Judgement& j : report.judgements) {
    fmt::print("{:>9} {:>9.4f} {:>9.4f} {:>9.4f} {:>8.4f} {:>8.4f}{}\n", j.step, j.box, j.classes,
               j.distribution, j.map, j.map50, j.step == report.best.step ? "  <- kept" : "");
  }
  fmt::print("{} steps on {} pictures in {:.0f} s, judged on {} others\n", report.steps,
             report.training_pictures, report.seconds, report.judging_pictures);
  if (!report.judgements.empty() || report.best.step > 0)
    fmt::print("{}: mAP {:.4f}, mAP50 {:.4f}\n", arguments.training.output, report.best.map,
               report.best.map50);
}

void print_report(const train::QuantizedReport& report, const std::string& output) {
  // Without labels there is no mAP, without a detector's head nothing but outputs.
  const char* form = report.labelled  ? "{0:>9} {1:>9} {2:>9} {3:>9} {4:>9} {5:>8} {6:>9} {7:>16}{8}\n"
                     : report.detects ? "{0:>9} {1:>9} {2:>9} {3:>9} {4:>9} {5:>8} {6:>9}{8}\n"
                                      : "{0:>9} {1:>9} {9:>9} {5:>8} {6:>9}{8}\n";
  const auto print = [&](const auto&... cells) { fmt::print(fmt::runtime(form), cells...); };
  const auto row = [&](const std::string& name, const train::QuantizedJudgement& j) {
    const auto number = [](double value) { return fmt::format("{:.5f}", value); };
    const train::DistillationTerms& terms = j.distillation;
    print(name, number(terms.features), number(terms.classes), number(terms.boxes),
          fmt::format("{:.4f}", j.labels), j.moved_weights, number(j.verdict.error),
          name == "start" ? fmt::format("{:.4f}         ", j.verdict.map)
                          : fmt::format("{:.4f} ± {:.4f}", j.verdict.map, j.map_deviation),
          j.step == report.best.step ? "  <- kept" : "", number(terms.outputs));
  };
  print("step", "features", "class", "box", "labels", "moved", "error", "mAP         ", "", "outputs");
  row("start", report.start);
  for (const train::QuantizedJudgement& j : report.judgements) row(std::to_string(j.step), j);
  fmt::print("{} steps on {} {} in {:.0f} s, judged by the integer runtime on {} others\n", report.steps,
             report.training_pictures, report.detects ? "pictures" : "samples", report.seconds,
             report.judging_pictures);
  fmt::print("with float weights the start's error would be {:.5f}: {}\n", report.error_with_float_weights,
             report.error_with_float_weights < report.start.verdict.error
                 ? "the formats of the tensors set that limit"
                 : "rounding the weights costs nothing here");
  if (report.best.step == 0) {
    fmt::print("{}: nothing was better than the start, which was written\n", output);
    return;
  }
  const train::Verdict &best = report.best.verdict, &start = report.start.verdict;
  const double difference = best.map - start.map;
  fmt::print("{}: error of the outputs {:.5f}, before {:.5f}", output, best.error, start.error);
  if (report.labelled)
    fmt::print("; mAP {:.4f}, {:+.4f} ± {:.4f} against the start{}", best.map, difference,
               report.best.map_deviation,
               std::fabs(difference) > train::kCertain * report.best.map_deviation
                   ? ""
                   : ", which so few pictures can't tell from nothing");
  fmt::print("\n");
}

void run_float(const TrainArguments& arguments) {
  const train::LabelledSet set = train::open_labelled_set(arguments.data);
  const train::FloatReport report = train::train_float(open_network(arguments, set), set, arguments.training);
  if (arguments.training.processes.first()) print_report(arguments, report);
  if (report.interrupted) throw Exit{1};  // by another process: a signal to this one has ended it
}

// The options that both kinds share were given once.
train::QuantizedOptions quantized_options(const TrainArguments& arguments) {
  const train::FloatOptions& t = arguments.training;
  train::QuantizedOptions q = arguments.quantized;
  q.output = t.output;
  q.steps = t.steps;
  q.seed = t.seed;
  q.threads = t.threads;
  q.resume = t.resume;
  q.processes = t.processes;
  if (arguments.given("--epochs")) q.epochs = t.epochs;
  if (arguments.given("--batch")) q.batch = t.batch;
  if (arguments.given("--part")) q.part = t.part;
  if (arguments.given("--rate")) q.rate = t.rate;
  if (arguments.given("--held-out")) q.held_out = t.held_out;
  if (arguments.given("--evaluations")) q.evaluations = t.evaluations;
  if (arguments.given("--mosaic")) q.augmentation.mosaic = t.augmentation.mosaic;
  if (arguments.given("--scale")) q.augmentation.scale = t.augmentation.scale;
  if (arguments.given("--flip")) q.augmentation.flip = t.augmentation.flip;
  return q;
}

// What the file says needs not be said again; what contradicts it is refused.
host::IntegerModel open_start(const TrainArguments& arguments, quantize::Settings& settings) {
  host::IntegerModel file = host::IntegerModel::open(arguments.from);
  const auto same = [&](const char* option, const std::string& given, const std::string& found) {
    if (!given.empty() && given != found) {
      fail("{}: the file was made with {} {}, the command line says {}; leave the option out", arguments.from,
           option, found, given);
    }
  };
  if (!arguments.target.empty())
    same("--target", host::target_name(settings.target), host::target_name(file.target()));
  settings.target = file.target();
  if (arguments.image_size > 0)
    same("--imgsz", fmt::format("{0}x{0}", arguments.image_size),
         fmt::format("{}x{}", file.model().input(0).shape.dims[1], file.model().input(0).shape.dims[2]));
  return file;
}

// A detector's pictures with their labels; of any other network what quantize --calib takes.
train::LabelledSet open_set(const TrainArguments& arguments, const graph::Graph& network) {
  if (const std::optional<train::DetectionHead> head = train::trainable_head(network)) {
    const auto names = network.metadata.find("names");
    return train::open_labelled_set(
        arguments.data, evaluate::class_names(static_cast<int>(head->head.classes),
                                              names == network.metadata.end() ? "" : names->second));
  }
  for (const char* option : {"--label-weight", "--mosaic", "--part"}) {
    if (arguments.given(option))
      fail("{}: {} is for detectors of YOLOv8's and YOLO11's kind; leave it out", arguments.model, option);
  }
  const std::vector<std::string> samples =
      data::list_samples(arguments.data, quantize::Feed(network, {}, 1).ports());
  for (const char* option : {"--scale", "--flip"}) {
    if (arguments.given(option) && !std::all_of(samples.begin(), samples.end(), data::is_picture))
      fail("{}: {} is for pictures, arrays are fed as they are; leave it out", arguments.data, option);
  }
  return train::unlabelled_set(samples);
}

void run_quantized(const TrainArguments& arguments) {
  quantize::Settings settings;
  if (!arguments.target.empty())
    as_command_line([&] { settings.target = host::parse_target(arguments.target); });
  settings.size = {arguments.image_size, arguments.image_size};
  settings.threads = arguments.training.threads;
  const train::QuantizedOptions options = quantized_options(arguments);
  if (options.processes.first()) require_writable(options.output);
  std::optional<train::QuantizedStart> start;
  if (!arguments.from.empty()) {
    const host::IntegerModel file = open_start(arguments, settings);
    graph::Graph graph = quantize::float_graph_of(arguments.model, file, settings);
    quantize::Plan plan = quantize::plan_of_file(file, graph);
    start = train::QuantizedStart{std::move(graph), std::move(plan)};
  }
  const graph::Graph network = start ? start->graph : quantize::load_float_graph(arguments.model, settings);
  const train::LabelledSet set = open_set(arguments, network);
  const train::Parts parts =
      train::hold_out(set, options.held_out, static_cast<size_t>(options.judging_pictures));
  if (!start) start = train::quantized_start(arguments.model, parts, settings);
  const train::QuantizedReport report = train::train_quantized(*start, parts, settings, options);
  if (options.processes.first()) print_report(report, options.output);
  if (report.interrupted) throw Exit{1};
}

bool for_a_chip(const TrainArguments& arguments) {
  return !arguments.target.empty() || !arguments.from.empty();
}

void run(const TrainArguments& given) {
  TrainArguments arguments = given;
  if (arguments.family.empty() == arguments.model.empty())
    throw WrongCommandLine("give either a model file or --new yolo11");
  if (for_a_chip(arguments) && !arguments.family.empty())
    throw WrongCommandLine("--target and --from train a model file for a chip; train --new in float first");
  if (arguments.device != "cpu") {
    fail("--device {}: this LibTorch computes on the processor only; leave the option away",
         arguments.device);
  }
  const auto meeting = train::meeting_from_environment();
  const std::string& output = arguments.training.output;
  if (!meeting || meeting->rank == 0) {  // the others write nothing there
    guard_outputs({{arguments.model, arguments.data, arguments.from},
                   {{output, "-o"},
                    {output + ".ckpt", "the checkpoint of -o"},
                    {output + ".train.jsonl", "the log of -o"},
                    {output + ".trial", "the trial beside -o"}}});
    if (arguments.training.resume) train::require_checkpoint(output + ".ckpt");
  }
  if (!meeting && arguments.processes > 1) {
    const int status = train::run_in_processes(arguments.processes);
    if (status != 0) throw Exit{status};
    return;
  }
  share_one_heap();
  if (meeting) arguments.training.processes = train::Processes(*meeting);
  if (meeting && arguments.processes > 1 && arguments.training.threads == 0)
    arguments.training.threads = std::max(1, train::thread_count(0) / arguments.processes);
  if (arguments.quiet || !arguments.training.processes.first()) silence_progress();
  arguments.training.optimizer =
      arguments.optimizer == "sgd" ? train::Optimizer::Kind::kSgd : train::Optimizer::Kind::kAdam;
  for_a_chip(arguments) ? run_quantized(arguments) : run_float(arguments);
}

void add_train(Command& app) {
  auto arguments = std::make_shared<TrainArguments>();
  train::FloatOptions& t = arguments->training;
  Command* command = app.add_subcommand(
      "train", "Train a detector on pictures in float, or any network for a chip's integers (--target)");
  command->footer(
      "Examples:\n"
      "  shrike train --new yolo11 --width 0.0625 --reg-max 8 --imgsz 160 --data shapes/ --epochs 60 -o "
      "small.onnx\n"
      "  shrike train yolo11n.onnx --data mine/ --imgsz 320 --epochs 20 --rate 0.0002 -o mine.onnx\n"
      "  shrike train yolo11n.onnx --data mine/ --target esp32p4 --steps 2000 -o mine.espdl\n"
      "  shrike train yolo11n.onnx --from yolo11n.espdl --data mine/ --steps 2000 -o mine.espdl\n"
      "  shrike train keywords.onnx --target esp32s3 --data sounds/ -o keywords.espdl\n\n"
      "A tenth of the pictures (with --target a fifth) judges and is not trained on; the weights with the "
      "best mAP on it\n"
      "are kept, without labels those whose outputs are nearest to the float network's.\n"
      "With --target every network that quantize takes learns to say what it says in floats, on pictures or "
      "arrays; labels\n"
      "help detectors with a distribution for every side of a box (YOLOv8, YOLO11), which alone can be "
      "trained "
      "in float.\n"
      "OUT.ckpt holds everything that --resume needs, OUT.train.jsonl one line an evaluation.");
  command->add_option("MODEL", arguments->model, "model to start from, .onnx");
  command->add_option("--new", arguments->family, "build a network instead: yolo11")
      ->check(one_of({"yolo11"}));
  command->add_option("--width", arguments->network.width, "--new: channels relative to the largest [0.25]")
      ->check(between(0.01, 2.0));
  command->add_option("--depth", arguments->network.depth, "--new: repeats relative to the deepest [0.5]")
      ->check(between(0.1, 2.0));
  command->add_option("--reg-max", arguments->network.bins, "--new: bins of a box side's distribution [16]")
      ->check(between(2, 64));
  command
      ->add_option("--imgsz", arguments->image_size, "size of the network's input [the model's; --new: 640]")
      ->check(between(32, 4096));
  command
      ->add_option(
          "--data", arguments->data,
          "pictures: what eval --data takes (of a data.yaml its train:), or without labels what quantize "
          "--calib takes")
      ->required();
  command->add_option("-o,--output", t.output, "file to write: .onnx, for a chip .espdl")->required();
  arguments->options["--epochs"] =
      command->add_option("--epochs", t.epochs, "times through the pictures [100]")
          ->check(between(0.001, 1e6));
  command->add_option("--steps", t.steps, "steps instead of epochs")
      ->check(between(int64_t{1}, int64_t{1} << 40));
  arguments->options["--batch"] =
      command->add_option("--batch", t.batch, "pictures a step [32]")->check(between(1, 4096));
  arguments->options["--part"] = command
                                     ->add_option("--part", t.part,
                                                  "pictures that go through the network together, and are "
                                                  "normalised together in float training [16; "
                                                  "with --target 4, above 448x448 2: less memory]")
                                     ->check(between(1, 4096));
  command->add_option("--optimizer", arguments->optimizer, "adam or sgd [adam]")
      ->check(one_of({"adam", "sgd"}));
  arguments->options["--rate"] =
      command
          ->add_option("--rate", t.rate,
                       "highest learning rate [0.002; --target: units a step, 2 / steps, at most 0.005]")
          ->check(between(1e-9, 1.0));
  command->add_option("--decay", t.decay, "weight decay [0.0005]")->check(between(0.0, 1.0));
  arguments->options["--mosaic"] =
      command->add_option("--mosaic", t.augmentation.mosaic, "share of samples made of four pictures [1]")
          ->check(between(0.0, 1.0));
  arguments->options["--scale"] =
      command->add_option("--scale", t.augmentation.scale, "zoom by up to this [0.5]")
          ->check(between(0.0, 0.99));
  arguments->options["--flip"] =
      command->add_option("--flip", t.augmentation.flip, "share of samples turned left for right [0.5]")
          ->check(between(0.0, 1.0));
  arguments->options["--held-out"] =
      command->add_option("--held-out", t.held_out, "share of the pictures that judges [0.1]")
          ->check(between(0.0, 0.9));
  arguments->options["--evaluations"] =
      command->add_option("--evaluations", t.evaluations, "times that the held-out pictures judge [10]")
          ->check(between(1, 100000));
  command->add_option(
      "--target", arguments->target,
      "train for this chip's integers, from the default quantisation; labels are not needed then");
  command->add_option("--from", arguments->from,
                      "train the integers of this file, an .espdl made from the model, instead of quantising "
                      "first; chip and input size are the file's");
  train::QuantizedOptions& q = arguments->quantized;
  command->add_option("--distill-weight", q.distill_weight, "--target: of what the float network says [1]")
      ->check(between(0.0, 1e3));
  arguments->options["--label-weight"] =
      command->add_option("--label-weight", q.label_weight, "--target: of what the labels say [0.3]")
          ->check(between(0.0, 1e3));
  command
      ->add_option("--exponent-rate", q.exponent_rate,
                   "--target: highest step of an exponent; 0: they stay [0.01]")
      ->check(between(0.0, 1.0));
  command->add_option("--seed", t.seed, "of weights, order and augmentation [0]");
  command->add_option("--threads", t.threads, "threads (0: all cores); never changes the result")
      ->check(between(0, 256));
  add_picture_options(*command);
  command
      ->add_option(
          "--processes", arguments->processes,
          "processes on this machine that share the run; for several machines start one on each with "
          "MASTER_ADDR, MASTER_PORT, RANK and WORLD_SIZE set [1]")
      ->check(between(1, 256));
  command->add_option("--device", arguments->device, "cpu, or cuda where LibTorch has it [cpu]")
      ->check(one_of({"cpu", "cuda"}));
  command->add_flag("--resume", t.resume, "go on from OUT.ckpt");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration train_registration("train", 25, add_train);

}  // namespace
}  // namespace shrike::cli
