// A network of three convolutions, small enough that a whole quantisation takes about a second.
#pragma once
#include <string>

#include "tests/import/onnx_builder.h"

namespace shrike::tests {

inline std::string tiny_network() {
  const auto weights = [](size_t count, int seed) {
    Floats values;
    for (size_t i = 0; i < count; ++i)
      values.push_back(static_cast<float>((static_cast<int>(i) * 37 + seed) % 41 - 20) / 50.0f);
    return values;
  };
  OnnxBuilder builder;
  builder.input("x", {1, 3, 16, 16});
  builder.floats("w1", {4, 3, 3, 3}, weights(108, 1)).floats("b1", {4}, weights(4, 2));
  builder.floats("w2", {4, 4, 3, 3}, weights(144, 3)).floats("b2", {4}, weights(4, 4));
  builder.floats("w3", {2, 4, 1, 1}, weights(8, 5)).floats("b3", {2}, weights(2, 6));
  const std::vector<Attribute> padded = {{"pads", Ints{1, 1, 1, 1}}};
  builder.node("Conv", {"x", "w1", "b1"}, {"c1"}, padded).node("Relu", {"c1"}, {"r1"});
  builder.node("Conv", {"r1", "w2", "b2"}, {"c2"}, padded).node("Add", {"r1", "c2"}, {"s"});
  builder.node("Conv", {"s", "w3", "b3"}, {"y"}).output("y");
  return builder.bytes();
}

}  // namespace shrike::tests
