#include <cstring>

#include <fmt/format.h>

#include "shrike/image.h"
#include "toolchain/evaluate/backend.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

std::string text_of(const Text& text) {
  return {text.data, text.size};
}

// A classifier ends in one vector; whether it still needs a Softmax its last operator tells.
bool is_vector(const TensorView& output) {
  return output.shape.rank == 2 && output.shape.dims[0] == 1 && output.shape.dims[1] > 1;
}

class IntegerBackend final : public Detector::Backend {
 public:
  IntegerBackend(const std::string& file, host::IntegerModel model, const DetectorOptions& options)
      : model_(std::move(model)), options_(options) {
    path = file;
    const InspectableModel& network = model_.model();
    input_ = network.input(0);
    std::optional<data::InputSpec> spec;
    if (network.input_count() == 1 && input_.shape.rank == 4) {
      data::InputOptions stored = options.input;
      stored.channels_last = true;
      spec = data::input_spec({input_.shape.dims, input_.shape.dims + 4},
                              text_of(network.metadata(data::kInputKey)), stored);
    }
    if (!spec) {
      fail(
          "{}: one input [1,H,W,3] or [1,H,W,1] was expected, this model has another; it can't be given "
          "pictures",
          file);
    }
    input = *spec;
    rounding = model_.model().rounding();
    const Outputs outputs = read();
    int classes = 0;
    if (task == Task::kClasses) {
      classes = static_cast<int>(outputs.classes.shape.elements());
      softmax = network.node_count() == 0 || !(network.node_type(network.node_count() - 1) == "Softmax");
    } else {
      task = task_of(outputs.head.kind);
      key_points = outputs.head.key_points;
      classes = outputs.head.levels[0].score.shape.dims[3] / outputs.head.anchor_count;
    }
    class_names = evaluate::class_names(classes, text_of(network.metadata("names")), options.names);
  }

  // Quantises by the chip's table in both modes: in evaluation mode the picture already has the input's size.
  Prepared prepare(const data::Image& image, DetectMode mode) const override {
    const PreprocessOptions how = data::preprocess_options(input);
    Prepared prepared;
    if (mode == DetectMode::kChip) {
      prepared.placement = preprocess_into(image, how, rounding, input_, prepared.quantized);
    } else {
      data::Placement place;
      const data::Image fitted = data::fit(image, input.width, input.height, input.geometry, &place);
      prepared.placement = placement_of(place, image);
      preprocess_into(fitted, how, rounding, input_, prepared.quantized);
    }
    return prepared;
  }

  Outputs run(const Prepared& prepared) override {
    std::memcpy(input_.data, prepared.quantized.data(), prepared.quantized.size());
    model_.run();
    return read();
  }

  host::IntegerModel* integer_model() override { return &model_; }

  std::unique_ptr<Backend> again() const override {
    const InspectableModel& model = model_.model();
    for (int32_t node = 0; node < model.node_count(); ++node) {
      if (model.node_type(node) == "StreamingCache") return nullptr;
    }
    return std::make_unique<IntegerBackend>(path, model_.again(1), options_);
  }

  std::string description() const override {
    return fmt::format("integer, {}{}, {}", host::target_name(model_.target()),
                       model_.target_assumed() ? " (assumed)" : "", model_.isa());
  }

 private:
  Outputs read() {
    Outputs outputs;
    const Model& network = model_.model();
    const Status status = find_head(network, kAllHeads, &outputs.head);
    if (status.ok()) return outputs;
    if (network.output_count() == 1 && is_vector(network.output(0))) {
      task = Task::kClasses;
      outputs.classes = network.output(0);
      return outputs;
    }
    std::string outputs_text;
    for (int32_t i = 0; i < network.output_count(); ++i)
      outputs_text += (i == 0 ? "" : ", ") + text_of(network.output(i).name);
    fail(
        "{}: the model's outputs ({}) are neither a head that Shrike decodes nor one vector of classes; "
        "\"shrike "
        "run\" writes them as they are",
        path, outputs_text);
  }

  host::IntegerModel model_;
  DetectorOptions options_;
  TensorView input_;
};

}  // namespace

std::unique_ptr<Detector::Backend> open_integer(const std::string& path, const DetectorOptions& options) {
  return std::make_unique<IntegerBackend>(path, host::IntegerModel::open(path, options.integer), options);
}

}  // namespace shrike::evaluate
