// Checkpoints (.pt): what is taken from them, and what is refused. Real files of ESPDet where the shared data
// are.
#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "tests/import/onnx_builder.h"
#include "tests/import/small_yolo.h"
#include "tests/shared_data.h"
#include "toolchain/import/import.h"

namespace shrike::graph {
namespace {

using ::testing::HasSubstr;
using tests::CheckpointWriter;
using tests::count_op;
using tests::error_of;
using tests::ModulePieces;
using tests::SmallYolo;
using tests::ZipWriter;
namespace py = tests::py;

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string refusal(const std::string& bytes) {
  return error_of([&] { import_model_bytes(bytes, "best.pt"); });
}

std::string refusal_of_pickle(const std::string& pickle) {
  return refusal(ZipWriter().add("best/data.pkl", pickle).bytes());
}

TEST(Checkpoint, GivesTheGraphOfTheOnnxExport) {
  SmallYolo network;
  const std::string root = network.root();
  Graph graph = import_model_bytes(network.writer.bytes(root), "best.pt");
  EXPECT_EQ(graph.tensor("images").shape, (Shape{1, 3, 32, 32}));
  EXPECT_EQ(graph.outputs, std::vector<std::string>{"output0"});
  EXPECT_EQ(graph.nodes[0].name, "/model.0/conv/Conv");
  EXPECT_EQ(graph.nodes[0].inputs[1], "model.0.conv.weight");
  EXPECT_EQ(graph.metadata.at("names"), "{0: 'cat', 1: 'it\\'s', 2: 'dog'}");
  EXPECT_EQ(graph.metadata.at("imgsz"), "[32, 32]");
  EXPECT_EQ(graph.metadata.at("task"), "detect");
  EXPECT_EQ(graph.metadata.at("version"), "8.3.0");
  fold_constants(graph);
  infer_shapes(graph);
  EXPECT_EQ(graph.tensor("output0").shape, (Shape{1, 7, 80}));
}

TEST(Checkpoint, MayBePackedAgainOrHoldTheAveragedModelOnly) {
  SmallYolo network;
  const std::string root = network.root();
  const Graph plain = import_model_bytes(network.writer.bytes(root), "best.pt");
  const Graph packed = import_model_bytes(network.writer.bytes(root, true), "best.pt");
  EXPECT_EQ(to_text(plain), to_text(packed));
  // "ema" holds the module, "model" nothing.
  std::string swapped = root;
  swapped.replace(swapped.find(py::text("ema")), py::text("ema").size(), py::text("eml"));
  swapped.replace(swapped.find(py::text("model") + "cultralytics.nn.tasks"), py::text("model").size(),
                  py::text("ema"));
  EXPECT_EQ(to_text(import_model_bytes(network.writer.bytes(swapped), "last.pt")), to_text(plain));
}

TEST(CheckpointErrors, WeightsWithoutANetwork) {
  CheckpointWriter writer;
  const std::string weights = py::ordered_dict({{"0.weight", writer.tensor({1}, {1})}});
  EXPECT_THAT(refusal(writer.bytes(weights)), HasSubstr("found weights without a network"));
  EXPECT_THAT(refusal(writer.bytes(py::dict({{"model", weights}}))),
              HasSubstr("found weights without a network"));
  EXPECT_THAT(refusal(writer.bytes(py::integer(3))), HasSubstr("found no model in it"));
}

TEST(CheckpointErrors, ClassesThatAreNotKnownAreNamedWithTheirLayer) {
  CheckpointWriter writer;
  ModulePieces network{"torch.nn.modules.container", "Sequential", {}, {}, {}, {}};
  network.children = {{"0", ModulePieces{"acme.layers", "Conv", {}, {}, {}, {}}.piece()}};
  ModulePieces model{"ultralytics.nn.tasks", "DetectionModel", {}, {}, {}, {}};
  model.children = {{"model", network.piece()}};
  const std::string root = py::dict({{"model", model.piece()}});
  EXPECT_THAT(refusal(writer.bytes(root)),
              HasSubstr("layer 'model.0' (acme.layers.Conv): this class is not known"));
}

TEST(CheckpointErrors, TensorsThatReachBeyondTheirStorage) {
  CheckpointWriter writer;
  const std::string sound = writer.tensor({2, 2}, {1, 2, 3, 4});
  std::string wide = sound;
  const std::string shape = py::sizes({2, 2});
  wide.replace(wide.find(shape), shape.size(), py::sizes({2, 3}));
  EXPECT_THAT(refusal(writer.bytes(py::dict({{"model", wide}}))),
              HasSubstr("beyond its storage of 4 elements"));
}

TEST(CheckpointErrors, PicklesThatWantToRunSomething) {
  for (const char* global : {"cos\nsystem\n", "cposix\nsystem\n", "c__builtin__\neval\n", "cbuiltins\nexec\n",
                             "csubprocess\nPopen\n", "cos.path\njoin\n", "cimportlib\nimport_module\n"}) {
    const std::string pickle =
        std::string("\x80\x02") + global + py::tuple({py::text("touch /tmp/shrike_was_here")}) + "R.";
    EXPECT_THAT(refusal_of_pickle(pickle), HasSubstr("not part of a model; the file is hostile")) << global;
  }
  // The same through the opcode that takes its names from the stack.
  EXPECT_THAT(refusal_of_pickle(py::pickle(py::text("os") + py::text("system") + "\x93")),
              HasSubstr("'os system'"));
}

TEST(CheckpointErrors, PicklesThatAreMalformed) {
  EXPECT_THAT(refusal_of_pickle(py::pickle("")), HasSubstr("an empty stack"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("]N")), HasSubstr("values left over"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("N") + "N"), HasSubstr("bytes behind the end"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("h\x05")), HasSubstr("a memo index that holds nothing"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("Nr\xff\xff\xff\x7f")), HasSubstr("not sensible"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("X\xff\xff\xff\xff")), HasSubstr("bytes were expected"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("}(Nu")), HasSubstr("a key without a value"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("i")), HasSubstr("opcode 0x69"));
  EXPECT_THAT(refusal_of_pickle(py::pickle(std::string(100'000, '('))), HasSubstr("nested too deeply"));
  EXPECT_THAT(refusal_of_pickle("\x80\x01N."), HasSubstr("protocol 2 to 5"));
  // A list that holds itself, and tuples a million deep: no recursion anywhere.
  EXPECT_THAT(refusal_of_pickle(py::pickle("]q" + std::string(1, '\0') + "h" + std::string(1, '\0') + "a")),
              HasSubstr("found no model"));
  EXPECT_THAT(refusal_of_pickle(py::pickle("N" + std::string(1'000'000, '\x85'))),
              HasSubstr("found no model"));
}

// Two containers that hold the next one twice: 2^60 layers in a few kilobytes.
TEST(CheckpointErrors, ModulesThatMultiply) {
  std::string piece = ModulePieces{"torch.nn.modules.linear", "Identity", {}, {}, {}, {}}.piece() + "q\x01";
  for (int i = 0; i < 60; ++i) {
    ModulePieces twice{"torch.nn.modules.container", "Sequential", {}, {}, {}, {}};
    twice.children = {{"0", piece}, {"1", "h\x01"}};
    piece = twice.piece() + "q\x01";
  }
  ModulePieces network{"torch.nn.modules.container", "Sequential", {}, {}, {}, {}};
  network.children = {{"0", piece}};
  ModulePieces model{"ultralytics.nn.tasks", "DetectionModel", {}, {}, {}, {}};
  model.children = {{"model", network.piece()}};
  EXPECT_THAT(refusal(CheckpointWriter().bytes(py::dict({{"model", model.piece()}}))),
              HasSubstr("is this a detector?"));
}

TEST(CheckpointErrors, ArchivesThatAreDamaged) {
  SmallYolo network;
  const std::string root = network.root();
  std::string bytes = network.writer.bytes(root);
  std::string flipped = bytes;
  flipped[flipped.find("best/data/0") + 20] ^= 1;
  EXPECT_THAT(refusal(flipped), HasSubstr("the checksum of the entry 'best/data/0' is wrong"));
  EXPECT_THAT(refusal(ZipWriter().add("a/data.pkl", "x").add("b/data.pkl", "x").bytes()),
              HasSubstr("one data.pkl"));
  EXPECT_THAT(refusal(ZipWriter().add("../data.pkl", "x").bytes()), HasSubstr("a name that is not sensible"));
  EXPECT_THAT(refusal(ZipWriter().add("a/data.pkl", "x").add("a/data.pkl", "x").bytes()), HasSubstr("twice"));
  EXPECT_THAT(refusal(ZipWriter().add("a/data.pkl", std::string(1 << 20, 'x'), true).bytes()),
              HasSubstr("unpacked"));
  EXPECT_THAT(refusal(ZipWriter().add("m/data.pkl", "x").add("m/constants.pkl", "x").bytes()),
              HasSubstr("torch.onnx.export"));
  EXPECT_THAT(refusal(ZipWriter().add("config.json", "x").add("model.weights.h5", "x").bytes()),
              HasSubstr("keras"));
}

TEST(CheckpointErrors, AThousandDamagedFiles) {
  SmallYolo network;
  const std::string bytes = network.writer.bytes(network.root());
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = bytes;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 10 == 0) damaged.resize(random() % damaged.size());
    try {
      import_model_bytes(damaged, "damaged.pt");
    } catch (const Error& error) {
      EXPECT_STRNE(error.what(), "");
      ++refused;
    }
  }
  EXPECT_GT(refused, 900);  // checksums see nearly everything
}

// The pickle alone, without the checksum that would catch the damage first.
TEST(CheckpointErrors, AThousandDamagedPickles) {
  SmallYolo network;
  const std::string pickle = py::pickle(network.root());
  std::mt19937 random(6);
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = pickle;
    for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 10 == 0) damaged.resize(random() % damaged.size());
    EXPECT_NE(refusal_of_pickle(damaged), "");  // at the latest because there are no weights
  }
}

// Numbers of spec/importers.md sections A6 and A10.
TEST(Checkpoint, EspDetFilesHaveTheirKnownSize) {
  SHRIKE_NEEDS_SHARED("models/pt/espdet_pico_224_224_cat.pt");
  Graph graph = import_model_bytes(read_whole(tests::shared_root() + "/models/pt/espdet_pico_224_224_cat.pt"),
                                   "espdet_pico_224_224_cat.pt");
  EXPECT_EQ(count_op(graph, "Conv"), 101);
  EXPECT_EQ(count_op(graph, "BatchNormalization"), 95);
  EXPECT_EQ(graph.metadata.at("names"), "{0: '0'}");
  prepare(graph, {.size = {224, 224}, .outputs = {}});
  EXPECT_EQ(count_op(graph, "BatchNormalization"), 0);
  ASSERT_EQ(graph.outputs.size(), 6u);
  int64_t multiplications = 0;
  for (const Node& node : graph.nodes) {
    if (node.op != "Conv") continue;
    const Shape& filters = graph.tensor(node.inputs[1]).shape;
    const Shape& made = graph.tensor(node.outputs[0]).shape;
    multiplications += element_count(filters) * made[2] * made[3];
  }
  EXPECT_EQ(multiplications / 10'000, 7819);  // 78.19 million
  for (size_t level = 0; level < 3; ++level) {
    const int64_t size = 28 >> level;
    EXPECT_EQ(graph.tensor(graph.outputs[2 * level]).shape, (Shape{1, 4, size, size}));
    EXPECT_EQ(graph.tensor(graph.outputs[2 * level + 1]).shape, (Shape{1, 1, size, size}));
  }
}

}  // namespace
}  // namespace shrike::graph
