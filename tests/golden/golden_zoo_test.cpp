// Espressif's published models, run by the integer runtime, give the reference's outputs bit for bit: every
// run listed in golden/zoo/index.json, one test each. Then YOLO11n at 320x320 with the values embedded in its
// file.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tests/shared_data.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/files.h"
#include "toolchain/support/sha256.h"

namespace shrike {
namespace {

using Json = nlohmann::json;

const std::string kZoo = "golden/zoo/";

std::string zoo_path(const std::string& relative) {
  return tests::shared_root() + "/" + kZoo + relative;
}

// The runs of the index; empty when the shared data is missing (EveryRunIsListed then says so).
const Json& runs() {
  static const Json list = [] {
    if (!tests::has_shared(kZoo + "index.json")) return Json::array();
    return Json::parse(read_text(zoo_path("index.json"))).at("runs");
  }();
  return list;
}

std::vector<uint8_t> read_gzip(const std::string& path) {
  std::vector<uint8_t> bytes, piece(1 << 16);
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  int count = 0;
  while ((count = gzread(file, piece.data(), static_cast<unsigned>(piece.size()))) > 0) {
    bytes.insert(bytes.end(), piece.begin(), piece.begin() + count);
  }
  gzclose(file);
  if (count < 0) throw std::runtime_error("damaged gzip file " + path);
  return bytes;
}

// The generator stated at the top of the index.
uint64_t splitmix64(uint64_t& state) {
  state += 0x9E3779B97F4A7C15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::vector<uint8_t> generate(uint64_t& state, const TensorView& input) {
  std::vector<uint8_t> bytes;
  for (int64_t i = 0; i < input.shape.elements(); ++i) {
    const uint64_t value = splitmix64(state);
    for (uint32_t k = 0; k < size_of(input.type); ++k)
      bytes.push_back(static_cast<uint8_t>(value >> (8 * k)));
  }
  return bytes;
}

std::string type_name(DataType type) {
  switch (type) {
    case DataType::kInt8:
      return "int8";
    case DataType::kInt16:
      return "int16";
    case DataType::kFloat32:
      return "float32";
    default:
      return "other";
  }
}

std::vector<int64_t> dims(const TensorView& view) {
  return {view.shape.dims, view.shape.dims + view.shape.rank};
}

std::vector<uint8_t> bytes_of(const TensorView& view) {
  const uint8_t* data = static_cast<const uint8_t*>(view.data);
  return {data, data + view.bytes};
}

int32_t element(const std::vector<uint8_t>& bytes, DataType type, size_t index) {
  if (type == DataType::kInt8) return static_cast<int8_t>(bytes[index]);
  int16_t value = 0;
  std::memcpy(&value, &bytes[2 * index], 2);
  return value;
}

void fill_inputs(InspectableModel& model, const Json& run) {
  const Json& generator = run.at("input_generator");
  uint64_t state = generator.value("seed", uint64_t{0});
  ASSERT_EQ(model.input_count(), static_cast<int32_t>(run.at("inputs").size()));
  for (int32_t i = 0; i < model.input_count(); ++i) {
    const TensorView view = model.input(i);
    const Json& expected = run.at("inputs").at(static_cast<size_t>(i));
    const std::vector<uint8_t> bytes =
        generator.at("type") == "splitmix64"
            ? generate(state, view)
            : read_gzip(zoo_path(generator.at("quantised").get<std::string>()));
    ASSERT_EQ(bytes.size(), view.bytes);
    ASSERT_EQ(sha256(bytes.data(), bytes.size()), expected.at("sha256").get<std::string>())
        << "the test's own input generator";
    ASSERT_EQ(view.exponent, expected.at("exponent").get<int>());
    std::memcpy(view.data, bytes.data(), bytes.size());
  }
}

// Returns the number of elements compared.
int64_t expect_output(const TensorView& view, const Json& expected) {
  const std::string name = expected.at("name");
  SCOPED_TRACE("output " + name);
  EXPECT_NE(view.type, DataType::kUndefined);
  if (view.type == DataType::kUndefined) return 0;
  EXPECT_EQ(type_name(view.type), expected.at("dtype").get<std::string>());
  EXPECT_EQ(dims(view), expected.at("shape").get<std::vector<int64_t>>());
  EXPECT_EQ(view.exponent, expected.at("exponent").get<int>());
  const std::vector<uint8_t> bytes = bytes_of(view);
  EXPECT_EQ(sha256(bytes.data(), bytes.size()), expected.at("sha256").get<std::string>());
  const std::vector<int32_t> first = expected.at("first16");
  for (size_t i = 0; i < first.size(); ++i)
    EXPECT_EQ(element(bytes, view.type, i), first[i]) << "element " << i;
  if (expected.contains("raw") && expected.at("raw").is_string()) {
    const std::vector<uint8_t> raw = read_file(zoo_path(expected.at("raw").get<std::string>()));
    EXPECT_EQ(raw.size(), bytes.size());
    int64_t different = 0;
    for (size_t i = 0; i < raw.size() && i < bytes.size(); ++i) different += raw[i] != bytes[i];
    EXPECT_EQ(different, 0) << "bytes that differ";
  }
  return view.shape.elements();
}

std::string run_name(size_t index) {
  const Json& run = runs().at(index);
  const std::string file = run.at("file");
  std::string name = file.substr(file.rfind('/') + 1);
  name = name.substr(0, name.rfind('.')) + "_" + run.at("input_generator").at("id").get<std::string>();
  for (char& letter : name) {
    if (!std::isalnum(static_cast<unsigned char>(letter))) letter = '_';
  }
  return name;
}

class Zoo : public testing::TestWithParam<size_t> {};

void expect_reference(const Json& run, const host::IntegerOptions& options) {
  host::IntegerModel owner = host::IntegerModel::open(zoo_path(run.at("file").get<std::string>()), options);
  SCOPED_TRACE(owner.isa());
  InspectableModel& model = owner.model();
  ASSERT_NO_FATAL_FAILURE(fill_inputs(model, run));
  owner.run();
  int64_t elements = 0;
  for (const Json& expected : run.at("outputs")) {
    elements += expect_output(model.output(expected.at("name").get<std::string>().c_str()), expected);
  }
  ASSERT_EQ(model.output_count(), static_cast<int32_t>(run.at("outputs").size()));
  if (run.at("target") == "esp32s3") {
    EXPECT_EQ(model.saturated_accumulators(), run.at("saturated_lanes").get<uint64_t>());
  } else {  // the index counts every cut of an accumulator there
    EXPECT_EQ(model.saturated_multiply_adds(), run.at("saturated_lanes").get<uint64_t>());
  }
  std::cout << "  " << owner.isa() << ", " << options.threads << " threads: " << model.output_count()
            << " outputs, " << elements << " elements compared, " << model.saturated_accumulators()
            << " saturated accumulators\n";
}

TEST_P(Zoo, OutputsEqualTheReference) {
  const Json& run = runs().at(GetParam());
  host::IntegerOptions options;
  options.target = run.at("target");
  options.threads = 3;
  expect_reference(run, options);
  options.threads = 1;
  options.isa = "portable";
  expect_reference(run, options);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Zoo);
INSTANTIATE_TEST_SUITE_P(, Zoo, testing::Range(size_t{0}, runs().size()),
                         [](const testing::TestParamInfo<size_t>& info) { return run_name(info.param); });

TEST(ZooIndex, EveryRunIsListed) {
  SHRIKE_NEEDS_SHARED("golden/zoo/index.json");
  EXPECT_EQ(runs().size(), 66u);
}

class Net : public testing::TestWithParam<const char*> {};

TEST_P(Net, EmbeddedOutputsAreReproduced) {
  const std::string file = std::string("golden/net/yolo11n_320_") + GetParam() + "_s8.espdl";
  SHRIKE_NEEDS_SHARED(file);
  host::IntegerOptions options;
  options.target = GetParam();
  options.keep = KeepTensors::kAll;
  host::IntegerModel owner = host::IntegerModel::open(tests::shared_root() + "/" + file, options);
  InspectableModel& model = owner.model();
  ASSERT_EQ(model.test_input_count(), model.input_count());
  for (int32_t i = 0; i < model.test_input_count(); ++i) {
    const TensorView from = model.test_input(i);
    const TensorView to = model.variable(std::string(from.name.data, from.name.size).c_str());
    ASSERT_EQ(from.bytes, to.bytes);
    std::memcpy(to.data, from.data, from.bytes);
  }
  owner.run();
  EXPECT_EQ(model.test_output_count(), 6);
  for (int32_t i = 0; i < model.test_output_count(); ++i) {
    const TensorView expected = model.test_output(i);
    const TensorView actual = model.variable(std::string(expected.name.data, expected.name.size).c_str());
    SCOPED_TRACE(std::string(expected.name.data, expected.name.size));
    EXPECT_EQ(actual.type, expected.type);
    EXPECT_EQ(actual.exponent, expected.exponent);
    EXPECT_EQ(dims(actual), dims(expected));
    EXPECT_TRUE(bytes_of(actual) == bytes_of(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(, Net, testing::Values("esp32p4", "esp32s3"),
                         [](const testing::TestParamInfo<const char*>& info) {
                           return std::string(info.param);
                         });

}  // namespace
}  // namespace shrike
