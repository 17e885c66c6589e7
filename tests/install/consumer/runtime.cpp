// Runs the model file that is named, feeds it a ramp and prints the sum of its first output's bytes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "shrike/model.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  std::ifstream stream(arguments[1], std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  struct alignas(64) Block {
    uint8_t bytes[64];
  };
  const size_t arena_blocks = (1 << 20) / sizeof(Block);
  const auto file = std::make_unique<Block[]>(bytes.size() / sizeof(Block) + 1);
  const auto arena = std::make_unique<Block[]>(arena_blocks);
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(file.get()));

  shrike::ModelOptions options;
  options.operators = &shrike::kAllOperators;
  options.kernels = &shrike::kPortableKernels;
  shrike::Model model;
  const shrike::Status loaded =
      model.load(file.get(), bytes.size(), arena.get(), arena_blocks * sizeof(Block), options);
  if (!loaded.ok()) return 1;
  const shrike::TensorView input = model.input(0);
  for (size_t i = 0; i < input.bytes; ++i)
    static_cast<uint8_t*>(input.data)[i] = static_cast<uint8_t>(i % 50);
  if (!model.run().ok()) return 1;
  const shrike::TensorView output = model.output(0);
  long sum = 0;
  for (size_t i = 0; i < output.bytes; ++i) sum += static_cast<const uint8_t*>(output.data)[i];
  std::printf("%d outputs, sum %ld\n", static_cast<int>(model.output_count()), sum);
  return 0;
}
