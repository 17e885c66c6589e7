// Every small model under golden/ops/ gives the outputs embedded in it: at 8 bit without one difference; at
// 16 bit at most one unit apart, and only where a network contains an operator whose embedded values come
// from a simulation that differs from the chips (spec/numerics.md 14.1, 17). Each file runs with the portable
// kernels on one thread and with the machine's best kernels on several. The repository holds one file an
// operator, chip and width; the shared folder holds all of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "tests/shared_data.h"
#include "toolchain/host/integer_model.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;

// 16-bit operators that the simulation computes in float32 (Conv family, Mul), with other constants or ulps
// (HardSwish, sigmoids), with another rounding (PRelu, Div), or as floats (Softmax, normalisation and what
// follows).
const std::set<std::string> kSimulatedAtSixteenBits = {"Conv",
                                                       "Gemm",
                                                       "MatMul",
                                                       "Mul",
                                                       "HardSwish",
                                                       "Sigmoid",
                                                       "Swish",
                                                       "Tanh",
                                                       "Exp",
                                                       "Elu",
                                                       "PRelu",
                                                       "Div",
                                                       "Softmax",
                                                       "LogSoftmax",
                                                       "LayerNormalization",
                                                       "RMSNormalization",
                                                       "LpNormalization",
                                                       "HardSigmoid"};
// Softmax and LogSoftmax results are floats (spec/numerics.md 10: at most 2e-6 apart).
constexpr double kFloatTolerance = 2e-6;

struct Comparison {
  int64_t values = 0;
  int64_t different = 0;
  double largest = 0;
  std::string first;
};

double value_at(const TensorView& view, int64_t index) {
  switch (view.type) {
    case DataType::kFloat32:
      return static_cast<const float*>(view.data)[index];
    case DataType::kInt16:
      return static_cast<const int16_t*>(view.data)[index];
    case DataType::kInt8:
      return static_cast<const int8_t*>(view.data)[index];
    case DataType::kBool:
      return static_cast<const uint8_t*>(view.data)[index];
    default:
      ADD_FAILURE() << "unexpected output type " << static_cast<int>(view.type);
      return NAN;
  }
}

std::string to_string(Text text) {
  return {text.data, text.size};
}

void compare(const TensorView& expected, const TensorView& got, Comparison* result) {
  const std::string name = to_string(expected.name);
  ASSERT_EQ(expected.type, got.type) << name;
  ASSERT_EQ(expected.shape, got.shape) << name;
  ASSERT_EQ(expected.exponent, got.exponent) << name;
  const double tolerance = expected.type == DataType::kFloat32 ? kFloatTolerance : 0;
  for (int64_t i = 0; i < expected.shape.elements(); ++i) {
    const double difference = std::abs(value_at(expected, i) - value_at(got, i));
    ++result->values;
    const bool both_nan =
        std::isnan(value_at(expected, i)) && std::isnan(value_at(got, i));  // Sqrt, Log below 0
    if (difference <= tolerance || both_nan) continue;
    if (result->different++ == 0) {
      result->first = name + "[" + std::to_string(i) + "]: expected " +
                      std::to_string(value_at(expected, i)) + ", got " + std::to_string(value_at(got, i));
    }
    result->largest = std::max(result->largest, difference);
  }
}

std::set<std::string> operator_types(const InspectableModel& model) {
  std::set<std::string> types;
  for (int32_t i = 0; i < model.node_count(); ++i) types.insert(to_string(model.node_type(i)));
  return types;
}

// Runs the embedded inputs and compares every embedded output.
Comparison run_embedded(const std::string& path, const host::IntegerOptions& options,
                        std::set<std::string>* types) {
  Comparison result;
  host::IntegerModel hosted = host::IntegerModel::open(path, options);
  InspectableModel& model = hosted.model();
  *types = operator_types(model);
  EXPECT_EQ(model.test_input_count(), model.input_count()) << path;
  EXPECT_GE(model.test_output_count(), 1) << path;
  for (int32_t i = 0; i < model.test_input_count(); ++i) {
    const TensorView from = model.test_input(i);
    const TensorView to = model.variable(to_string(from.name).c_str());
    EXPECT_EQ(from.bytes, to.bytes) << path;
    if (from.bytes != to.bytes) return result;
    std::copy_n(static_cast<const uint8_t*>(from.data), from.bytes, static_cast<uint8_t*>(to.data));
  }
  hosted.run();
  for (int32_t i = 0; i < model.test_output_count(); ++i) {
    const TensorView expected = model.test_output(i);
    compare(expected, model.variable(to_string(expected.name).c_str()), &result);
  }
  return result;
}

struct Configuration {
  const char* isa;
  int threads;
};
constexpr Configuration kConfigurations[] = {{"portable", 1}, {"", 3}};

struct Totals {
  int files = 0;
  int64_t values = 0, different = 0;
};

void check_file(const std::string& path, const std::string& target, bool wide, Totals* totals) {
  SCOPED_TRACE(path);
  for (const Configuration& configuration : kConfigurations) {
    SCOPED_TRACE(std::string("kernels ") + configuration.isa);
    host::IntegerOptions options;
    options.target = target;
    options.isa = configuration.isa;
    options.threads = configuration.threads;
    options.keep = KeepTensors::kAll;
    Comparison result;
    std::set<std::string> types;
    try {
      result = run_embedded(path, options, &types);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
      return;
    }
    EXPECT_GT(result.values, 0);
    const bool simulated = std::any_of(types.begin(), types.end(), [](const std::string& type) {
      return kSimulatedAtSixteenBits.count(type) > 0;
    });
    if (wide && simulated) {
      EXPECT_LE(result.largest, 1) << result.first;
      if (result.different > 0) {
        std::cout << "  " << fs::path(path).filename().string() << " [" << configuration.isa
                  << "]: " << result.different << " of " << result.values
                  << " values one unit from the simulation\n";
      }
    } else {
      EXPECT_EQ(result.different, 0) << result.first;
    }
    totals->values += result.values;
    totals->different += result.different;
  }
  ++totals->files;
}

std::vector<std::string> models_under(const std::string& root) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".espdl") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

struct Folder {
  const char* name;
  const char* target;
  bool wide;
  int in_tree;  // files in the repository's golden/ops: none may be skipped
  int shared;   // files in the shared golden/ops
};

constexpr Folder kFolders[] = {
    {"c_8", "esp32", false, 36, 181},
    {"esp32s3_8", "esp32s3", false, 48, 198},
    {"esp32p4_8", "esp32p4", false, 32, 135},
    {"esp32p4_16", "esp32p4", true, 36, 155},
};

void PrintTo(const Folder& folder, std::ostream* out) {
  *out << folder.name;
}

void check_folder(const std::string& root, const Folder& folder, int files) {
  Totals totals;
  for (const std::string& path : models_under(root + "/golden/ops/" + folder.name))
    check_file(path, folder.target, folder.wide, &totals);
  EXPECT_EQ(totals.files, files);
  std::cout << folder.name << ": " << totals.files << " files, " << totals.values << " values, "
            << totals.different << " different\n";
}

class GoldenOps : public testing::TestWithParam<Folder> {};

TEST_P(GoldenOps, EveryFileOfTheRepositoryGivesItsEmbeddedOutputs) {
  check_folder(SHRIKE_SOURCE_DIR, GetParam(), GetParam().in_tree);
}

TEST_P(GoldenOps, EverySharedFileGivesItsEmbeddedOutputs) {
  SHRIKE_NEEDS_SHARED(std::string("golden/ops/") + GetParam().name);
  check_folder(tests::shared_root(), GetParam(), GetParam().shared);
}

INSTANTIATE_TEST_SUITE_P(Folders, GoldenOps, testing::ValuesIn(kFolders),
                         [](const testing::TestParamInfo<Folder>& info) {
                           return std::string(info.param.name);
                         });

class GoldenNet : public testing::TestWithParam<const char*> {};

TEST_P(GoldenNet, GivesItsEmbeddedOutputs) {
  const std::string target = GetParam();
  const std::string relative = "golden/net/yolo11n_320_" + target + "_s8.espdl";
  SHRIKE_NEEDS_SHARED(relative);
  Totals totals;
  check_file(tests::shared_root() + "/" + relative, target, false, &totals);
  EXPECT_EQ(totals.files, 1);
  std::cout << "yolo11n_320 " << target << ": " << totals.values << " values, " << totals.different
            << " different\n";
}

INSTANTIATE_TEST_SUITE_P(Targets, GoldenNet, testing::Values("esp32p4", "esp32s3"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.param);
                         });

}  // namespace
}  // namespace shrike
