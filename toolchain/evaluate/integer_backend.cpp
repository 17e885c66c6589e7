#include <cstring>

#include <fmt/format.h>

#include "shrike/image.h"
#include "toolchain/evaluate/backend.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

class IntegerBackend final : public Detector::Backend {
 public:
  IntegerBackend(const std::string& file, host::IntegerModel model) : model_(std::move(model)) {
    path = file;
    input_ = model_.model().input(0);
    if (model_.model().input_count() != 1 || input_.shape.rank != 4 || input_.shape.dims[3] != 3) {
      fail("{}: a detector has one input [1,H,W,3], this model has another; it can't be given pictures",
           file);
    }
    height = input_.shape.dims[1];
    width = input_.shape.dims[2];
    rounding = model_.model().rounding();
    const std::vector<HeadLevel> levels = head();
    const Text names = model_.model().metadata("names");
    class_names = evaluate::class_names(levels[0].score.shape.dims[levels[0].score.shape.rank - 1],
                                        std::string(names.data, names.size));
  }

  // Quantises by the chip's table in both modes: in evaluation mode the picture already has the input's size.
  Prepared prepare(const data::Image& image, DetectMode mode) const override {
    Prepared prepared;
    if (mode == DetectMode::kChip) {
      prepared.placement = preprocess_into(image, {}, rounding, input_, prepared.quantized);
    } else {
      const data::Image fitted = letterbox(image, width, height, prepared.placement);
      preprocess_into(fitted, {}, rounding, input_, prepared.quantized);
    }
    return prepared;
  }

  std::vector<HeadLevel> run(const Prepared& prepared) override {
    std::memcpy(input_.data, prepared.quantized.data(), prepared.quantized.size());
    model_.run();
    return head();
  }

  host::IntegerModel* integer_model() override { return &model_; }

  std::unique_ptr<Backend> again() const override {
    const InspectableModel& model = model_.model();
    for (int32_t node = 0; node < model.node_count(); ++node) {
      if (model.node_type(node) == "StreamingCache") return nullptr;
    }
    return std::make_unique<IntegerBackend>(path, model_.again(1));
  }

  std::string description() const override {
    return fmt::format("integer, {}{}, {}", host::target_name(model_.target()),
                       model_.target_assumed() ? " (assumed)" : "", model_.isa());
  }

 private:
  std::vector<HeadLevel> head() const {
    std::vector<HeadLevel> levels(kMaxHeadLevels);
    int32_t count = 0;
    const Status status = find_head(model_.model(), levels.data(), kMaxHeadLevels, &count);
    if (!status.ok()) {
      fail("{}: {}; a detector ends in box0, score0, box1, score1, ... (\"shrike info\" lists the outputs)",
           path, status.detail);
    }
    levels.resize(static_cast<size_t>(count));
    return levels;
  }

  host::IntegerModel model_;
  TensorView input_;
};

}  // namespace

std::unique_ptr<Detector::Backend> open_integer(const std::string& path, const DetectorOptions& options) {
  return std::make_unique<IntegerBackend>(path, host::IntegerModel::open(path, options.integer));
}

}  // namespace shrike::evaluate
