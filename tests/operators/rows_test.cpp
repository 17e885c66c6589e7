// Every row of the operator table, driven from an ONNX file through the quantiser and the integer runtime on
// every chip and at both widths, and compared with the float engine. A row that stops half way (no case here,
// no function in the engine, no lowering, no runtime operator) fails.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "runtime/chips/chip.h"
#include "runtime/ops/op.h"
#include "tests/operators/cases.h"
#include "toolchain/data/image.h"
#include "toolchain/operators/operator.h"
#include "toolchain/pipeline/quantize.h"

namespace shrike {
namespace {

using operators::Operator;

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("shrike_rows_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path_ / "pictures");
    uint32_t state = 1;
    for (int i = 0; i < 3; ++i) {
      data::Image image{8, 8, std::vector<uint8_t>(8 * 8 * 3)};
      for (uint8_t& value : image.pixels)
        value = static_cast<uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
      data::save_image(image, pictures() + "/" + std::to_string(i) + ".png");
    }
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string pictures() const { return (path_ / "pictures").string(); }
  std::string model(const std::string& bytes) const {
    const std::string file = (path_ / "model.onnx").string();
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }

 private:
  std::filesystem::path path_;
};

const Folder& folder() {
  static const Folder kFolder;
  return kFolder;
}

quantize::Settings settings_for(Target target, int bits) {
  quantize::Settings settings;
  settings.target = target;
  settings.bits = bits;
  settings.outputs = {"y"};
  settings.input.geometry = data::Geometry::kStretch;
  settings.threads = 1;
  return settings;
}

double noise_of(const std::string& file, Target target, int bits) {
  const quantize::Result result =
      quantize::quantize(file, folder().pictures(), settings_for(target, bits), [](auto&&...) {});
  EXPECT_EQ(result.output_noise.size(), 1u);
  return result.output_noise.at(0);
}

// Noise to signal that a network of three or four roundings has. At 8 bit a tensor that fills half of its
// range loses 1/12 of a squared step against a power of about 30^2 steps: 1e-4; powers of two waste up to a
// bit and a convolution in front adds its weights: 4e-3 covers it. At 16 bit the same is 65536 times less,
// but activations come from coarse tables (spec/numerics.md 9.2), 32 inputs an entry: 1e-5.
constexpr double kNoise8 = 4e-3, kNoise16 = 1e-5;

// Operators whose result moves by more than their input: a step, a pole, or a difference of large numbers.
double gain(const std::string& op) {
  static const std::map<std::string, double> kGains = {
      {"Ceil", 20},  {"Floor", 20}, {"Round", 20}, {"Sign", 20},       {"Mod", 20},  {"ThresholdedRelu", 4},
      {"Shrink", 4}, {"Cosh", 4},   {"Sinh", 4},   {"ReduceProd", 10}, {"Acosh", 4}, {"Exp", 4},
  };
  const auto found = kGains.find(op);
  return found == kGains.end() ? 1 : found->second;
}

bool has_width(const Operator& row, int bits) {
  return bits == 8 ? row.support.int8 : row.support.int16;
}

class EveryRow : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryRow, IsQuantisedForEveryChipAndWidthWithTheNoiseOfItsFormats) {
  const Operator& row = *operators::find(GetParam());
  const auto [first, last] = tests::row_cases().equal_range(row.name);
  ASSERT_NE(first, last) << row.name << " is a row, but tests/operators/cases.cpp has no network with it";
  int number = 0;
  for (auto item = first; item != last; ++item, ++number) {
    const std::string file = folder().model(tests::model_of(item->second).bytes());
    for (const Target target : {Target::kEsp32p4, Target::kEsp32s3, Target::kEsp32}) {
      for (const int bits : {8, 16}) {
        SCOPED_TRACE(fmt::format("case {} on {} at {} bit", number, chip_of(target).name, bits));
        if (row.on_chip() && !has_width(row, bits))
          continue;  // the quantiser keeps it at the width that there is
        double noise = 1;
        ASSERT_NO_THROW(noise = noise_of(file, target, bits));
        EXPECT_LE(noise, gain(row.name) * (bits == 8 ? kNoise8 : kNoise16));
      }
    }
  }
}

// What rescaling may give a scale and what is written as a table is one fact: a 16-bit layer with a function
// that the chip computes per element keeps its function.
TEST(WideLayers, WithoutATableComputeTheSameFunction) {
  for (const char* op : {"Exp", "Sqrt", "Log", "Tanh", "Softplus"}) {
    const std::string file = folder().model(tests::model_of(tests::row_cases().find(op)->second).bytes());
    for (const Target target : {Target::kEsp32p4, Target::kEsp32s3}) {
      quantize::Settings settings = settings_for(target, 8);
      settings.int16_layers = {"n_x", "n_y"};
      const quantize::Result result =
          quantize::quantize(file, folder().pictures(), settings, [](auto&&...) {});
      EXPECT_LE(result.output_noise.at(0), 1e-3)
          << op << " on " << chip_of(target).name;  // the picture has 8 bits
    }
  }
}

std::vector<std::string> supported() {
  std::vector<std::string> names;
  for (const Operator* row : operators::all()) {
    const bool helper = row->role == operators::Role::kConversion || std::string(row->name) == "InsertZeros";
    if (!helper && (row->on_chip() || row->rewrite != nullptr)) names.push_back(row->name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Rows, EveryRow, ::testing::ValuesIn(supported()),
                         [](const auto& info) { return info.param; });

TEST(OperatorTable, NamesTheRuntimesOperators) {
  std::set<std::string> runtime, table;
  for (int32_t i = 0; i < kAllOperators.count; ++i) runtime.insert(kAllOperators.operators[i]->type);
  for (const Operator* row : operators::all()) {
    if (!row->on_chip()) continue;
    for (const int bits : {8, 16}) {
      if (has_width(*row, bits)) table.insert(operators::runtime_operator(*row, bits));
    }
  }
  for (const std::string& op : table)
    EXPECT_TRUE(runtime.contains(op)) << op << " is written, but nothing runs it";
  for (const std::string& op : runtime) {
    EXPECT_NE(op == "LUT" ? operators::find("Erf") : operators::find(op), nullptr)
        << op << " runs, but has no row";
  }
}

}  // namespace
}  // namespace shrike
