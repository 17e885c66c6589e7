#include <algorithm>

#include <fmt/format.h>

#include "shrike/image.h"
#include "toolchain/engine/engine.h"
#include "toolchain/evaluate/backend.h"
#include "toolchain/evaluate/class_names.h"
#include "toolchain/import/import.h"
#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

graph::Graph load_graph(const std::string& path, const DetectorOptions& options) {
  graph::Graph graph = graph::import_model(path);
  graph::prepare(graph, {.size = options.size, .outputs = options.outputs});
  return graph;
}

// [1,C,H,W] -> [1,H,W,C]
std::vector<float> to_nhwc(const engine::Array& array) {
  const int64_t channels = array.shape[1], cells = array.shape[2] * array.shape[3];
  std::vector<float> result(array.values.size());
  for (int64_t c = 0; c < channels; ++c) {
    const float* from = array.values.data() + c * cells;
    for (int64_t i = 0; i < cells; ++i) result[static_cast<size_t>(i * channels + c)] = from[i];
  }
  return result;
}

TensorView view_of(std::vector<float>& values, const graph::Shape& nchw) {
  TensorView view;
  view.type = DataType::kFloat32;
  view.shape.rank = 4;
  const int64_t dims[4] = {nchw[0], nchw[2], nchw[3], nchw[1]};
  std::copy(dims, dims + 4, view.shape.dims);
  view.data = values.data();
  view.bytes = values.size() * sizeof(float);
  return view;
}

class FloatBackend final : public Detector::Backend {
 public:
  FloatBackend(const std::string& file, const DetectorOptions& options)
      : graph_(load_graph(file, options)), engine_(graph_) {
    path = file;
    const graph::Shape& input = graph_.tensor(graph_.inputs.at(0)).shape;
    if (graph_.inputs.size() != 1 || input.size() != 4 || input[1] != 3) {
      fail("{}: a detector has one input [1,3,H,W], this model has another; it can't be given pictures",
           file);
    }
    height = static_cast<int>(input[2]);
    width = static_cast<int>(input[3]);
    for (int i = 0; i < kMaxHeadLevels; ++i) {
      const std::string box = fmt::format("box{}", i), score = fmt::format("score{}", i);
      if (!graph_.is_output(box) || !graph_.is_output(score)) break;
      for (const std::string& name : {box, score}) {
        if (graph_.tensor(name).shape.size() != 4) fail("{}: output {} is not [1,C,H,W]", file, name);
        outputs_.push_back(name);
      }
    }
    if (outputs_.empty()) fail("{}: the model has no outputs box0 and score0; it is not a detector", file);
    const auto names = graph_.metadata.find("names");
    class_names = evaluate::class_names(static_cast<int>(graph_.tensor(outputs_[1]).shape[1]),
                                        names == graph_.metadata.end() ? "" : names->second);
  }

  Prepared prepare(const data::Image& image, DetectMode mode) const override {
    Prepared prepared;
    prepared.planar.resize(static_cast<size_t>(3) * width * height);
    const data::Image fitted = mode == DetectMode::kChip
                                   ? nearest_letterbox(image, prepared.placement)
                                   : letterbox(image, width, height, prepared.placement);
    data::to_planar(fitted, prepared.planar.data());
    return prepared;
  }

  std::vector<HeadLevel> run(const Prepared& prepared) override {
    const engine::Array input{{1, 3, height, width}, prepared.planar};
    const auto results = engine_.run({{graph_.inputs[0], input}}, outputs_);
    values_.clear();
    for (const std::string& name : outputs_) values_.push_back(to_nhwc(results.at(name)));
    std::vector<HeadLevel> levels(outputs_.size() / 2);
    for (size_t i = 0; i < levels.size(); ++i) {
      const graph::Shape& box = results.at(outputs_[2 * i]).shape;
      levels[i].box = view_of(values_[2 * i], box);
      levels[i].score = view_of(values_[2 * i + 1], results.at(outputs_[2 * i + 1]).shape);
      levels[i].stride = static_cast<int32_t>(height / box[2]);
    }
    return levels;
  }

  std::string description() const override { return "float"; }

 private:
  // The chip's geometry with the pixels left as they are: a 16-bit tensor of exponent 0 holds them exactly.
  data::Image nearest_letterbox(const data::Image& image, ImagePlacement& placement) const {
    TensorView input;
    input.type = DataType::kInt16;
    input.shape = {4, {1, height, width, 3}};
    PreprocessOptions options;
    std::fill(options.std, options.std + 3, 1.0f);
    std::vector<uint8_t> bytes;
    placement = preprocess_into(image, options, Rounding::kHalfEven, input, bytes);
    data::Image fitted{width, height, std::vector<uint8_t>(bytes.size() / 2)};
    const auto* values = reinterpret_cast<const int16_t*>(bytes.data());
    for (size_t i = 0; i < fitted.pixels.size(); ++i) fitted.pixels[i] = static_cast<uint8_t>(values[i]);
    return fitted;
  }

  graph::Graph graph_;
  engine::Engine engine_;
  std::vector<std::string> outputs_;
  std::vector<std::vector<float>> values_;
};

}  // namespace

std::unique_ptr<Detector::Backend> open_float(const std::string& path, const DetectorOptions& options) {
  if (options.integer.threads > 0) engine::set_threads(options.integer.threads);
  return std::make_unique<FloatBackend>(path, options);
}

}  // namespace shrike::evaluate
