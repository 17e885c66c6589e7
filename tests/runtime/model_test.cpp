// Model: what load() derives, accepts and refuses, and what the views show.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ops/op.h"
#include "shrike/inspect.h"
#include "shrike/operators.h"
#include "tests/espdl/maker.h"
#include "tests/runtime/model_file.h"
#include "tests/shared_data.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/host/plan_check.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

std::string text(Text value) {
  return {value.data, value.size};
}

ModelOptions every_operator() {
  ModelOptions options;
  options.operators = &kAllOperators;
  options.kernels = &kPortableKernels;
  return options;
}

// A loaded file with its arena.
struct Loaded {
  explicit Loaded(const ModelFile& file, const ModelOptions& options = every_operator())
      : Loaded(file.bytes(), options) {}
  explicit Loaded(const std::vector<uint8_t>& bytes, const ModelOptions& options = every_operator(),
                  size_t arena_bytes = 1 << 20)
      : file(bytes), arena(std::vector<uint8_t>(arena_bytes)) {
    status = model.load(file.data(), file.size(), arena.data(), arena.size(), options);
  }

  AlignedBytes file;
  AlignedBytes arena;
  InspectableModel model;
  Status status;
};

Value value(const std::string& name, std::vector<int64_t> dims = {4}, int64_t exponent = -3) {
  return {name, std::move(dims), DataType::kInt8, exponent};
}

FileNode node(const std::string& name, const std::string& type, std::vector<std::string> inputs,
              std::vector<std::string> outputs) {
  FileNode result;
  result.name = name;
  result.type = type;
  result.inputs = std::move(inputs);
  result.outputs = std::move(outputs);
  return result;
}

// x -> Add(x, x) -> y -> Add(y, x) -> z
ModelFile two_additions() {
  ModelFile file;
  file.inputs = {value("x")};
  file.outputs = {value("z")};
  file.values = {value("x"), value("y"), value("z")};
  file.nodes = {node("first", "Add", {"x", "x"}, {"y"}), node("second", "Add", {"y", "x"}, {"z"})};
  return file;
}

TEST(ModelTest, RunsNodesInOrder) {
  Loaded loaded(two_additions());
  ASSERT_TRUE(loaded.status.ok()) << loaded.status.detail;
  int8_t* x = static_cast<int8_t*>(loaded.model.input(0).data);
  for (int i = 0; i < 4; ++i) x[i] = static_cast<int8_t>(10 * i - 20);
  ASSERT_TRUE(loaded.model.run().ok());
  const TensorView z = loaded.model.output("z");
  const int8_t* values = static_cast<const int8_t*>(z.data);
  EXPECT_EQ(std::vector<int>(values, values + 4), (std::vector<int>{-60, -30, 0, 30}));
  EXPECT_EQ(z.exponent, -3);
  EXPECT_EQ(z.bytes, 4u);
  EXPECT_EQ(text(loaded.model.node_name(1)), "second");
  EXPECT_EQ(text(loaded.model.node_type(1)), "Add");
  EXPECT_EQ(loaded.model.variable_count(), 3);
  EXPECT_EQ(text(loaded.model.variable(1).name), "y");
  EXPECT_EQ(text(loaded.model.graph_name()), "test");
}

TEST(ModelTest, ViewsOutsideTheirRangeAreAbsent) {
  Loaded loaded(two_additions());
  InspectableModel& model = loaded.model;
  EXPECT_EQ(model.input(1).type, DataType::kUndefined);
  EXPECT_EQ(model.input(-1).type, DataType::kUndefined);
  EXPECT_EQ(model.output("no such").type, DataType::kUndefined);
  EXPECT_EQ(model.variable("").type, DataType::kUndefined);
  EXPECT_EQ(model.node_input(0, 2).type, DataType::kUndefined);
  EXPECT_EQ(model.node_output(7, 0).type, DataType::kUndefined);
  EXPECT_EQ(model.node_name(-1).size, 0u);
  EXPECT_EQ(model.run_node(2).code, StatusCode::kBadArgument);
  EXPECT_EQ(Model().run().code, StatusCode::kBadArgument);
  EXPECT_EQ(InspectableModel().node_count(), 0);
}

TEST(ModelTest, KeptTensorsHaveMemoryOfTheirOwn) {
  ModelOptions options = every_operator();
  options.keep = KeepTensors::kAll;
  Loaded loaded(two_additions(), options);
  InspectableModel& model = loaded.model;
  for (int32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(model.placement(i).shares_with, -1);
    for (int32_t j = 0; j < i; ++j) {
      EXPECT_NE(model.placement(i).offset, model.placement(j).offset);
    }
  }
}

TEST(ModelTest, AnElementwiseNodeOverwritesOnlyADeadInput) {
  // "second" may write over y, "first" not over x, which "second" still reads.
  Loaded loaded(two_additions());
  InspectableModel& model = loaded.model;
  EXPECT_EQ(model.placement(1).shares_with, -1);
  EXPECT_EQ(model.placement(2).shares_with, 1);
  EXPECT_EQ(model.placement(0).first_node, -1);
  EXPECT_EQ(model.placement(0).last_node, 1);
  EXPECT_EQ(model.placement(2).last_node, 2);
  EXPECT_EQ(host::check_plan(model), std::nullopt);
}

TEST(ModelTest, AGraphOutputIsNeverOverwritten) {
  ModelFile file = two_additions();
  file.outputs.push_back(value("y"));
  Loaded loaded(file);
  EXPECT_EQ(loaded.model.placement(2).shares_with, -1);
  EXPECT_EQ(loaded.model.placement(1).last_node, 2);
  int8_t* x = static_cast<int8_t*>(loaded.model.input(0).data);
  for (int i = 0; i < 4; ++i) x[i] = 1;
  ASSERT_TRUE(loaded.model.run().ok());
  EXPECT_EQ(static_cast<const int8_t*>(loaded.model.output("y").data)[0], 2);
  EXPECT_EQ(static_cast<const int8_t*>(loaded.model.output("z").data)[0], 3);
}

TEST(ModelTest, AReshapeSharesMemoryAndProtectsIt) {
  // r is x under another shape; nothing may overwrite x while r lives.
  ModelFile file;
  file.inputs = {value("x", {2, 2})};
  file.outputs = {value("r", {4}), value("y", {2, 2})};
  file.values = {value("r", {9}), value("y")};
  Stored shape = {{"shape", {1}, DataType::kInt64, 0}, std::vector<uint8_t>(8, 0)};
  shape.bytes[0] = 4;
  file.initializers = {shape};
  file.nodes = {node("reshape", "Reshape", {"x", "shape"}, {"r"}), node("add", "Add", {"x", "x"}, {"y"})};
  Loaded loaded(file);
  ASSERT_TRUE(loaded.status.ok()) << loaded.status.detail;
  EXPECT_EQ(loaded.model.placement(1).shares_with, 0);
  EXPECT_EQ(loaded.model.placement(2).shares_with, -1);
  EXPECT_EQ(host::check_plan(loaded.model), std::nullopt);
  // Shapes are derived: the file's [9] for r is not believed (spec/espdl-format.md 4.4).
  EXPECT_EQ(loaded.model.variable("r").shape.dims[0], 4);
}

struct CountingThreads final : WorkerPool {
  int threads() const override { return 2; }
  void run(void (*task)(void* argument, int index), void* argument, int count) override {
    ++jobs;
    for (int i = count - 1; i >= 0; --i) task(argument, i);
  }
  int jobs = 0;
};

// x -> Conv 3x3 -> c -> Tanh -> y, and with `second_reader` c -> Add(c, c) -> z before it.
ModelFile activated_convolution(bool second_reader) {
  const std::vector<int64_t> dims = {1, 64, 64, 16};
  ModelFile file;
  file.inputs = {value("x", dims, -5)};
  file.outputs = {value("y", dims, -7)};
  file.values = {value("x", dims, -5), value("c", dims, -5), value("y", dims, -7)};
  Stored filter = {{"filter", {3, 3, 16, 16}, DataType::kInt8, -8}, std::vector<uint8_t>(9 * 16 * 16)};
  for (size_t i = 0; i < filter.bytes.size(); ++i) filter.bytes[i] = static_cast<uint8_t>(i * 57 + i / 7);
  file.initializers = {filter};
  FileNode conv = node("conv", "Conv", {"x", "filter"}, {"c"});
  conv.attributes["pads"] = std::vector<int64_t>{1, 1, 1, 1};
  file.nodes = {conv, node("tanh", "Tanh", {"c"}, {"y"})};
  if (second_reader) {
    file.outputs.push_back(value("z", dims, -5));
    file.values.push_back(value("z", dims, -5));
    file.nodes.insert(file.nodes.begin() + 1, node("add", "Add", {"c", "c"}, {"z"}));
  }
  return file;
}

// On several threads a convolution looks its results up piece by piece, when nobody else wants them.
TEST(ModelTest, AConvolutionTakesOverTheTableBehindIt) {
  CountingThreads workers;
  for (const bool second_reader : {false, true}) {
    const ModelFile file = activated_convolution(second_reader);
    ModelOptions options = every_operator();
    Loaded alone(file, options);
    options.workers = &workers;
    Loaded shared(file, options);
    ASSERT_TRUE(alone.status.ok() && shared.status.ok()) << alone.status.detail << shared.status.detail;
    EXPECT_EQ(host::check_plan(shared.model), std::nullopt);
    const auto fill = [](Loaded& loaded) {
      const TensorView x = loaded.model.input(0);
      for (uint64_t i = 0; i < x.bytes; ++i) {
        static_cast<uint8_t*>(x.data)[i] = static_cast<uint8_t>(i * 31 + i / 13);
      }
    };
    const auto expect_equal = [&] {
      for (int32_t i = 0; i < alone.model.output_count(); ++i) {
        const TensorView one = alone.model.output(i), two = shared.model.output(i);
        EXPECT_EQ(std::memcmp(one.data, two.data, one.bytes), 0) << "output " << i;
      }
    };
    fill(alone);
    ASSERT_TRUE(alone.model.run().ok());
    fill(shared);
    workers.jobs = 0;
    ASSERT_TRUE(shared.model.run().ok());
    EXPECT_EQ(workers.jobs, second_reader ? 3 : 1);
    expect_equal();
    // Single nodes do what they are and no more.
    fill(shared);
    workers.jobs = 0;
    for (int32_t i = 0; i < shared.model.node_count(); ++i) ASSERT_TRUE(shared.model.run_node(i).ok());
    EXPECT_EQ(workers.jobs, second_reader ? 3 : 2);
    expect_equal();
  }
}

TEST(ModelTest, RefusesWhatDoesNotFitTogether) {
  struct Case {
    const char* what;
    StatusCode code;
    int32_t node;
    void (*break_file)(ModelFile&);
  };
  const Case cases[] = {
      {"unknown operator", StatusCode::kUnsupportedOperator, 1,
       [](ModelFile& f) { f.nodes[1].type = "GRU"; }},
      {"unknown tensor", StatusCode::kUnknownTensor, 0, [](ModelFile& f) { f.nodes[0].inputs[1] = "w"; }},
      {"not sorted", StatusCode::kUnknownTensor, 0, [](ModelFile& f) { std::swap(f.nodes[0], f.nodes[1]); }},
      {"reads its own output", StatusCode::kUnknownTensor, 0,
       [](ModelFile& f) { f.nodes[0].inputs[1] = "y"; }},
      {"two producers", StatusCode::kDuplicateTensor, -1, [](ModelFile& f) { f.nodes[1].outputs[0] = "y"; }},
      {"no value_info", StatusCode::kUnknownTensor, 1, [](ModelFile& f) { f.values.pop_back(); }},
      {"unknown output", StatusCode::kUnknownTensor, -1, [](ModelFile& f) { f.outputs[0].name = "q"; }},
      {"string tensor", StatusCode::kUnsupportedType, -1,
       [](ModelFile& f) { f.inputs[0].type = static_cast<DataType>(8); }},
      {"negative extent", StatusCode::kBadShape, -1, [](ModelFile& f) { f.inputs[0].dims = {-4}; }},
      {"empty input", StatusCode::kBadShape, -1, [](ModelFile& f) { f.inputs[0].dims = {0}; }},
      {"rank 7", StatusCode::kBadShape, -1, [](ModelFile& f) { f.inputs[0].dims = {1, 1, 1, 1, 1, 1, 1}; }},
      {"count overflow", StatusCode::kBadShape, -1,
       [](ModelFile& f) {
         f.inputs[0].dims = {1 << 20, 1 << 20};
       }},
      {"huge exponent", StatusCode::kBadExponent, -1, [](ModelFile& f) { f.inputs[0].exponent = 4000; }},
      {"short initializer", StatusCode::kCorrupt, -1,
       [](ModelFile& f) {
         f.initializers = {{value("w", {17}), std::vector<uint8_t>(16)}};
       }},
      {"initializer without elements", StatusCode::kBadShape, -1,
       [](ModelFile& f) {
         f.initializers = {{value("w", {0, 3}), std::vector<uint8_t>(16)}};
       }},
      {"initializer named like a variable", StatusCode::kDuplicateTensor, -1,
       [](ModelFile& f) {
         f.initializers = {{value("y"), std::vector<uint8_t>(16)}};
       }},
  };
  for (const Case& c : cases) {
    ModelFile file = two_additions();
    c.break_file(file);
    Loaded loaded(file);
    EXPECT_EQ(static_cast<int>(loaded.status.code), static_cast<int>(c.code))
        << c.what << ": " << loaded.status.detail;
    EXPECT_EQ(loaded.status.node, c.node) << c.what;
  }
}

TEST(ModelTest, ASelectiveOperatorSetLoadsOnlyWhatItNames) {
  const OperatorSet none = {nullptr, 0};
  ModelOptions options = every_operator();
  options.operators = &none;
  EXPECT_EQ(Loaded(two_additions(), options).status.code, StatusCode::kUnsupportedOperator);
  options.kernels = nullptr;
  EXPECT_EQ(Loaded(two_additions(), options).status.code, StatusCode::kBadArgument);
  EXPECT_EQ(Loaded(two_additions(), ModelOptions{}).status.code, StatusCode::kBadArgument);
}

// Whatever the first arena was, what kArenaTooSmall asks for is enough for the second load; and it is exactly
// what the model needs once the tables of nodes and tensors fit.
void expect_needed_is_enough(const std::vector<uint8_t>& bytes, const ModelOptions& options) {
  const Loaded whole(bytes, options, 64 << 20);
  ASSERT_TRUE(whole.status.ok()) << whole.status.detail;
  const uint64_t needed = whole.model.memory().arena_bytes;
  EXPECT_TRUE(Loaded(bytes, options, needed).status.ok());
  const uint64_t tables =
      1024 + 512 * static_cast<uint64_t>(whole.model.node_count() + whole.model.variable_count());
  for (uint64_t size = 0; size + 128 < needed; size = size * 3 / 2 + 16) {
    const Loaded small(bytes, options, size);
    ASSERT_EQ(small.status.code, StatusCode::kArenaTooSmall) << size;
    ASSERT_GE(small.status.needed, needed) << size;
    EXPECT_TRUE(Loaded(bytes, options, small.status.needed).status.ok()) << size;
    if (size > tables + 65536) {
      EXPECT_EQ(small.status.needed, needed) << size;
    }
  }
}

// A backbone of four levels and two heads, as a file.
std::vector<uint8_t> small_detector() {
  espdl::tests::Maker m(8, true);
  std::string x = m.input("images", {1, 3, 96, 96});
  for (const int64_t channels : {16, 32, 64, 64}) {
    x = m.conv(x, channels, {.stride = 2});
    const std::string left = m.conv(x, channels, {});
    x = m.node("Add", {x, left}, m.shape(x), m.grid());
  }
  m.graph.outputs = {m.conv(x, 64, {}), m.conv(x, 80, {.kernel_height = 1, .kernel_width = 1, .pad = 0})};
  return espdl::serialize(espdl::lower(m.graph, Target::kEsp32p4));
}

TEST(ModelTest, TheArenaItAsksForIsEnough) {
  expect_needed_is_enough(two_additions().bytes(), every_operator());
}

TEST(ModelTest, TheArenaADetectorAsksForIsEnough) {
  const std::vector<uint8_t> bytes = small_detector();
  expect_needed_is_enough(bytes, every_operator());
  ModelOptions pairs = every_operator();
  pairs.kernels = &kPairKernels;
  expect_needed_is_enough(bytes, pairs);
}

// On a chip internal RAM and PSRAM are different address ranges, in either order.
TEST(ModelTest, FastMemoryMayBeAnywhere) {
  const std::vector<uint8_t> bytes = small_detector();
  Loaded whole(bytes);
  ASSERT_TRUE(whole.status.ok()) << whole.status.detail;
  const auto run = [](Model& model) {
    const TensorView input = model.input(0);
    for (uint64_t i = 0; i < input.bytes; ++i)
      static_cast<uint8_t*>(input.data)[i] = static_cast<uint8_t>(37 * i);
    EXPECT_TRUE(model.run().ok());
    std::vector<uint8_t> all;
    for (int32_t i = 0; i < model.output_count(); ++i) {
      const uint8_t* data = static_cast<const uint8_t*>(model.output(i).data);
      all.insert(all.end(), data, data + model.output(i).bytes);
    }
    return all;
  };
  const std::vector<uint8_t> expected = run(whole.model);

  constexpr size_t kInternal = 48 << 10;
  AlignedBytes memory(std::vector<uint8_t>(kInternal + (2 << 20) + kInternal));
  for (const bool behind : {false, true}) {
    std::memset(memory.data(), 0x5a, memory.size());
    ModelOptions options = every_operator();
    options.internal = {memory.data() + (behind ? kInternal + (2 << 20) : 0), kInternal};
    AlignedBytes file(bytes);
    InspectableModel model;
    const Status status = model.load(file.data(), file.size(), memory.data() + kInternal, 2 << 20, options);
    ASSERT_TRUE(status.ok()) << status.detail;
    const MemoryReport report = model.memory();
    EXPECT_GT(report.internal_bytes, 0u);
    EXPECT_LE(report.internal_bytes, kInternal);
    EXPECT_LT(report.arena_bytes, whole.model.memory().arena_bytes);
    EXPECT_EQ(host::check_plan(model), std::nullopt);
    EXPECT_EQ(run(model), expected);
    // The far memory that was not given stays as it was.
    const uint8_t* untouched = memory.data() + (behind ? 0 : kInternal + (2 << 20));
    for (size_t i = 0; i < kInternal; ++i) ASSERT_EQ(untouched[i], 0x5a) << i;
  }
}

TEST(ModelTest, FastMemoryIsCheckedLikeTheArena) {
  alignas(16) static uint8_t memory[64];
  ModelOptions options = every_operator();
  options.internal = {nullptr, 64};
  EXPECT_EQ(Loaded(two_additions(), options).status.code, StatusCode::kBadArgument);
  options.internal = {memory + 4, 32};
  EXPECT_EQ(Loaded(two_additions(), options).status.code, StatusCode::kBadArgument);
}

TEST(ModelTest, NeedsAlignedMemoryAndALittleCourtesy) {
  const std::vector<uint8_t> bytes = two_additions().bytes();
  AlignedBytes file(bytes), arena(std::vector<uint8_t>(65536));
  const ModelOptions options = every_operator();
  Model model;
  EXPECT_EQ(model.load(nullptr, 100, arena.data(), arena.size(), options).code, StatusCode::kBadArgument);
  EXPECT_EQ(model.load(file.data(), file.size(), nullptr, 65536, options).code, StatusCode::kBadArgument);
  EXPECT_EQ(model.load(file.data(), file.size(), arena.data() + 8, 4096, options).code,
            StatusCode::kBadArgument);
  std::vector<uint8_t> shifted(bytes.size() + 16);
  uint8_t* odd = shifted.data() + (reinterpret_cast<uintptr_t>(shifted.data()) % 16 == 4 ? 8 : 4);
  std::memcpy(odd, bytes.data(), bytes.size());
  EXPECT_EQ(model.load(odd, bytes.size(), arena.data(), arena.size(), options).code,
            StatusCode::kBadArgument);
}

TEST(ModelTest, TheContainerIsChecked) {
  std::vector<uint8_t> bytes = two_additions().bytes();
  const auto code_with = [&](size_t at, uint8_t byte) {
    std::vector<uint8_t> changed = bytes;
    changed[at] = byte;
    return Loaded(changed).status.code;
  };
  EXPECT_EQ(code_with(0, 'P'), StatusCode::kBadMagic);
  EXPECT_EQ(code_with(3, '3'), StatusCode::kBadMagic);
  EXPECT_EQ(code_with(4, 1), StatusCode::kEncrypted);
  EXPECT_EQ(code_with(4, 2), StatusCode::kCorrupt);
  EXPECT_EQ(code_with(11, 0x7f), StatusCode::kTruncated);
  bytes.resize(bytes.size() + 33);  // a flash partition is longer than its model
  EXPECT_TRUE(Loaded(bytes).status.ok());
}

TEST(ModelTest, TheFirstFormatNeedsACopyWhichTheHostMakes) {
  const std::vector<uint8_t> bytes = two_additions().container("EDL1");
  EXPECT_EQ(Loaded(bytes).status.code, StatusCode::kBadArgument);
  host::IntegerModel model = host::IntegerModel::from_bytes(bytes, "old.espdl");
  EXPECT_NO_THROW(model.run());
}

TEST(ModelTest, MetadataNamesTheTarget) {
  ModelFile file = two_additions();
  EXPECT_TRUE(host::IntegerModel::from_bytes(file.bytes(), "m").target_assumed());
  file.metadata = {{"target", "esp32s3"}, {"note", "x"}};
  const host::IntegerModel model = host::IntegerModel::from_bytes(file.bytes(), "m");
  EXPECT_FALSE(model.target_assumed());
  EXPECT_EQ(model.target(), Target::kEsp32s3);
  EXPECT_EQ(text(model.model().metadata("note")), "x");
  EXPECT_EQ(model.model().metadata("absent").size, 0u);
}

// A file for one chip that runs as another computes other integers without a word.
TEST(ModelTest, AdoptsTheChipThatItsFileNames) {
  ModelFile file = two_additions();
  EXPECT_TRUE(Loaded(file).model.target_assumed());
  EXPECT_EQ(Loaded(file).model.target(), Target::kEsp32p4);
  file.metadata = {{"target", "esp32s3"}};
  const Loaded loaded(file);
  EXPECT_FALSE(loaded.model.target_assumed());
  EXPECT_EQ(loaded.model.target(), Target::kEsp32s3);
  EXPECT_EQ(loaded.model.rounding(), Rounding::kHalfUp);
  file.metadata = {{"target", "esp32c6"}};
  EXPECT_EQ(Loaded(file).model.target(), Target::kEsp32);
}

TEST(ModelTest, RefusesAnotherChipThanItsFileNamesUnlessForced) {
  ModelFile file = two_additions();
  file.metadata = {{"target", "esp32s3"}};
  ModelOptions options = every_operator();
  options.target = Target::kEsp32p4;
  EXPECT_EQ(Loaded(file, options).status.code, StatusCode::kWrongTarget);
  options.force_target = true;
  const Loaded forced(file, options);
  EXPECT_TRUE(forced.status.ok()) << forced.status.detail;
  EXPECT_EQ(forced.model.target(), Target::kEsp32p4);
  file.metadata = {{"target", "esp9000"}};
  EXPECT_TRUE(Loaded(file, options).status.ok());
  EXPECT_EQ(Loaded(file).status.code, StatusCode::kWrongTarget);
}

TEST(ModelTest, TheHostSaysForWhichChipAFileIs) {
  ModelFile file = two_additions();
  file.metadata = {{"target", "esp32s3"}};
  host::IntegerOptions options;
  options.target = "c";
  try {
    host::IntegerModel::from_bytes(file.bytes(), "m.espdl", options);
    FAIL() << "the file is for esp32s3";
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const char* part : {"m.espdl", "esp32s3", "--force-target"})
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }
  options.force_target = true;
  EXPECT_EQ(host::IntegerModel::from_bytes(file.bytes(), "m.espdl", options).target(), Target::kEsp32);
}

TEST(ModelTest, ErrorsNameFileNodeAndRemedy) {
  ModelFile file = two_additions();
  file.nodes[1].type = "GRU";
  try {
    host::IntegerModel::from_bytes(file.bytes(), "speech.espdl");
    FAIL() << "GRU is not supported";
  } catch (const Error& error) {
    const std::string message = error.what();
    for (const char* part : {"speech.espdl", "second", "GRU"}) {
      EXPECT_NE(message.find(part), std::string::npos) << message;
    }
  }
}

// An operator that reads attributes, so that their rules can be seen.
struct Seen {
  int64_t integer, missing;
  float real;
  std::string text;
  int32_t count, absent_count;
  int64_t list[2];
  bool has;
} seen;

Status prepare_probe(Prepare& node) {
  const Attributes& attributes = node.attributes;
  seen.integer = attributes.integer("i", 5);
  seen.missing = attributes.integer("nothing", 5);
  seen.real = attributes.real("f", 0.5f);
  seen.text = text(attributes.text("s"));
  seen.count = attributes.integers("l", seen.list, 2);
  seen.absent_count = attributes.integers("nothing", seen.list, 2);
  seen.has = attributes.has("s");
  node.outputs[0]->shape = node.inputs[0]->shape;
  return {};
}

void run_probe(const Run&) {}

const Operator kProbe = {"Probe", prepare_probe, run_probe};
const Operator* const kProbes[] = {&kProbe};
const OperatorSet kProbeSet = {kProbes, 1};

ModelFile probe_file() {
  ModelFile file;
  file.inputs = {value("x")};
  file.outputs = file.values = {value("y")};
  file.nodes = {node("probe", "Probe", {"x"}, {"y"})};
  return file;
}

TEST(AttributesTest, GiveValuesDefaultsAndCounts) {
  ModelFile file = probe_file();
  file.nodes[0].attributes = {{"i", int64_t{-7}},
                              {"f", 0.25f},
                              {"s", std::string("SAME")},
                              {"l", std::vector<int64_t>{1, INT64_MAX, 3}}};
  ModelOptions options = every_operator();
  options.operators = &kProbeSet;
  Loaded loaded(file, options);
  ASSERT_TRUE(loaded.status.ok()) << loaded.status.detail;
  EXPECT_EQ(seen.integer, -7);
  EXPECT_EQ(seen.missing, 5);
  EXPECT_EQ(seen.real, 0.25f);
  EXPECT_EQ(seen.text, "SAME");
  EXPECT_EQ(seen.count, 3);  // the file's number, of which two were copied
  EXPECT_EQ(seen.list[1], INT64_MAX);
  EXPECT_EQ(seen.absent_count, -1);
  EXPECT_TRUE(seen.has);
}

TEST(AttributesTest, AnotherKindIsAnErrorOfThatNode) {
  ModelFile file = probe_file();
  file.nodes[0].attributes = {{"i", 1.5f}};
  ModelOptions options = every_operator();
  options.operators = &kProbeSet;
  Loaded loaded(file, options);
  EXPECT_EQ(loaded.status.code, StatusCode::kBadAttribute);
  EXPECT_EQ(loaded.status.node, 0);
}

TEST(TextTest, ComparesBySizeAndBytes) {
  const Text abc = {"abcdef", 3};
  for (const std::string other : {"", "ab", "abc", "abcd", "abd"}) {
    EXPECT_EQ(abc == other.c_str(), other == "abc") << other;
    EXPECT_EQ(Text{} == other.c_str(), other.empty()) << other;
  }
  EXPECT_TRUE(abc == (Text{"abc", 3}));
}

// The planned memory must not change a single value: every published model, every output.
TEST(ModelTest, ReusedMemoryGivesTheValuesOfKeptMemory) {
  SHRIKE_NEEDS_SHARED("golden/zoo/models");
  for (const char* name : {"esp32p4_tutorial_streaming_model", "esp32s3_espdet_pico_224_224_cat",
                           "esp32p4_human_face_detect_msr_s8_v1", "esp32s3_person_reid_feat_osn_s8_v1"}) {
    const std::string path = shared_root() + "/golden/zoo/models/" + name + ".espdl";
    host::IntegerOptions options;
    options.target = std::string(name).substr(0, 7);
    host::IntegerModel reused = host::IntegerModel::open(path, options);
    options.keep = KeepTensors::kAll;
    options.threads = 1;
    host::IntegerModel kept = host::IntegerModel::open(path, options);
    for (int round = 0; round < 2; ++round) {  // streaming models carry state from run to run
      for (host::IntegerModel* model : {&reused, &kept}) {
        const TensorView input = model->model().input(0);
        for (uint64_t i = 0; i < input.bytes; ++i) {
          static_cast<uint8_t*>(input.data)[i] =
              static_cast<uint8_t>((i * 37 + static_cast<uint64_t>(round)) % 251);
        }
        model->run();
      }
      for (int32_t i = 0; i < kept.model().output_count(); ++i) {
        const TensorView a = reused.model().output(i), b = kept.model().output(i);
        ASSERT_EQ(a.bytes, b.bytes);
        EXPECT_EQ(std::memcmp(a.data, b.data, a.bytes), 0) << name << " output " << text(a.name);
      }
    }
  }
}

}  // namespace
}  // namespace shrike::tests
