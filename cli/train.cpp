// shrike train: detectors from pictures and labels.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "toolchain/graph/passes.h"
#include "toolchain/import/import.h"
#include "toolchain/support/files.h"
#include "toolchain/support/progress.h"
#include "toolchain/train/float_training.h"
#include "toolchain/train/yolo11.h"

namespace shrike::cli {
namespace {

struct Arguments {
  std::string model, family, data, optimizer = "adam";
  train::Yolo11Options network;
  train::FloatOptions training;
  int64_t image_size = 0;
  bool quiet = false;
};

graph::Graph open_network(const Arguments& arguments, const train::LabelledSet& set) {
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

void print_report(const Arguments& arguments, const train::FloatReport& report) {
  fmt::print("{:>9} {:>9} {:>9} {:>9} {:>8} {:>8}\n", "step", "box", "class", "distr.", "mAP", "mAP50");
  for (const train::Judgement& j : report.judgements) {
    fmt::print("{:>9} {:>9.4f} {:>9.4f} {:>9.4f} {:>8.4f} {:>8.4f}{}\n", j.step, j.box, j.classes, j.distribution,
               j.map, j.map50, j.step == report.best.step ? "  <- kept" : "");
  }
  fmt::print("{} steps on {} pictures in {:.0f} s, judged on {} others\n", report.steps, report.training_pictures,
             report.seconds, report.judging_pictures);
  if (!report.judgements.empty() || report.best.step > 0)
    fmt::print("{}: mAP {:.4f}, mAP50 {:.4f}\n", arguments.training.output, report.best.map, report.best.map50);
}

void run(const Arguments& given) {
  Arguments arguments = given;
  if (arguments.family.empty() == arguments.model.empty())
    throw CLI::ValidationError("give either a model file or --new yolo11");
  if (arguments.quiet) silence_progress();
  arguments.training.optimizer =
      arguments.optimizer == "sgd" ? train::Optimizer::Kind::kSgd : train::Optimizer::Kind::kAdam;
  const train::LabelledSet set = train::open_labelled_set(arguments.data, 0);
  const graph::Graph graph = open_network(arguments, set);
  const train::FloatReport report = train::train_float(graph, set, arguments.training);
  print_report(arguments, report);
  if (report.interrupted) {
    fmt::print(stderr, "interrupted at step {}; the same command with --resume goes on\n", report.steps);
    throw Exit{1};
  }
}

void add_train(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  train::FloatOptions& t = arguments->training;
  CLI::App* command = app.add_subcommand("train", "Train a float detector on labelled pictures");
  command->footer(
      "Examples:\n"
      "  shrike train --new yolo11 --width 0.0625 --reg-max 8 --imgsz 160 --data shapes/ --epochs 60 -o small.onnx\n"
      "  shrike train yolo11n.onnx --data mine/ --imgsz 320 --epochs 20 --rate 0.0002 -o mine.onnx\n\n"
      "A tenth of the pictures judges and is not trained on; the weights with the best mAP on it are kept.\n"
      "OUT.ckpt holds everything that --resume needs, OUT.train.jsonl one line an evaluation.");
  command->add_option("model", arguments->model, "model to start from, .onnx");
  command->add_option("--new", arguments->family, "build a network instead: yolo11")
      ->check(CLI::IsMember({"yolo11"}));
  command->add_option("--width", arguments->network.width, "--new: channels relative to the largest [0.25]")
      ->check(CLI::Range(0.01, 2.0));
  command->add_option("--depth", arguments->network.depth, "--new: repeats relative to the deepest [0.5]")
      ->check(CLI::Range(0.1, 2.0));
  command->add_option("--reg-max", arguments->network.bins, "--new: bins of a box side's distribution [16]")
      ->check(CLI::Range(2, 64));
  command->add_option("--imgsz", arguments->image_size, "size of the network's input [the model's; --new: 640]")
      ->check(CLI::Range(32, 4096));
  command->add_option("--data", arguments->data, "labelled pictures: a folder with instances.json and images/")
      ->required();
  command->add_option("-o,--output", t.output, "file to write, .onnx")->required();
  CLI::Option* epochs = command->add_option("--epochs", t.epochs, "times through the pictures [100]")
                            ->check(CLI::Range(0.001, 1e6));
  command->add_option("--steps", t.steps, "steps instead of epochs")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->excludes(epochs);
  command->add_option("--batch", t.batch, "pictures a step [32]")->check(CLI::Range(1, 4096));
  command->add_option("--part", t.part, "pictures that are normalised together [16]")->check(CLI::Range(1, 4096));
  command->add_option("--optimizer", arguments->optimizer, "adam or sgd [adam]")
      ->check(CLI::IsMember({"adam", "sgd"}));
  command->add_option("--rate", t.rate, "highest learning rate [0.002]")->check(CLI::Range(1e-9, 1.0));
  command->add_option("--decay", t.decay, "weight decay [0.0005]")->check(CLI::Range(0.0, 1.0));
  command->add_option("--mosaic", t.augmentation.mosaic, "share of samples made of four pictures [1]")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--scale", t.augmentation.scale, "zoom by up to this [0.5]")->check(CLI::Range(0.0, 0.99));
  command->add_option("--flip", t.augmentation.flip, "share of samples turned left for right [0.5]")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--held-out", t.held_out, "share of the pictures that judges [0.1]")
      ->check(CLI::Range(0.0, 0.9));
  command->add_option("--evaluations", t.evaluations, "times that the held-out pictures judge [10]")
      ->check(CLI::Range(1, 100000));
  command->add_option("--seed", t.seed, "of weights, order and augmentation [0]");
  command->add_option("--threads", t.threads, "threads (0: all cores); never changes the result")
      ->check(CLI::Range(0, 256));
  command->add_flag("--resume", t.resume, "go on from OUT.ckpt");
  command->add_flag("--quiet", arguments->quiet, "no progress");
  command->callback([arguments] { run(*arguments); });
}

const CommandRegistration registration("train", 25, add_train);

}  // namespace
}  // namespace shrike::cli
