#include "toolchain/train/quantized_training.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>

#include "runtime/chips/chip.h"
#include "toolchain/data/loader.h"
#include "toolchain/engine/gradients.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/integer/reference.h"
#include "toolchain/integer/stored.h"
#include "toolchain/pipeline/recipe.h"
#include "toolchain/pipeline/steps.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/progress.h"
#include "toolchain/system/heap.h"
#include "toolchain/system/interrupt.h"
#include "toolchain/train/batch.h"
#include "toolchain/train/checkpoint.h"
#include "toolchain/train/exponent_choice.h"
#include "toolchain/train/head.h"
#include "toolchain/train/identity.h"
#include "toolchain/train/judge.h"
#include "toolchain/train/oscillation.h"
#include "toolchain/train/team.h"
#include "toolchain/train/trainable_plan.h"
#include "toolchain/train/trial.h"

namespace shrike::train {
namespace {

// Units that a weight can move in a whole run when no rate is given, and in a step: Adam moves all weights at
// once, and a hundredth of a unit everywhere is already more than a deep network stands.
constexpr double kReach = 2, kLargestStep = 0.005;
// A part keeps what every layer computed until its gradients are known.
constexpr int64_t kLargePicture = 448 * 448;
// Held-out pictures on which outputs are compared: a few boxes decide the error of sixteen.
constexpr int kComparedPictures = 64;
// Parts of a batch that are asked whether changed exponents are any good: of several pictures, of one sample.
constexpr size_t kAskedParts = 2, kAskedSamples = 8;
constexpr double kMomentum = 0.9;  // of weights and exponents

// Times that the pictures that judge are redrawn, for the standard error of a difference in mAP.
constexpr int kDraws = 200;

struct Interrupted {};

QuantizedOptions with_part(QuantizedOptions options, const graph::Graph& graph, bool detects) {
  if (!detects) options.part = 1;  // no axis of theirs is known to be the samples'
  if (options.part > 0) return options;
  const std::vector<int64_t>& shape = graph.tensor(graph.inputs[0]).shape;
  options.part = shape.size() == 4 && shape[2] * shape[3] > kLargePicture ? 2 : 4;
  return options;
}

std::vector<std::string> samples_of(const LabelledSet& set) {
  std::vector<std::string> paths;
  for (const LabelledPicture& picture : set.pictures) paths.push_back(picture.path);
  return paths;
}

class Run {
 public:
  Run(const QuantizedStart& start, const Parts& parts, const quantize::Settings& settings,
      const QuantizedOptions& options)
      : graph_(start.graph),
        parts_(parts),
        settings_(settings),
        results_(results_of(start.graph)),
        options_(with_part(options, start.graph, results_.head.has_value())),
        plan_(start.graph, start.plan, settings.target, options.start_within),
        first_plan_(start.plan),
        teacher_(start.graph),
        values_(plan_.start()),
        average_(values_),
        exponents_(plan_.exponents()),
        optimizer_(Optimizer::Kind::kAdam, values_),
        exponent_optimizer_(Optimizer::Kind::kAdam, exponents_) {
    const double pictures = static_cast<double>(parts.training.pictures.size());
    steps_ = options.steps > 0
                 ? options.steps
                 : std::max<int64_t>(1, std::llround(std::ceil(options.epochs * pictures / options.batch)));
    open_samples();
    watched_ = results_.outputs;
    for (const std::string& feature : branching_features(graph_)) watched_.push_back(feature);
    engine::GradientOptions gradients;
    gradients.precision = engine::Precision::kFakeQuantized;
    gradients.half_even = rounding_of(settings.target) == Rounding::kHalfEven;
    gradients.parameters = plan_.parameters();
    gradients.outputs = watched_;
    network_ = engine::make_differentiable(plan_.quantized(), gradients);
  }

  QuantizedReport run() {
    const auto begin = std::chrono::steady_clock::now();
    report_.detects = results_.head.has_value();
    report_.labelled = learns_labels();
    judge_start();
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
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return report_;
  }

 private:
  struct Sums {
    DistillationTerms distillation;
    LossTerms labels;
  };

  // Pictures are varied; arrays, and what several inputs get, are fed as they are.
  void open_samples() {
    const std::vector<data::Port> ports = data::ports_of(graph_);
    const std::vector<std::string> samples = samples_of(parts_.training);
    if (ports.size() == 1 && ports[0].picture &&
        std::all_of(samples.begin(), samples.end(), data::is_picture)) {
      maker_.emplace(parts_.training, *ports[0].picture, options_.seed);
    } else {
      feed_.emplace(graph_, samples, settings_.threads);
    }
  }

  Batch make_batch(int64_t step) const {
    const QuantizedOptions& o = options_;
    if (!maker_) return train::make_batch(*feed_, o.seed, step, o.batch, o.processes);
    return train::make_batch(*maker_, graph_.inputs[0], step, o.batch, o.part, o.augmentation, o.processes);
  }

  std::string checkpoint_path() const { return options_.output + ".ckpt"; }
  bool learns_labels() const { return results_.head && parts_.training.labelled; }
  size_t asked_parts() const { return results_.head ? kAskedParts : kAskedSamples; }
  bool exponents_move() const { return options_.exponent_rate > 0 && step_ * 3 < steps_; }

  // One step; none, with stop_ set, when a process is asked to stop before all parts of the batch are done.
  void train_on(const Batch& batch, const SignalsAsk& signals) {
    const bool move_exponents = exponents_move();
    const size_t parts = batch.inputs.size();
    std::vector<engine::Gradients> found(parts);
    std::vector<Sums> sums(parts);
    std::vector<std::vector<engine::Array>> teachers(parts);  // of parts that are asked once more
    for_each_part(parts, options_.threads, [&](size_t part) {
      if (!options_.processes.has(part) || signals.asked()) return;
      const auto reference = teacher_.run(batch.inputs[part], watched_);
      for (const std::string& name : watched_) teachers[part].push_back(reference.at(name));
      found[part] = network_->run(
          batch.inputs[part], values_,
          [&](const std::vector<engine::Array>& student, std::vector<engine::Array>& derivatives) {
            sums[part] = losses(batch, part, teachers[part], student, derivatives);
          },
          move_exponents);
      if (!move_exponents || part >= asked_parts()) teachers[part].clear();  // not asked again
    });
    Values gradients = zeros_like(values_), exponent_gradients = zeros_like(exponents_);
    for (const engine::Gradients& part : found) {
      add_into(gradients, part.parameters);
      if (move_exponents) add_into(exponent_gradients, plan_.exponent_gradients(part.exponents));
    }
    options_.processes.sum(gradients);
    if (move_exponents) options_.processes.sum(exponent_gradients);
    std::vector<double> shared = {signals.asked() ? 1.0 : 0.0, 0, 0, 0, 0, 0};
    for (const Sums& sum : sums) {
      const double share = 1.0 / static_cast<double>(parts);
      shared[1] += share * sum.distillation.features;
      shared[2] += share * sum.distillation.classes;
      shared[3] += share * sum.distillation.boxes;
      shared[4] += share * sum.labels.total();
      shared[5] += share * sum.distillation.outputs;
    }
    options_.processes.sum(shared);
    stop_ = shared[0] > 0;
    if (stop_) return;
    sum_.distillation.features += shared[1];
    sum_.distillation.classes += shared[2];
    sum_.distillation.boxes += shared[3];
    sum_.labels.box += shared[4];
    sum_.distillation.outputs += shared[5];
    if (step_ == 0) note_start();
    ++summed_;
    move_values(gradients);
    if (move_exponents) {
      step_exponents(exponent_gradients);
      changed_exponents_ += choose_exponents(plan_, exponents_,
                                             {[&](const auto& formats) { network_->set_formats(formats); },
                                              [&] { return loss_of(batch, teachers); }});
    }
    ++step_;
    average();
  }

  // Of one part; adds the gradients of what is minimised to `derivatives`.
  Sums losses(const Batch& batch, size_t part, const std::vector<engine::Array>& teacher,
              const std::vector<engine::Array>& student, std::vector<engine::Array>& derivatives) const {
    const double share = static_cast<double>(batch.truths[part].size()) / options_.batch;
    Sums sums;
    sums.distillation = distillation_loss(results_, teacher, student, options_.distillation,
                                          options_.distill_weight * share, derivatives);
    if (learns_labels() && options_.label_weight > 0)
      sums.labels = head_loss(*results_.head, student, batch.truths[part],
                              {.weight = options_.label_weight / options_.batch,
                               .background = quantize::recipe::kBackgroundLogit},
                              derivatives);
    return sums;
  }

  // What is minimised, of the first parts of a batch with the network as it stands.
  double loss_of(const Batch& batch, const std::vector<std::vector<engine::Array>>& teachers) const {
    const size_t parts = std::min(asked_parts(), batch.inputs.size());
    std::vector<double> found(parts, 0);
    for_each_part(parts, options_.threads, [&](size_t part) {
      if (!options_.processes.has(part)) return;
      const std::vector<engine::Array> student = network_->outputs(batch.inputs[part], values_);
      std::vector<engine::Array> unused = student;
      const Sums sums = losses(batch, part, teachers[part], student, unused);
      found[part] =
          options_.distill_weight * sums.distillation.total() + options_.label_weight * sums.labels.total();
    });
    options_.processes.sum(found);
    return std::accumulate(found.begin(), found.end(), 0.0);
  }

  void note_start() {
    report_.start.distillation = sum_.distillation;
    report_.start.labels = sum_.labels.box;
  }

  void move_values(Values& gradients) {
    if (!std::isfinite(clip_norm(gradients, options_.clip)))
      fail("step {}: the loss is not a number; lower --rate", step_ + 1);
    const auto warm_up = static_cast<int64_t>(std::ceil(options_.warm_up * static_cast<double>(steps_)));
    const double highest =
        options_.rate > 0 ? options_.rate : std::min(kLargestStep, kReach / static_cast<double>(steps_));
    const double rate = highest * cosine(step_, steps_, warm_up, options_.final_rate);
    std::vector<double> rates = plan_.units();
    for (double& unit : rates) unit *= rate;
    optimizer_.step(values_, gradients, rates, std::vector<double>(values_.size(), 0), kMomentum);
    plan_.damp(values_, damping_share(static_cast<double>(step_) / static_cast<double>(steps_), rate));
  }

  void step_exponents(Values& gradients) {
    clip_norm(gradients, options_.clip);
    exponent_optimizer_.step(exponents_, gradients,
                             std::vector<double>(exponents_.size(), options_.exponent_rate),
                             std::vector<double>(exponents_.size(), 0), kMomentum);
  }

  void average() {
    const double keep = std::min(0.9999, std::max(0.0, 1 - 10 / static_cast<double>(steps_)));
    // The first steps count in full, so that the average does not drag the start along.
    average_into(average_, values_,
                 std::min(keep, static_cast<double>(step_) / static_cast<double>(step_ + 9)));
  }

  std::string note() const {
    const double count = static_cast<double>(std::max<int64_t>(1, summed_));
    const DistillationTerms& sum = sum_.distillation;
    if (!results_.head)
      return fmt::format("features {:.4f}, outputs {:.4f}", sum.features / count, sum.outputs / count);
    std::string text = fmt::format("features {:.4f}, class {:.4f}, box {:.4f}", sum.features / count,
                                   sum.classes / count, sum.boxes / count);
    if (learns_labels()) text += fmt::format(", labels {:.3f}", sum_.labels.box / count);
    return text;
  }

  bool evaluation_due() const {
    const int64_t every = std::max<int64_t>(1, steps_ / std::max(1, options_.evaluations));
    return step_ == steps_ || (step_ % every == 0 && steps_ - step_ >= every / 2);
  }

  std::string file_of(const quantize::Plan& plan) const {
    const graph::Graph quantized = quantize::materialize(graph_, plan, settings_.target);
    espdl::Program program = espdl::lower(quantized, settings_.target);
    quantize::note_orders(program, graph_);
    const std::vector<uint8_t> bytes = espdl::serialize(program);
    return {bytes.begin(), bytes.end()};
  }

  Verdict verdict_on(const quantize::Plan& plan, const std::string& file) {
    Verdict verdict;
    if (learns_labels()) {
      const evaluate::Folder& folder = parts_.judging.folder;
      const TrialFile trial(options_.output, options_.processes, file);
      const std::vector<evaluate::Detection> found =
          found_by(trial.path(), folder, options_.threads, options_.processes);
      verdict.map = evaluate::evaluate(folder.dataset, found).map();
      const std::vector<double> redrawn =
          evaluate::redrawn_precision(folder.dataset, found, evaluate::Measure::kBoxes, kDraws);
      verdict.redrawn.assign(redrawn.begin(), redrawn.end());
    }
    verdict.error =
        of_the_first([&] { return quantize::output_loss(graph_, plan, settings_.target, reference()); });
    engine::set_threads(1);
    return verdict;
  }

  // What the first process finds, in all.
  double of_the_first(const std::function<double()>& find) const {
    std::vector<double> found = {options_.processes.first() ? find() : 0};  // the others hold zero
    options_.processes.sum(found);
    return found[0];
  }

  const quantize::Reference& reference() {
    if (!reference_) {
      const quantize::Feed feed(graph_, samples_of(parts_.judging), settings_.threads);
      reference_ = quantize::make_reference(
          graph_, feed.fitted_by(settings_.calibration_fit).evenly(kComparedPictures));
    }
    return *reference_;
  }

  void judge_start() {
    best_file_ = file_of(first_plan_);
    report_.start.verdict = verdict_on(first_plan_, best_file_);
    report_.error_with_float_weights = of_the_first([&] {
      return quantize::output_loss_with_float_weights(graph_, first_plan_, settings_.target, reference());
    });
    report_.best = report_.start;
  }

  void evaluate() {
    const quantize::Plan plan = plan_.plan(average_);
    const std::string file = file_of(plan);
    Verdict verdict = verdict_on(plan, file);
    const double deviation = standard_error(verdict, report_.start.verdict);
    const double count = static_cast<double>(std::max<int64_t>(1, summed_));
    const DistillationTerms& sum = sum_.distillation;
    const QuantizedJudgement judgement{step_,
                                       {.features = sum.features / count,
                                        .classes = sum.classes / count,
                                        .boxes = sum.boxes / count,
                                        .outputs = sum.outputs / count},
                                       sum_.labels.box / count,
                                       std::move(verdict),
                                       deviation,
                                       changed_exponents_,
                                       plan_.moved(average_)};
    sum_ = {};
    summed_ = 0;
    report_.judgements.push_back(judgement);
    const auto measured = [&](double value) {
      return learns_labels() ? fmt::format("{:.6f}", value) : std::string("null");
    };
    lines_ += fmt::format(
        "{{\"step\": {}, \"features\": {:.6f}, {}, "
        "\"mAP\": {}, \"mAP_deviation\": {}, \"error\": {:.6g}, \"changed_exponents\": {}, "
        "\"moved_weights\": {}}}\n",
        judgement.step, judgement.distillation.features, own_terms(judgement),
        measured(judgement.verdict.map), measured(judgement.map_deviation), judgement.verdict.error,
        judgement.changed_exponents, judgement.moved_weights);
    if (is_better(judgement.verdict, report_.best.verdict) &&
        !loses_accuracy(judgement.verdict, report_.start.verdict)) {
      report_.best = judgement;
      best_file_ = file;
    }
    save();
  }

  std::string own_terms(const QuantizedJudgement& judgement) const {
    const DistillationTerms& terms = judgement.distillation;
    if (!results_.head) return fmt::format("\"outputs\": {:.6f}", terms.outputs);
    return fmt::format("\"class\": {:.6f}, \"box\": {:.6f}, \"labels\": {:.6f}", terms.classes, terms.boxes,
                       judgement.labels);
  }

  // Everything that the run depends on: another run must not go on from this checkpoint.
  const std::string& identity() {
    if (identity_.empty()) identity_ = identity_of(options_text(), graph_, parts_);
    return identity_;
  }

  std::string options_text() const {
    const QuantizedOptions& o = options_;
    const Augmentation& a = o.augmentation;
    return fmt::format(
        "quantized {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {} {}", steps_,
        o.warm_up, o.start_within, o.batch, o.part, o.rate, o.final_rate, o.exponent_rate, o.distill_weight,
        o.label_weight, o.distillation.feature_gain, o.distillation.class_gain, o.distillation.box_gain,
        o.clip, o.evaluations, o.seed, a.mosaic, a.scale, a.translate, a.hue, a.saturation, a.value, a.flip,
        parts_.training.pictures.size(), parts_.judging.pictures.size(), report_.start.verdict.error,
        chip_of(settings_.target).name);
  }

  void save() {
    if (!options_.processes.first()) return;
    Checkpoint checkpoint;
    checkpoint.texts = {{"identity", identity()}, {"lines", lines_}, {"best", best_file_}};
    checkpoint.values = {{"values", values_},
                         {"average", average_},
                         {"exponents", exponents_},
                         {"first", optimizer_.first},
                         {"second", optimizer_.second},
                         {"exponents first", exponent_optimizer_.first},
                         {"exponents second", exponent_optimizer_.second},
                         {"best redrawn", {report_.best.verdict.redrawn}}};
    checkpoint.numbers = {{"step", static_cast<double>(step_)},
                          {"exponent steps", static_cast<double>(exponent_optimizer_.steps)},
                          {"features", sum_.distillation.features},
                          {"classes", sum_.distillation.classes},
                          {"boxes", sum_.distillation.boxes},
                          {"outputs", sum_.distillation.outputs},
                          {"labels", sum_.labels.box},
                          {"summed", static_cast<double>(summed_)},
                          {"changed", changed_exponents_},
                          {"start features", report_.start.distillation.features},
                          {"start classes", report_.start.distillation.classes},
                          {"start boxes", report_.start.distillation.boxes},
                          {"start outputs", report_.start.distillation.outputs},
                          {"start labels", report_.start.labels},
                          {"best step", static_cast<double>(report_.best.step)},
                          {"best map", report_.best.verdict.map},
                          {"best error", report_.best.verdict.error}};
    save_checkpoint(checkpoint, checkpoint_path());
    write_files_atomically({{options_.output + ".train.jsonl", lines_}, {options_.output, best_file_}});
  }

  void resume() {
    std::string file;
    if (options_.processes.first()) file = read_text(checkpoint_path());
    options_.processes.broadcast(file);
    Checkpoint checkpoint = parse_checkpoint(file, checkpoint_path());
    require_same_run(checkpoint.texts["identity"], identity(), checkpoint_path());
    values_ = checkpoint.values["values"];
    average_ = checkpoint.values["average"];
    exponents_ = checkpoint.values["exponents"];
    optimizer_.first = checkpoint.values["first"];
    optimizer_.second = checkpoint.values["second"];
    exponent_optimizer_.first = checkpoint.values["exponents first"];
    exponent_optimizer_.second = checkpoint.values["exponents second"];
    step_ = optimizer_.steps = static_cast<int64_t>(checkpoint.numbers["step"]);
    exponent_optimizer_.steps = static_cast<int64_t>(checkpoint.numbers["exponent steps"]);
    sum_.distillation = {checkpoint.numbers["features"], checkpoint.numbers["classes"],
                         checkpoint.numbers["boxes"], checkpoint.numbers["outputs"]};
    sum_.labels.box = checkpoint.numbers["labels"];
    summed_ = static_cast<int64_t>(checkpoint.numbers["summed"]);
    changed_exponents_ = static_cast<int>(checkpoint.numbers["changed"]);
    report_.start.distillation = {checkpoint.numbers["start features"], checkpoint.numbers["start classes"],
                                  checkpoint.numbers["start boxes"], checkpoint.numbers["start outputs"]};
    report_.start.labels = checkpoint.numbers["start labels"];
    lines_ = checkpoint.texts["lines"];
    best_file_ = checkpoint.texts["best"];
    report_.best.step = static_cast<int64_t>(checkpoint.numbers["best step"]);
    report_.best.verdict = {checkpoint.numbers["best map"], checkpoint.numbers["best error"],
                            checkpoint.values["best redrawn"].at(0)};
    report_.best.map_deviation = standard_error(report_.best.verdict, report_.start.verdict);
    std::vector<size_t> all(exponents_.size());
    std::iota(all.begin(), all.end(), size_t{0});
    network_->set_formats(plan_.take_over(all, exponents_));
  }

  std::string identity_;
  const graph::Graph graph_;
  const Parts& parts_;
  const quantize::Settings settings_;
  const Results results_;
  const QuantizedOptions options_;
  TrainablePlan plan_;
  const quantize::Plan first_plan_;
  std::optional<SampleMaker> maker_;  // of pictures; of everything else:
  std::optional<quantize::Feed> feed_;
  engine::Engine teacher_;
  std::unique_ptr<engine::DifferentiableNetwork> network_;
  std::vector<std::string> watched_;  // the results, then the features
  Values values_, average_, exponents_;
  Optimizer optimizer_, exponent_optimizer_;
  std::optional<quantize::Reference> reference_;
  int64_t steps_ = 0, step_ = 0, summed_ = 0;
  int changed_exponents_ = 0;
  bool stop_ = false;  // some process was asked to
  Sums sum_;           // since the evaluation before
  std::string lines_, best_file_;
  QuantizedReport report_;
};

}  // namespace

QuantizedStart quantized_start(const std::string& model, const Parts& parts,
                               const quantize::Settings& settings) {
  graph::Graph graph = quantize::load_float_graph(model, settings);
  quantize::Feed feed(graph,
                      quantize::choose_samples(samples_of(parts.training), settings.calibration_images),
                      settings.threads);
  feed = feed.fitted_by(settings.calibration_fit);
  std::optional<Progress> bar;
  std::string phase;
  const auto show = [&](const std::string& name, size_t done, size_t total) {
    if (name != phase) bar.emplace(name, static_cast<int64_t>(total));
    phase = name;
    bar->update(static_cast<int64_t>(done));
  };
  quantize::Draft draft{std::move(graph), std::move(feed), {}, {}};
  std::vector<quantize::Phase> phases;
  for (const quantize::Part part : {quantize::Part::kNetwork, quantize::Part::kPlan})
    quantize::run_steps(part, draft, settings, show, phases);
  return {std::move(draft.graph), std::move(draft.plan)};
}

QuantizedReport train_quantized(const QuantizedStart& start, const Parts& parts,
                                const quantize::Settings& settings, const QuantizedOptions& options) {
  if (options.processes.first()) {
    require_writable(options.output);
    require_writable(options.output + ".ckpt");
  }
  return Run(start, parts, settings, options).run();
}

}  // namespace shrike::train
