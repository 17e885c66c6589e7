// Networks as people might build them, put together at random: convolutions of every kind with activations of
// every kind, what moves, joins and cuts channels between them, gates, attention, and outputs wherever
// nothing reads on.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/import/onnx_builder.h"
#include "toolchain/support/random.h"

namespace shrike::tests {

class RandomNetwork {
 public:
  explicit RandomNetwork(uint64_t seed) : random_(seed) {
    const int64_t channels = below(2) == 0 ? 1 : 3, height = 8 + 2 * below(4), width = 8 + 2 * below(4);
    input_ = {1, channels, height, width};
    builder_.input("x", input_);
    maps_.push_back({"x", channels, height, width, true});
    put(activated(convolution(maps_[0], 16, 3, 1, 1)));
    for (int64_t left = 3 + below(10); left > 0; --left) step();
    maps_.back().read = false;  // there is an output
    for (const Map& map : maps_) {
      if (!map.read) finish(map);
    }
  }

  std::string bytes() const { return builder_.bytes(); }
  const Ints& input() const { return input_; }

 private:
  struct Map {
    std::string name;
    int64_t channels = 0, height = 0, width = 0;
    bool read = false;
  };

  int64_t below(int64_t limit) { return static_cast<int64_t>(random_.below(static_cast<uint64_t>(limit))); }
  float normal() {
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += random_.uniform(-0.5, 0.5);
    return static_cast<float>(sum);
  }
  std::string fresh() { return "t" + std::to_string(next_++); }
  std::string numbers(const Ints& shape, float mean, float deviation) {
    int64_t count = 1;
    for (const int64_t dim : shape) count *= dim;
    Floats values(static_cast<size_t>(count));
    for (float& value : values) value = mean + deviation * normal();
    const std::string name = fresh() + "_constant";
    builder_.floats(name, shape, values);
    return name;
  }
  std::string integers(const Ints& values) {
    const std::string name = fresh() + "_integers";
    builder_.integers(name, values);
    return name;
  }

  void put(Map map) { maps_.push_back(std::move(map)); }
  // One of the last few maps most of the time.
  Map& any() {
    const auto count = static_cast<int64_t>(maps_.size());
    const int64_t back = below(4) == 0 ? below(count) : below(std::min<int64_t>(count, 3));
    Map& map = maps_[static_cast<size_t>(count - 1 - back)];
    map.read = true;
    return map;
  }
  Map node(const std::string& op, const std::vector<std::string>& inputs, Map like,
           const std::vector<Attribute>& attributes = {}) {
    like.name = fresh();
    like.read = false;
    builder_.node(op, inputs, {like.name}, attributes);
    return like;
  }

  // Filters of unlike sizes, as training leaves them.
  Map convolution(const Map& map, int64_t outputs, int64_t kernel, int64_t stride, int64_t groups) {
    const int64_t taps = map.channels / groups * kernel * kernel;
    Floats weights;
    for (int64_t filter = 0; filter < outputs; ++filter) {
      const float size = std::exp(0.5f * normal()) / std::sqrt(static_cast<float>(taps));
      for (int64_t tap = 0; tap < taps; ++tap) weights.push_back(size * normal());
    }
    const std::string name = fresh() + "_weights";
    builder_.floats(name, {outputs, map.channels / groups, kernel, kernel}, weights);
    std::vector<std::string> inputs = {map.name, name};
    if (below(5) != 0) inputs.push_back(numbers({outputs}, 0, 0.3f));
    Map result = map;
    result.channels = outputs;
    result.height = (map.height + stride - 1) / stride;
    result.width = (map.width + stride - 1) / stride;
    return node("Conv", inputs, result,
                {{"strides", Ints{stride, stride}},
                 {"pads", Ints(4, kernel / 2)},
                 {"kernel_shape", Ints{kernel, kernel}},
                 {"group", groups}});
  }

  Map activated(const Map& map) {
    switch (below(10)) {
      case 0:
        return map;
      case 1:
        return node("Sigmoid", {map.name}, map);
      case 2:
        return node("Tanh", {map.name}, map);
      case 3:
        return node("LeakyRelu", {map.name}, map, {{"alpha", 0.1f}});
      case 4:
        return node("HardSwish", {map.name}, map);
      case 5:
        return node("Clip", {map.name, numbers({}, 0, 0), numbers({}, 6, 0)}, map);
      case 6:
        return node("PRelu", {map.name, numbers({below(2) == 0 ? 1 : map.channels, 1, 1}, 0.2f, 0.05f)}, map);
      case 7:
        return node("Mul", {map.name, node("Sigmoid", {map.name}, map).name}, map);
      default:
        return node("Relu", {map.name}, map);
    }
  }

  void step() {
    static constexpr void (RandomNetwork::*kSteps[])() = {
        &RandomNetwork::dense,   &RandomNetwork::dense, &RandomNetwork::dense,    &RandomNetwork::depthwise,
        &RandomNetwork::grouped, &RandomNetwork::split, &RandomNetwork::concat,   &RandomNetwork::concat,
        &RandomNetwork::join,    &RandomNetwork::join,  &RandomNetwork::gate,     &RandomNetwork::attention,
        &RandomNetwork::shuffle, &RandomNetwork::move,  &RandomNetwork::resample, &RandomNetwork::constant};
    (this->*kSteps[below(std::size(kSteps))])();
  }
  void dense() {
    static constexpr int64_t kWidths[] = {7, 8, 16, 24, 32, 48};
    const Map& map = any();
    const int64_t stride = map.height > 4 && map.width > 4 && below(4) == 0 ? 2 : 1;
    put(activated(convolution(map, kWidths[below(6)], below(2) == 0 ? 1 : 3, stride, 1)));
  }
  void depthwise() {
    const Map& map = any();
    put(activated(convolution(map, map.channels, 3, 1, map.channels)));
  }
  void grouped() {
    const Map& map = any();
    const int64_t groups = map.channels % 4 == 0 ? 4 : 1;
    put(activated(convolution(map, 8 * groups, 3, 1, groups)));
  }
  void split() {
    const Map map = any();
    if (map.channels < 2) return;
    Map first = map, second = map;
    first.channels = map.channels / 2;
    second.channels = map.channels - first.channels;
    first.name = fresh();
    second.name = fresh();
    first.read = second.read = false;
    builder_.node("Split", {map.name, integers({first.channels, second.channels})}, {first.name, second.name},
                  {{"axis", int64_t{1}}});
    put(first);
    put(second);
  }
  void concat() {
    Map joined = any();
    std::vector<std::string> inputs = {joined.name};
    for (Map& other : maps_) {
      if (other.height != joined.height || other.width != joined.width || joined.channels > 100 ||
          below(2) == 0)
        continue;
      other.read = true;
      inputs.push_back(other.name);
      joined.channels += other.channels;
    }
    if (below(4) == 0) {
      inputs.push_back(numbers({1, 4, joined.height, joined.width}, 0, 1));
      joined.channels += 4;
    }
    if (inputs.size() > 1) put(node("Concat", inputs, joined, {{"axis", int64_t{1}}}));
  }
  void join() {
    static const std::string kOps[] = {"Add", "Add", "Sub", "Max", "Min", "Mul"};
    const Map map = any();
    const Map other = activated(convolution(map, map.channels, 3, 1, 1));
    put(node(kOps[below(6)], {map.name, other.name}, map));
  }
  void gate() {
    const Map map = any();
    Map pooled = map;
    pooled.height = pooled.width = 1;
    pooled = node("GlobalAveragePool", {map.name}, pooled);
    const Map inner = convolution(pooled, 8, 1, 1, 1);
    const Map outer = convolution(node("Relu", {inner.name}, inner), map.channels, 1, 1, 1);
    put(node("Mul", {map.name, node("Sigmoid", {outer.name}, outer).name}, map));
  }
  void attention() {
    const Map map = any();
    if (map.height * map.width > 100) return;
    const std::string rows = integers({1, -1, map.height * map.width});
    const auto flat = [&](const Map& from) { return node("Reshape", {from.name, rows}, map).name; };
    const std::string query = flat(convolution(map, 16, 1, 1, 1)), key = flat(convolution(map, 16, 1, 1, 1)),
                      value = flat(convolution(map, map.channels, 1, 1, 1));
    const Attribute swap = {"perm", Ints{0, 2, 1}};
    const std::string scores = node("MatMul", {node("Transpose", {query}, map, {swap}).name, key}, map).name;
    const std::string scaled = node("Mul", {scores, numbers({}, 0.25f, 0)}, map).name;
    const std::string shares = node("Softmax", {scaled}, map, {{"axis", int64_t{2}}}).name;
    const std::string mixed =
        node("MatMul", {value, node("Transpose", {shares}, map, {swap}).name}, map).name;
    put(node("Reshape", {mixed, integers({1, map.channels, map.height, map.width})}, map));
  }
  void shuffle() {
    const Map map = any();
    const int64_t groups = map.channels % 2 == 0 ? 2 : 1;
    const std::string apart =
        node("Reshape", {map.name, integers({1, groups, map.channels / groups, map.height, map.width})}, map)
            .name;
    const std::string moved = node("Transpose", {apart}, map, {{"perm", Ints{0, 2, 1, 3, 4}}}).name;
    put(node("Reshape", {moved, integers({1, map.channels, map.height, map.width})}, map));
  }
  void move() {
    Map map = any(), result = map;
    switch (below(5)) {
      case 0:
        return put(node("Slice",
                        {map.name, integers({-1}), integers({std::numeric_limits<int64_t>::min()}),
                         integers({1}), integers({-1})},
                        map));
      case 1: {
        Ints places;
        for (int64_t i = 0; i < map.channels; ++i) places.push_back((5 * i + 3) % map.channels);
        return put(node("Gather", {map.name, integers(places)}, map, {{"axis", int64_t{1}}}));
      }
      case 2:
        std::swap(result.height, result.width);
        return put(node("Transpose", {map.name}, result, {{"perm", Ints{0, 1, 3, 2}}}));
      case 3:
        std::swap(result.channels, result.height);
        return put(node("Transpose", {map.name}, result, {{"perm", Ints{0, 2, 1, 3}}}));
      default:
        result.height += 2;
        result.width += 2;
        return put(node("Pad", {map.name, integers({0, 0, 1, 1, 0, 0, 1, 1})}, result));
    }
  }
  void resample() {
    Map map = any(), result = map;
    if (below(2) == 0) {
      return put(node(below(2) == 0 ? "MaxPool" : "AveragePool", {map.name}, map,
                      {{"kernel_shape", Ints{3, 3}}, {"pads", Ints(4, 1)}, {"strides", Ints{1, 1}}}));
    }
    if (map.height > 10 || map.width > 10) return;
    result.height *= 2;
    result.width *= 2;
    const std::string scales = fresh() + "_scales";
    builder_.floats(scales, {4}, {1, 1, 2, 2});
    put(node("Resize", {map.name, "", scales}, result,
             {{"mode", std::string(below(2) == 0 ? "nearest" : "linear")},
              {"coordinate_transformation_mode", std::string("asymmetric")},
              {"nearest_mode", std::string("floor")}}));
  }
  void constant() {
    const Map map = any();
    put(node(below(2) == 0 ? "Mul" : "Add",
             {map.name, numbers(below(2) == 0 ? Ints{} : Ints{1, map.channels, 1, 1}, 1, 0.3f)}, map));
  }

  void finish(const Map& map) {
    if (below(3) == 0) {
      Map pooled = map;
      pooled.height = pooled.width = 1;
      const std::string flat =
          node("Flatten", {node("GlobalAveragePool", {map.name}, pooled).name}, map).name;
      const std::string weights =
          numbers({5, map.channels}, 0, 1 / std::sqrt(static_cast<float>(map.channels)));
      builder_.output(node("Gemm", {flat, weights}, map, {{"transB", int64_t{1}}}).name);
    } else {
      builder_.output(convolution(map, 6, 1, 1, 1).name);
    }
  }

  Random random_;
  OnnxBuilder builder_{13};
  Ints input_;
  std::vector<Map> maps_;
  int next_ = 0;
};

}  // namespace shrike::tests
