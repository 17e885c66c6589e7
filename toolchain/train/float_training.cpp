#include "toolchain/train/float_training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>

#include "toolchain/data/loader.h"
#include "toolchain/engine/gradients.h"
#include "toolchain/graph/passes.h"
#include "toolchain/import/onnx/write.h"
#include "toolchain/operators/affine.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/progress.h"
#include "toolchain/system/heap.h"
#include "toolchain/system/interrupt.h"
#include "toolchain/train/batch.h"
#include "toolchain/train/checkpoint.h"
#include "toolchain/train/head.h"
#include "toolchain/train/identity.h"
#include "toolchain/train/judge.h"
#include "toolchain/train/team.h"
#include "toolchain/train/trial.h"

namespace shrike::train {
namespace {

// Of the running mean and variance of a normalisation (spec/training.md section 1.1).
constexpr double kNormMomentum = 0.03;
// Gradients are those of a loss summed over this many pictures, whatever the batch, as the field's rates and
// clipping expect (section 4).
constexpr double kNominalBatch = 64;

struct Interrupted {};

// What is trained of a graph: its constants by name, and the stored statistics of its normalisations.
struct Trainable {
  std::vector<std::string> parameters;
  std::vector<double> decays;           // 1 for weights, 0 for biases and normalisations
  std::vector<std::string> statistics;  // mean and variance of every normalisation, in graph order

  explicit Trainable(const graph::Graph& graph) {
    const auto add = [&](const std::string& name, double decay) {
      if (name.empty() || !graph.tensor(name).constant) return;
      parameters.push_back(name);
      decays.push_back(decay);
    };
    for (const graph::Node& node : graph.nodes) {
      if (operators::has_role(node.op, operators::Role::kWeighted)) {
        add(node.inputs.at(1), 1);
        if (node.inputs.size() > 2) add(node.inputs[2], 0);
      } else if (operators::is_batch_normalization(node)) {
        add(node.inputs.at(1), 0);
        add(node.inputs.at(2), 0);
        statistics.insert(statistics.end(), {node.inputs.at(3), node.inputs.at(4)});
      }
    }
    if (parameters.empty()) fail("'{}': the network has no weights to train", graph.name);
  }
};

Values read(const graph::Graph& graph, const std::vector<std::string>& names) {
  Values values;
  for (const std::string& name : names) values.push_back(graph.tensor(name).values);
  return values;
}

std::string names_text(const std::vector<std::string>& names) {
  std::string text = "{";
  for (size_t i = 0; i < names.size(); ++i) {
    std::string name = names[i];
    std::replace(name.begin(), name.end(), '\'', ' ');
    text += fmt::format("{}{}: '{}'", i == 0 ? "" : ", ", i, name);
  }
  return text + "}";
}

class Run {
 public:
  Run(const graph::Graph& graph, const LabelledSet& set, const FloatOptions& options)
      : graph_(graph),
        options_(options),
        head_(find_head(graph)),
        trainable_(graph),
        parts_(hold_out(set, options.held_out, static_cast<size_t>(options.judging_pictures))),
        maker_(parts_.training, head_.input, options.seed),
        values_(read(graph, trainable_.parameters)),
        statistics_(read(graph, trainable_.statistics)),
        average_(values_),
        average_statistics_(statistics_),
        optimizer_(options.optimizer, values_) {
    if (!set.labelled) fail("training a float detector needs labels; a plain folder of pictures was given");
    if (set.class_names.size() != static_cast<size_t>(head_.head.classes)) {
      fail("the network has {} classes, the data set {}", head_.head.classes, set.class_names.size());
    }
    steps_ = options.steps > 0
                 ? options.steps
                 : std::max<int64_t>(
                       1, std::llround(std::ceil(options.epochs *
                                                 static_cast<double>(parts_.training.pictures.size()) /
                                                 options.batch)));
    graph_.metadata["names"] = names_text(set.class_names);
    graph_.metadata["stride"] = "32";
    graph_.metadata["imgsz"] = fmt::format("[{}, {}]", head_.input.height, head_.input.width);
    graph_.metadata["task"] = "detect";
    engine::GradientOptions gradients;
    gradients.parameters = trainable_.parameters;
    gradients.outputs = head_.outputs;
    gradients.batch_statistics = true;
    network_ = engine::make_differentiable(graph_, gradients);
  }

  FloatReport run() {
    const auto start = std::chrono::steady_clock::now();
    if (options_.processes.first()) {
      require_writable(options_.output);
      require_writable(checkpoint_path());
    }
    if (options_.resume) resume();
    keep_freed_memory();
    engine::set_threads(1);  // parts run beside one another, each alone
    {
      const SignalsAsk signals;
      try {
        Progress progress("train", steps_);
        data::in_order<Batch>(
            static_cast<size_t>(steps_ - step_), thread_count(options_.threads), 2,
            [&, first = step_](size_t i) { return make_batch(first + static_cast<int64_t>(i)); },
            [&](size_t, const Batch& batch) {
              train_on(batch, signals);
              if (stop_) throw Interrupted{};
              progress.update(step_, note());
              if (evaluation_due()) evaluate();
              if (step_ == options_.stop_after && step_ < steps_) throw Interrupted{};
            });
      } catch (const Interrupted&) {
        report_.interrupted = true;
        save();
        if (options_.processes.first()) say_interrupted(step_);
      }
    }
    engine::set_threads(options_.threads);
    report_.steps = step_;
    report_.training_pictures = parts_.training.pictures.size();
    report_.judging_pictures = parts_.judging.pictures.size();
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report_;
  }

 private:
  std::string checkpoint_path() const { return options_.output + ".ckpt"; }

  Batch make_batch(int64_t step) const {
    Augmentation augmentation = options_.augmentation;
    if (static_cast<double>(step) >= (1 - options_.plain_end) * static_cast<double>(steps_))
      augmentation.mosaic = 0;
    return train::make_batch(maker_, graph_.inputs[0], step, options_.batch, options_.part, augmentation,
                             options_.processes);
  }

  // One step; none, with stop_ set, when a process is asked to stop before all parts of the batch are done.
  void train_on(const Batch& batch, const SignalsAsk& signals) {
    std::vector<engine::Gradients> found(batch.inputs.size());
    std::vector<LossTerms> terms(batch.inputs.size());
    for_each_part(batch.inputs.size(), options_.threads, [&](size_t part) {
      if (!options_.processes.has(part) || signals.asked()) return;
      found[part] = network_->run(
          batch.inputs[part], values_,
          [&](const std::vector<engine::Array>& outputs, std::vector<engine::Array>& derivatives) {
            terms[part] = head_loss(head_, outputs, batch.truths[part],
                                    {.weight = kNominalBatch / options_.batch}, derivatives);
          },
          false);
    });
    Values gradients = zeros_like(values_);
    for (const engine::Gradients& part : found) add_into(gradients, part.parameters);
    options_.processes.sum(gradients);
    std::vector<double> shared = {signals.asked() ? 1.0 : 0.0, 0, 0, 0};
    for (const LossTerms& part : terms) {
      shared[1] += part.box / static_cast<double>(terms.size());
      shared[2] += part.classes / static_cast<double>(terms.size());
      shared[3] += part.distribution / static_cast<double>(terms.size());
    }
    options_.processes.sum(shared);
    stop_ = shared[0] > 0;
    if (stop_) return;
    sum_.box += shared[1];
    sum_.classes += shared[2];
    sum_.distribution += shared[3];
    follow_statistics(found);
    ++summed_;
    const double norm = clip_norm(gradients, options_.clip);
    if (!std::isfinite(norm)) fail("step {}: the loss is not a number; lower --rate", step_ + 1);
    const auto warm_up = static_cast<int64_t>(std::ceil(options_.warm_up * static_cast<double>(steps_)));
    const double rate = options_.rate * cosine(step_, steps_, warm_up, options_.final_rate);
    std::vector<double> decays;
    for (const double decay : trainable_.decays) decays.push_back(decay * options_.decay);
    optimizer_.step(values_, gradients, std::vector<double>(values_.size(), rate), decays, options_.momentum);
    ++step_;
    average_into(average_, values_, average_keep(step_));
    average_into(average_statistics_, statistics_, average_keep(step_));
  }

  // Part by part, whichever process computed it.
  void follow_statistics(const std::vector<engine::Gradients>& found) {
    for (size_t part = 0; part < found.size(); ++part) {
      Values seen = zeros_like(statistics_);
      for (size_t i = 0; i < found[part].statistics.size(); ++i) {
        seen[2 * i] = found[part].statistics[i].mean;
        seen[2 * i + 1] = found[part].statistics[i].variance;
      }
      options_.processes.sum(seen);
      average_into(statistics_, seen, 1 - kNormMomentum);
    }
  }

  std::string note() const {
    const double count = static_cast<double>(std::max<int64_t>(1, summed_));
    std::string text =
        fmt::format("loss {:.3f} = box {:.3f} + class {:.3f} + distribution {:.3f}", sum_.total() / count,
                    sum_.box / count, sum_.classes / count, sum_.distribution / count);
    if (!report_.judgements.empty()) text += fmt::format(", mAP {:.3f}", report_.judgements.back().map);
    return text;
  }

  bool evaluation_due() const {
    const int64_t every = std::max<int64_t>(1, steps_ / std::max(1, options_.evaluations));
    return step_ == steps_ || (step_ % every == 0 && steps_ - step_ >= every / 2);
  }

  // The averaged weights as a model file.
  std::string model_bytes() const {
    graph::Graph model = graph_;
    for (size_t i = 0; i < average_.size(); ++i) model.tensor(trainable_.parameters[i]).values = average_[i];
    for (size_t i = 0; i < average_statistics_.size(); ++i)
      model.tensor(trainable_.statistics[i]).values = average_statistics_[i];
    graph::fold_batch_norm(model);
    graph::remove_dead_nodes(model);
    return graph::onnx_bytes(model);
  }

  void evaluate() {
    const std::string bytes = model_bytes();
    const TrialFile trial(options_.output, options_.processes, bytes);
    const evaluate::Metrics metrics =
        judge(trial.path(), parts_.judging.folder, options_.threads, options_.processes);
    engine::set_threads(1);
    const double count = static_cast<double>(std::max<int64_t>(1, summed_));
    const Judgement judgement{step_,
                              sum_.box / count,
                              sum_.classes / count,
                              sum_.distribution / count,
                              std::max(0.0, metrics.map()),
                              std::max(0.0, metrics.map50())};
    sum_ = {};
    summed_ = 0;
    report_.judgements.push_back(judgement);
    lines_ += fmt::format(
        "{{\"step\": {}, \"box\": {:.5f}, \"class\": {:.5f}, \"distribution\": {:.5f}, \"map\": {:.5f}, "
        "\"map50\": {:.5f}}}\n",
        judgement.step, judgement.box, judgement.classes, judgement.distribution, judgement.map,
        judgement.map50);
    if (best_model_.empty() || judgement.map >= report_.best.map) {
      report_.best = judgement;
      best_model_ = bytes;
    }
    save();
  }

  // Everything that the run depends on: another run must not go on from this checkpoint.
  const std::string& identity() {
    if (identity_.empty()) identity_ = identity_of(options_text(), graph_, parts_);
    return identity_;
  }

  std::string options_text() const {
    const FloatOptions& o = options_;
    const Augmentation& a = o.augmentation;
    return fmt::format("float {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", steps_,
                       o.batch, o.part, static_cast<int>(o.optimizer), o.rate, o.final_rate, o.momentum,
                       o.decay, o.warm_up, o.clip, o.plain_end, o.held_out, o.evaluations, o.seed, a.mosaic,
                       a.scale, a.translate, a.hue, a.saturation, a.value, a.flip, head_.head.classes);
  }

  void save() {
    if (!options_.processes.first()) return;
    write_file_atomically(options_.output + ".train.jsonl", std::string_view(lines_));
    Checkpoint checkpoint;
    checkpoint.texts = {{"identity", identity()}, {"lines", lines_}, {"best", best_model_}};
    checkpoint.values = {{"values", values_},         {"statistics", statistics_},
                         {"average", average_},       {"average statistics", average_statistics_},
                         {"first", optimizer_.first}, {"second", optimizer_.second}};
    checkpoint.numbers = {{"step", static_cast<double>(step_)},
                          {"box", sum_.box},
                          {"classes", sum_.classes},
                          {"distribution", sum_.distribution},
                          {"summed", static_cast<double>(summed_)},
                          {"best step", static_cast<double>(report_.best.step)},
                          {"best map", report_.best.map},
                          {"best map50", report_.best.map50}};
    save_checkpoint(checkpoint, checkpoint_path());
    if (!best_model_.empty()) write_file_atomically(options_.output, std::string_view(best_model_));
  }

  void resume() {
    std::string file;
    if (options_.processes.first()) file = read_text(checkpoint_path());
    options_.processes.broadcast(file);
    Checkpoint checkpoint = parse_checkpoint(file, checkpoint_path());
    require_same_run(checkpoint.texts["identity"], identity(), checkpoint_path());
    values_ = checkpoint.values["values"];
    statistics_ = checkpoint.values["statistics"];
    average_ = checkpoint.values["average"];
    average_statistics_ = checkpoint.values["average statistics"];
    optimizer_.first = checkpoint.values["first"];
    optimizer_.second = checkpoint.values["second"];
    step_ = optimizer_.steps = static_cast<int64_t>(checkpoint.numbers["step"]);
    sum_ = {checkpoint.numbers["box"], checkpoint.numbers["classes"], checkpoint.numbers["distribution"]};
    summed_ = static_cast<int64_t>(checkpoint.numbers["summed"]);
    lines_ = checkpoint.texts["lines"];
    best_model_ = checkpoint.texts["best"];
    report_.best.step = static_cast<int64_t>(checkpoint.numbers["best step"]);
    report_.best.map = checkpoint.numbers["best map"];
    report_.best.map50 = checkpoint.numbers["best map50"];
  }

  std::string identity_;
  graph::Graph graph_;
  const FloatOptions options_;
  const DetectionHead head_;
  const Trainable trainable_;
  const Parts parts_;
  const SampleMaker maker_;
  std::unique_ptr<engine::DifferentiableNetwork> network_;
  Values values_, statistics_, average_, average_statistics_;
  Optimizer optimizer_;
  int64_t steps_ = 0, step_ = 0;
  bool stop_ = false;  // some process was asked to
  LossTerms sum_;      // since the evaluation before
  int64_t summed_ = 0;
  std::string lines_, best_model_;
  FloatReport report_;
};

}  // namespace

FloatReport train_float(const graph::Graph& graph, const LabelledSet& set, const FloatOptions& options) {
  return Run(graph, set, options).run();
}

}  // namespace shrike::train
