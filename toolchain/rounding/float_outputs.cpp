#include "toolchain/rounding/float_outputs.h"

#include <algorithm>
#include <span>

#include "toolchain/measure/float_engines.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/recipe.h"

namespace shrike::quantize {
namespace {

int64_t inner_count(const graph::Shape& shape) {
  int64_t count = 1;
  for (size_t i = 2; i < shape.size(); ++i) count *= shape[i];
  return count;
}

// From one place to the next: odd, so that it does not stay in step with the rows.
int64_t step_between(const graph::Shape& shape) {
  const int64_t step = inner_count(shape) / recipe::kBiasPositions;
  return step < 2 ? 1 : step | 1;
}

}  // namespace

int64_t place_count(const graph::Shape& shape) {
  const int64_t step = step_between(shape);
  return (inner_count(shape) + step - 1) / step;
}

std::vector<float> at_places(const StridedValues& values) {
  const std::span<const int64_t> shape(values.shape), strides(values.strides);
  std::vector<int64_t> places;
  for_every(shape.subspan(2), strides.subspan(2), step_between(values.shape),
            [&](int64_t offset) { places.push_back(offset); });
  std::vector<float> result(static_cast<size_t>(shape[1]) * places.size());
  values.typed([&](const auto* elements, float unit) {
    for (size_t place = 0; place < places.size(); ++place) {
      const auto* const pixel = elements + places[place];
      for (int64_t channel = 0; channel < shape[1]; ++channel)
        result[static_cast<size_t>(channel) * places.size() + place] =
            static_cast<float>(pixel[channel * strides[1]]) * unit;
    }
  });
  return result;
}

FloatOutputs::FloatOutputs(const graph::Graph& graph, const Feed& feed) {
  for (const graph::Node& node : graph.nodes) {
    if (operators::is_convolution(node)) wanted_.insert(node.outputs[0]);
  }
  for (size_t i = 0; i < feed.size(); ++i) kept_[feed.name(i)];
}

void FloatOutputs::add(const std::string& image, const engine::TensorData& tensor) {
  const auto found = kept_.find(image);
  if (found == kept_.end() || !wanted_.contains(tensor.tensor->name)) return;
  std::vector<float> values = at_places(tensor.values);
  Kept& kept = found->second[tensor.tensor->name];
  kept.count = values.size();
  if (const std::optional<int64_t> place = scratch_->write(values)) {
    kept.place = *place;
  } else {
    kept.values = std::move(values);
  }
}

bool FloatOutputs::covers(const Feed& feed) const {
  for (size_t i = 0; i < feed.size(); ++i) {
    const auto found = kept_.find(feed.name(i));
    if (found == kept_.end() || found->second.size() != wanted_.size()) return false;
  }
  return true;
}

std::vector<float> FloatOutputs::at(const std::string& image, const std::string& tensor) const {
  const Kept& kept = kept_.at(image).at(tensor);
  return kept.values.empty() ? scratch_->read(kept.place, kept.count) : kept.values;
}

FloatOutputs float_outputs(const graph::Graph& graph, const Feed& feed) {
  FloatOutputs outputs(graph, feed);
  FloatEngines(graph, feed)
      .observe<int>(
          feed.size(),
          [&](int&, size_t index, const engine::TensorData& tensor) {
            outputs.add(feed.name(index), tensor);
          },
          [](size_t, int&&) {});
  return outputs;
}

}  // namespace shrike::quantize
