// The bytes of the file: container, alignment, what every table holds (spec/espdl-format.md sections 1 to
// 4, 11.2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/format/container.h"
#include "runtime/format/flat.h"
#include "runtime/format/schema.h"
#include "runtime/format/verify.h"
#include "runtime/ops/numeric.h"
#include "tests/espdl/maker.h"
#include "tests/shared_data.h"
#include "toolchain/espdl/tables.h"
#include "toolchain/espdl/writer.h"
#include "toolchain/host/integer_model.h"
#include "toolchain/support/files.h"

namespace shrike::espdl::tests {
namespace {

using namespace shrike::format;  // NOLINT: slot names
using testing::HasSubstr;

std::string text_of(Text text) {
  return std::string(text.data, text.size);
}

// The payload at a 16-byte aligned address.
struct Loaded {
  explicit Loaded(const std::vector<uint8_t>& file) : blocks((file.size() + 15) / 16) {
    std::memcpy(blocks.data(), file.data(), file.size());
    EXPECT_TRUE(open_container(blocks.data(), file.size(), &payload).ok());
    EXPECT_TRUE(verify_payload(payload).ok());
    root = Table{follow(payload.data)};
  }
  struct alignas(16) Block {
    uint8_t bytes[16];
  };
  std::vector<Block> blocks;
  Payload payload;
  Table root;
};

Program example() {
  Maker m(8, true);
  const auto x = m.input("x", {1, 3, 6, 6});
  const auto c = m.conv(x, 20, {});
  const auto s = m.node("Swish", {c}, m.shape(c), m.grid(1));
  const auto r = m.node("Resize", {s}, {1, 20, 12, 12}, m.grid(1),
                        {{"mode", std::string("nearest")},
                         {"nearest_mode", std::string("floor")},
                         {"coordinate_transformation_mode", std::string("asymmetric")}});
  m.graph.outputs = {m.node("RequantizeLinear", {r}, m.shape(r), m.grid())};
  m.graph.metadata["names"] = "cat, dog";
  return lower(m.graph, Target::kEsp32p4);
}

TEST(Container, HeaderSaysEdl2PlainAndTheLength) {
  const std::vector<uint8_t> file = serialize(example());
  EXPECT_EQ(std::string(file.begin(), file.begin() + 4), "EDL2");
  uint32_t words[3];
  std::memcpy(words, file.data() + 4, sizeof words);
  EXPECT_EQ(words[0], 0u);
  EXPECT_EQ(words[1], file.size() - 16);
  EXPECT_EQ(words[2], 0u);
  EXPECT_EQ(file.size() % 16, 0u);
}

TEST(Container, BytesDoNotDependOnTheRun) {
  EXPECT_EQ(serialize(example()), serialize(example()));
}

TEST(Container, FilledSlotsAreThoseOfPublishedFiles) {
  const Loaded loaded(serialize(example()));
  const Table graph = loaded.root.table(model_slot::kGraph);
  for (const int slot : {0, 1, 2, 4, 5, 6, 8, 9})
    EXPECT_NE(graph.field(slot), nullptr) << "graph slot " << slot;
  EXPECT_NE(loaded.root.field(0), nullptr);
  EXPECT_NE(loaded.root.field(1), nullptr);
  EXPECT_EQ(loaded.root.vector(1).size, 0u);

  std::set<std::string> names;
  const Vector nodes = graph.vector(graph_slot::kNodes);
  for (uint32_t i = 0; i < nodes.size; ++i) {
    const Table node = nodes.table(i);
    EXPECT_TRUE(names.insert(text_of(node.text(node_slot::kName))).second);
    std::string last;
    bool has_quant_type = false;
    const Vector attributes = node.vector(node_slot::kAttributes);
    for (uint32_t k = 0; k < attributes.size; ++k) {
      const Table attribute = attributes.table(k);
      const std::string name = text_of(attribute.text(attribute_slot::kName));
      EXPECT_LT(last, name) << "attributes are sorted";
      last = name;
      has_quant_type |= name == "quant_type" && text_of(attribute.text(attribute_slot::kString)) == "S8";
    }
    EXPECT_TRUE(has_quant_type);
  }
  const Vector tensors = graph.vector(graph_slot::kInitializers);
  for (uint32_t i = 0; i < tensors.size; ++i) {
    const Table tensor = tensors.table(i);
    for (const int slot : {0, 1, 6, 8, 13}) EXPECT_NE(tensor.field(slot), nullptr) << "tensor slot " << slot;
    const uint8_t* raw = tensor.vector(tensor_slot::kRawData).data;
    EXPECT_EQ((raw - loaded.payload.data) % 16, 0) << "raw data is aligned within the payload";
    const uint8_t* dims = tensor.vector(tensor_slot::kDims).data;
    EXPECT_EQ((dims - loaded.payload.data) % 8, 0);
  }
  EXPECT_EQ(text_of(tensors.table(0).text(tensor_slot::kName)), "Swish_lut_0") << "tables come first";
  EXPECT_EQ(tensors.table(0).field(7), nullptr) << "tables have no doc string";

  // Graph inputs are the very tables of value_info.
  const Vector values = graph.vector(graph_slot::kValueInfo);
  EXPECT_EQ(graph.vector(graph_slot::kInputs).table(0).data, values.table(0).data);
  for (uint32_t i = 0; i < values.size; ++i) {
    EXPECT_EQ(values.table(i).vector(value_slot::kExponents).size, 1u);
  }
}

TEST(Container, FiltersOfOneChannelEachCarryAllExponents) {
  const Loaded loaded(serialize(example()));
  const Vector tensors = loaded.root.table(model_slot::kGraph).vector(graph_slot::kInitializers);
  for (uint32_t i = 0; i < tensors.size; ++i) {
    const std::string name = text_of(tensors.table(i).text(tensor_slot::kName));
    if (name != "conv0.weight" && name != "conv0.bias") continue;
    const Vector exponents = tensors.table(i).vector(tensor_slot::kExponents);
    ASSERT_EQ(exponents.size, 20u);
    EXPECT_EQ(exponents.int64(1), exponents.int64(0) - 1);
  }
}

TEST(Container, MetadataNamesTheTarget) {
  const auto model = host::IntegerModel::from_bytes(serialize(example()), "example");
  EXPECT_EQ(text_of(model.model().metadata("target")), "esp32p4");
  EXPECT_EQ(text_of(model.model().metadata("names")), "cat, dog");
  EXPECT_FALSE(model.target_assumed());
}

TEST(Container, TestVectorsAreThoseOfTheirVariables) {
  Program program = example();
  const StoredValue& input = value_named(program, "x");
  std::vector<int64_t> pixels(108);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<int64_t>(i);
  StoredTensor test_input{input.name, input.dims, input.type, {input.exponent}, {}, ""};
  for (const int64_t pixel : to_stored(input, pixels))
    test_input.bytes.push_back(static_cast<uint8_t>(static_cast<int8_t>(pixel)));
  program.test_inputs = {test_input};
  auto model = host::IntegerModel::from_bytes(serialize(program), "example");
  ASSERT_EQ(model.model().test_input_count(), 1);
  const TensorView view = model.model().test_input(0);
  EXPECT_EQ(text_of(view.name), "x");
  EXPECT_EQ(view.shape, (shrike::Shape{4, {1, 6, 6, 3}}));
  EXPECT_EQ(view.exponent, -5);
  EXPECT_EQ(static_cast<const int8_t*>(view.data)[1], 36);  // channel 1 of the first pixel
}

TEST(Companions, InfoListsEveryNode) {
  const std::string info = info_text(example());
  EXPECT_THAT(info, HasSubstr("  %x[INT8, 1x6x6x3], exponents: [-5]\n"));
  EXPECT_THAT(info, HasSubstr("= Conv[activation = 'Linear', "));
  EXPECT_THAT(info, HasSubstr("%Swish_lut_0, shape: [256], exponents: [-4]"));
  EXPECT_THAT(info, HasSubstr("return %RequantizeLinear3:0"));
}

TEST(Companions, ConfigurationGivesScalesByHash) {
  Maker m(8, true);
  const auto c = m.conv(m.input("x", {1, 3, 6, 6}), 20, {});
  m.node("Swish", {c}, m.shape(c), m.grid(1));
  const auto document = nlohmann::json::parse(config_json(m.graph, Target::kEsp32p4));
  EXPECT_EQ(document["dispatchings"]["Conv0"], "ESPDL_INT8");
  const auto& config = document["configs"]["Swish1"]["Conv0:0"];
  EXPECT_EQ(config["bit_width"], 8);
  EXPECT_EQ(config["state"], "OVERLAPPED");
  EXPECT_EQ(document["values"][std::to_string(config["dominator"].get<int64_t>())]["scale"], 0.03125);
  const auto& filter = document["configs"]["Conv0"]["conv0.weight"];
  EXPECT_EQ(filter["policy"]["PER_CHANNEL"], true);
  EXPECT_EQ(document["values"][std::to_string(filter["hash"].get<int64_t>())]["scale"].size(), 20u);
}

// Given the published YOLO11n, when its 78 Swish tables are made anew from the exponents, then they are
// equal.
TEST(Tables, EqualThoseOfThePublishedNetwork) {
  for (const char* target : {"esp32p4", "esp32s3"}) {
    const std::string file = "golden/zoo/models/" + std::string(target) + "_coco_detect_yolo11n_s8_v1.espdl";
    SHRIKE_NEEDS_SHARED(file);
    const Loaded loaded(read_file(shrike::tests::shared_root() + "/" + file));
    const Table stored = loaded.root.table(model_slot::kGraph);
    std::map<std::string, int> exponents;
    const Vector values = stored.vector(graph_slot::kValueInfo);
    for (uint32_t i = 0; i < values.size; ++i) {
      exponents[text_of(values.table(i).text(value_slot::kName))] =
          static_cast<int>(values.table(i).vector(value_slot::kExponents).int64(0));
    }
    std::map<std::string, const uint8_t*> tables;
    const Vector tensors = stored.vector(graph_slot::kInitializers);
    for (uint32_t i = 0; i < tensors.size; ++i) {
      tables[text_of(tensors.table(i).text(tensor_slot::kName))] =
          tensors.table(i).vector(tensor_slot::kRawData).data;
    }
    Maker m(8);
    m.node("Swish", {m.input("x", {1, 4})}, {1, 4}, 0);
    int compared = 0, different = 0;
    const Vector nodes = stored.vector(graph_slot::kNodes);
    for (uint32_t i = 0; i < nodes.size; ++i) {
      const Table node = nodes.table(i);
      if (text_of(node.text(node_slot::kOpType)) != "Swish") continue;
      const auto& name = text_of(node.vector(node_slot::kAttributes).table(0).text(attribute_slot::kString));
      const auto table = activation_table(
          m.graph, m.graph.nodes[0], {8, exponents.at(text_of(node.vector(node_slot::kInputs).text(0))), {}},
          {8, exponents.at(text_of(node.vector(node_slot::kOutputs).text(0))), {}}, 1,
          std::string(target) == "esp32p4" ? Rounding::kHalfEven : Rounding::kHalfUp);
      ++compared;
      for (size_t k = 0; k < 256; ++k) different += static_cast<int8_t>(tables.at(name)[k]) != table[k];
    }
    EXPECT_GE(compared, 70);
    EXPECT_EQ(different, 0) << target;
  }
}

}  // namespace
}  // namespace shrike::espdl::tests
