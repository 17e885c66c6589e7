// Writes the corpus of fuzz_import: import_seeds DIRECTORY. Only needed when layers or operators are added.
#include <cstdio>
#include <exception>

#include "tests/import/pt_writer.h"
#include "tests/import/tflite_writer.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

// One layer and a classifier, with strides and shapes but without the weights that a pickle only names.
std::string checkpoint_root(CheckpointWriter& writer) {
  const auto conv = [&](int64_t in, int64_t out, int64_t k) {
    ModulePieces conv2d{"torch.nn.modules.conv", "Conv2d", {}, {}, {}, {}};
    conv2d.attributes = {{"in_channels", py::integer(in)},
                         {"stride", py::sizes({2, 2})},
                         {"padding", py::sizes({k / 2, k / 2})},
                         {"dilation", py::sizes({1, 1})},
                         {"groups", py::integer(1)}};
    conv2d.parameters = {
        {"weight", writer.tensor({out, in, k, k}, std::vector<float>(static_cast<size_t>(out * in * k * k)))},
        {"bias", py::none()}};
    ModulePieces block{"ultralytics.nn.modules.conv", "Conv", {}, {}, {}, {}};
    block.children = {{"conv", conv2d.piece()},
                      {"act", ModulePieces{"torch.nn.modules.activation", "SiLU", {}, {}, {}, {}}.piece()}};
    return block.piece();
  };
  ModulePieces linear{"torch.nn.modules.linear", "Linear", {}, {}, {}, {}};
  linear.parameters = {{"weight", writer.tensor({2, 2}, {1, 2, 3, 4})}};
  const ModulePieces pool{
      "torch.nn.modules.pooling", "AdaptiveAvgPool2d", {{"output_size", py::integer(1)}}, {}, {}, {}};
  ModulePieces head{"ultralytics.nn.modules.head", "Classify", {}, {}, {}, {}};
  head.children = {{"conv", conv(2, 2, 1)}, {"pool", pool.piece()}, {"linear", linear.piece()}};
  ModulePieces network{"torch.nn.modules.container", "Sequential", {}, {}, {}, {}};
  network.children = {{"0", conv(3, 2, 3)}, {"1", head.piece()}};
  ModulePieces model{
      "ultralytics.nn.tasks", "ClassificationModel", {{"names", py::list({py::text("cat")})}}, {}, {}, {}};
  model.children = {{"model", network.piece()}};
  return py::dict({{"model", model.piece()}});
}

std::string tflite() {
  TfliteWriter t;
  const int32_t x = t.tensor({1, 4, 4, 2});
  const int32_t c =
      t.op(3, {x, t.floats({2, 1, 1, 2}, {1, 2, 3, 4})}, {1, 4, 4, 2}, {{0, int8_t{0}}, {1, 1}, {2, 1}});
  const int32_t n = t.op(39, {c, t.integers({0, 3, 1, 2})}, {1, 2, 4, 4});
  const int32_t s =
      t.op(45, {n, t.integers({0, 0, 0, 0}), t.integers({0, 1, 0, 0}), t.integers({1, 1, 1, 1})},
           {1, 1, 4, 4}, {{0, 13}, {1, 13}});
  const int32_t r = t.op(22, {s, t.integers({1, 16})}, {1, 16});
  return t.bytes({x}, {t.op(9, {r, t.floats({1, 16}, std::vector<float>(16))}, {1, 1})});
}

}  // namespace
}  // namespace shrike::tests

int main(int count, char** arguments) try {
  using namespace shrike;
  if (count != 2) {
    std::fprintf(stderr, "usage: import_seeds DIRECTORY\n");
    return 2;
  }
  const std::string folder = arguments[1];
  tests::CheckpointWriter writer;
  const std::string root = tests::checkpoint_root(writer);
  write_file_atomically(folder + "/classifier.pt", writer.bytes(root));
  write_file_atomically(folder + "/classifier.pkl", tests::py::pickle(root));
  write_file_atomically(folder + "/small.tflite", tests::tflite());
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "import_seeds: %s\n", error.what());
  return 1;
}
