#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "shrike/image.h"
#include "toolchain/data/samples.h"
#include "toolchain/engine/engine.h"
#include "toolchain/evaluate/backend.h"
#include "toolchain/heads/head.h"
#include "toolchain/import/import.h"
#include "toolchain/support/error.h"

namespace shrike::evaluate {
namespace {

graph::Graph load_graph(const std::string& path, const DetectorOptions& options) {
  graph::Graph graph = graph::import_model(path);
  graph::prepare(graph, {.size = options.size, .outputs = options.outputs});
  data::decide_input(graph, options.input);
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

TensorView view_of(std::vector<float>& values, const graph::Shape& shape) {
  TensorView view;
  view.type = DataType::kFloat32;
  view.data = values.data();
  view.bytes = values.size() * sizeof(float);
  if (shape.size() != 4) {
    view.shape = {2, {1, static_cast<int32_t>(values.size())}};
    return view;
  }
  view.shape.rank = 4;
  const int64_t dims[4] = {shape[0], shape[2], shape[3], shape[1]};
  std::copy(dims, dims + 4, view.shape.dims);
  return view;
}

class FloatBackend final : public Detector::Backend {
 public:
  FloatBackend(const std::string& file, const DetectorOptions& options)
      : graph_(load_graph(file, options)), engine_(graph_) {
    path = file;
    const std::vector<data::Port> ports = data::ports_of(graph_);
    if (ports.size() != 1 || !ports[0].picture) {
      fail(
          "{}: one input [1,3,H,W] or [1,1,H,W] was expected, this model has another; it can't be given "
          "pictures",
          file);
    }
    input = *ports[0].picture;
    const auto names = graph_.metadata.find("names");
    const std::string said = names == graph_.metadata.end() ? "" : names->second;
    if (const auto head = heads::named(graph_); head && head->row->result != heads::Result::kClasses) {
      take(*head);
      class_names = evaluate::class_names(static_cast<int>(head->classes), said, options.names);
      return;
    }
    const graph::Tensor& output = graph_.tensor(graph_.outputs.at(0));
    if (graph_.outputs.size() != 1 || output.elements() < 2 || output.elements() != output.shape.back()) {
      fail(
          "{}: the model ends in no head that Shrike knows, nor in one vector of classes; its outputs are {}",
          file, fmt::join(graph_.outputs, ", "));
    }
    task = Task::kClasses;
    outputs_ = {output.name};
    softmax = graph_.nodes.at(static_cast<size_t>(graph_.producer(output.name))).op != "Softmax";
    class_names = evaluate::class_names(static_cast<int>(output.elements()), said, options.names);
  }

  Prepared prepare(const data::Image& image, DetectMode mode) const override {
    Prepared prepared;
    if (mode == DetectMode::kChip) {
      const data::Image fitted = nearest(image, prepared.placement);
      prepared.planar = data::to_network(fitted, input, nullptr);
    } else {
      data::Placement place;
      prepared.planar = data::to_network(image, input, &place);
      prepared.placement = placement_of(place, image);
    }
    return prepared;
  }

  Outputs run(const Prepared& prepared) override {
    const engine::Array fed{graph_.tensor(graph_.inputs[0]).shape, prepared.planar};
    const auto results = engine_.run({{graph_.inputs[0], fed}}, outputs_);
    values_.clear();
    std::vector<TensorView> views;
    values_.reserve(outputs_.size());
    for (const std::string& name : outputs_) {
      const engine::Array& array = results.at(name);
      values_.push_back(array.shape.size() == 4 ? to_nhwc(array) : array.values);
      views.push_back(view_of(values_.back(), array.shape));
    }
    Outputs outputs;
    if (task == Task::kClasses) {
      outputs.classes = views[0];
      return outputs;
    }
    outputs.head = head_;
    size_t next = 0;
    for (int32_t i = 0; i < head_.level_count; ++i) {
      HeadLevel& level = outputs.head.levels[i];
      level.box = views[next++];
      level.score = views[next++];
      if (third_ == Third::kObjectness) level.objectness = views[next++];
      if (third_ == Third::kExtra) level.third = views[next++];
    }
    if (next < views.size()) outputs.head.prototypes = views[next];
    return outputs;
  }

  std::string description() const override { return "float"; }

 private:
  enum class Third { kNone, kObjectness, kExtra };

  void take(const heads::Head& head) {
    outputs_ = head.outputs();
    const HeadDecoder* decoder = find_decoder(kAllHeads, head.row->name.c_str());
    if (decoder == nullptr) fail("{}: the head '{}' has no decoder", path, head.row->name);
    head_ = make_head(*decoder);
    head_.level_count = static_cast<int32_t>(head.levels.size());
    head_.cell_offset = head.cell_offset;
    head_.one_to_one = head.one_to_one;
    head_.raw_third = head.raw_third;
    head_.anchor_count = static_cast<int32_t>(head.anchors);
    head_.key_points = static_cast<int32_t>(head.key_points);
    head_.key_point_values = static_cast<int32_t>(head.key_point_values);
    size_t side = 0;
    for (size_t i = 0; i < head.levels.size(); ++i) {
      head_.levels[i].stride = static_cast<int32_t>(head.levels[i].stride);
      for (int64_t a = 0; a < head.anchors && side + 1 < head.anchor_sizes.size(); ++a) {
        if (a >= kMaxAnchors) continue;
        head_.levels[i].anchors[a][0] = head.anchor_sizes[side++];
        head_.levels[i].anchors[a][1] = head.anchor_sizes[side++];
      }
    }
    const bool has_third = head.row->tensors.size() > heads::kThird;
    third_ = !has_third                                     ? Third::kNone
             : head.row->code != heads::BoxCode::kDistances ? Third::kObjectness
                                                            : Third::kExtra;
    task = task_of(head_.kind);
    key_points = head_.key_points;
  }

  // The chip's geometry with the pixels left as they are: a 16-bit tensor of exponent 0 holds them exactly.
  data::Image nearest(const data::Image& image, ImagePlacement& placement) const {
    TensorView tensor;
    tensor.type = DataType::kInt16;
    tensor.shape = {4, {1, input.height, input.width, 3}};
    PreprocessOptions options = data::preprocess_options(input);
    options.swap_red_blue = false;
    std::fill(options.mean, options.mean + 3, 0.0f);
    std::fill(options.std, options.std + 3, 1.0f);
    std::vector<uint8_t> bytes;
    placement = preprocess_into(image, options, Rounding::kHalfEven, tensor, bytes);
    data::Image fitted{input.width, input.height, std::vector<uint8_t>(bytes.size() / 2)};
    const auto* values = reinterpret_cast<const int16_t*>(bytes.data());
    for (size_t i = 0; i < fitted.pixels.size(); ++i) fitted.pixels[i] = static_cast<uint8_t>(values[i]);
    return fitted;
  }

  graph::Graph graph_;
  engine::Engine engine_;
  std::vector<std::string> outputs_;
  std::vector<std::vector<float>> values_;
  Head head_;  // without its tensors
  Third third_ = Third::kNone;
};

}  // namespace

std::unique_ptr<Detector::Backend> open_float(const std::string& path, const DetectorOptions& options) {
  engine::set_threads(options.integer.threads);
  return std::make_unique<FloatBackend>(path, options);
}

}  // namespace shrike::evaluate
