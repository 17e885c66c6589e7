// A small float network and the file made from it with formats given by hand.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "toolchain/analyze/analyze.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/formats/materialize.h"
#include "toolchain/graph/graph.h"

namespace shrike::analyze::tests {

inline constexpr int64_t kSize = 64;

inline void add_tensor(graph::Graph& graph, const std::string& name, const graph::Shape& shape,
                       std::vector<float> values = {}) {
  graph::Tensor tensor;
  tensor.name = name;
  tensor.shape = shape;
  tensor.constant = !values.empty();
  tensor.values = std::move(values);
  graph.tensors[name] = std::move(tensor);
}

// images [1,3,64,64] -> 1x1 Conv "first" -> "middle" -> 1x1 Conv "second" -> "second" is the output. Every
// channel is passed on as it is times `gain`: a power of two has no weight error.
inline graph::Graph two_convolutions(float first_gain, float second_gain) {
  graph::Graph graph;
  graph.name = "small";
  graph.inputs = {"images"};
  graph.outputs = {"out"};
  add_tensor(graph, "images", {1, 3, kSize, kSize});
  const auto conv = [&](const std::string& name, const std::string& from, const std::string& to, float gain) {
    std::vector<float> weights(9, 0.0f);
    for (size_t i = 0; i < 3; ++i) weights[i * 4] = gain;
    add_tensor(graph, name + ".weight", {3, 3, 1, 1}, weights);
    add_tensor(graph, name + ".bias", {3}, {0.0f, 0.0f, 0.0f});
    add_tensor(graph, to, {1, 3, kSize, kSize});
    graph::Node node;
    node.name = name;
    node.op = "Conv";
    node.inputs = {from, name + ".weight", name + ".bias"};
    node.outputs = {to};
    node.attributes = {{"strides", std::vector<int64_t>{1, 1}},
                       {"dilations", std::vector<int64_t>{1, 1}},
                       {"pads", std::vector<int64_t>{0, 0, 0, 0}},
                       {"kernel_shape", std::vector<int64_t>{1, 1}},
                       {"group", int64_t{1}}};
    graph.nodes.push_back(node);
  };
  conv("first", "images", "middle", first_gain);
  conv("second", "middle", "out", second_gain);
  graph::check(graph);
  return graph;
}

struct Exponents {
  int images = -7, middle = -7, out = -7;
};

// Weights at 2^-6, rounded to nearest.
inline std::vector<uint8_t> write_file(const graph::Graph& graph, const Exponents& exponents) {
  quantize::Plan plan;
  plan.formats["images"] = {8, exponents.images, {}};
  plan.formats["middle"] = {8, exponents.middle, {}};
  plan.formats["out"] = {8, exponents.out, {}};
  if (graph.tensors.contains("activated")) plan.formats["activated"] = {8, exponents.middle, {}};
  for (const graph::Node& node : graph.nodes) {
    if (node.op != "Conv") continue;
    quantize::WeightCode code;
    for (const float w : graph.tensor(node.inputs[1]).values)
      code.integers.push_back(std::lround(std::ldexp(w, 6)));
    code.format = {8, -6, {}};
    code.bias = {0.0f, 0.0f, 0.0f};
    plan.weights[node.name] = code;
  }
  return espdl::serialize(
      espdl::lower(quantize::materialize(graph, plan, Target::kEsp32p4), Target::kEsp32p4));
}

// Values spread evenly over [low, high), different in every image.
inline Samples even_images(size_t count, float low, float high) {
  return {count, [low, high](size_t index) -> std::map<std::string, engine::Array> {
            std::vector<float> values(3 * kSize * kSize);
            double position = 0.1234 + 0.01 * static_cast<double>(index);
            for (float& value : values) {
              position += 0.618033988749895;  // the golden ratio fills an interval evenly
              position -= std::floor(position);
              value = low + (high - low) * static_cast<float>(position);
            }
            return {{"images", {{1, 3, kSize, kSize}, std::move(values)}}};
          }};
}

inline Analysis run(const graph::Graph& graph, const std::vector<uint8_t>& file, const Samples& samples,
                    const Options& options = {}) {
  return analyze(graph, file, "small.espdl", samples, options, [](size_t, size_t) {});
}

}  // namespace shrike::analyze::tests
