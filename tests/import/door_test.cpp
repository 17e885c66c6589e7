// The door: files are told by what they hold, whatever they are called; weights beside a model are found and
// guarded.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstring>

#include "tests/import/onnx_builder.h"
#include "tests/import/temporary_folder.h"
#include "toolchain/import/import.h"

namespace shrike::graph {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using tests::error_of;
using tests::Floats;
using tests::OnnxBuilder;
using tests::TemporaryFolder;
using namespace std::string_literals;

std::string refusal(const std::string& bytes) {
  return error_of([&] { import_model_bytes(bytes, "model.bin"); });
}

OnnxBuilder product() {
  OnnxBuilder builder;
  builder.input("x", {1, 4}).node("Mul", {"x", "c"}, {"y"}).output("y");
  return builder;
}

TEST(Door, ReadsOnnxUnderAnyName) {
  const TemporaryFolder folder;
  const std::string path = folder.write("model.pt", product().filled("c", {4}, 2).bytes());
  EXPECT_EQ(import_model(path).tensor("c").values, Floats(4, 2));
}

TEST(Door, SaysWhatAFileIsAndTheWayOn) {
  EXPECT_THAT(refusal("EDL2\0\0\0\0"s),
              AllOf(HasSubstr("already quantised"), HasSubstr("give the float model")));
  EXPECT_THAT(refusal("\xff\xd8\xff\xe0"s), HasSubstr("a picture"));
  EXPECT_THAT(refusal("\x89PNG\r\n\x1a\n"s), HasSubstr("a picture"));
  EXPECT_THAT(refusal("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80"s),
              HasSubstr("torch.save("));
  EXPECT_THAT(refusal("\x80\x04\x95"s), HasSubstr("bare Python pickle"));
  EXPECT_THAT(refusal("\x89HDF\r\n\x1a\n"s), HasSubstr("tf2onnx.convert --keras model.bin"));
  EXPECT_THAT(refusal("\x08\x01\x12\xe7\x0a\x0a\x10"s), HasSubstr("--saved-model FOLDER"));
  EXPECT_THAT(refusal("\x0a\x2d\x0a\x01x\x12\x0bPlaceholder"s), HasSubstr("--graphdef model.bin"));
  EXPECT_THAT(refusal("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(refusal("<!DOCTYPE html>"), HasSubstr("a web page"));
  EXPECT_THAT(refusal("nc: 80\nnames: [a]\n"), HasSubstr("found text"));
  EXPECT_THAT(refusal("\x1f\x8b\x08"s), HasSubstr("unpack it"));
  EXPECT_THAT(refusal("@\x01\0\0\0\0\0\0{\"__metadata__\":"s), HasSubstr("safetensors"));
  EXPECT_THAT(refusal(""), HasSubstr("found an empty file"));
  EXPECT_THAT(refusal("PK\x03\x04 and no more"s), HasSubstr("truncated"));
  EXPECT_THAT(refusal("neither\0nor\0"s), HasSubstr("an ONNX model was expected, found something else"));
}

TEST(Door, SaysWhatIsInAFolder) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "empty");
  std::filesystem::create_directory(folder / "saved");
  folder.write("saved/saved_model.pb", "\x08\x01");
  EXPECT_THAT(error_of([&] { import_model(folder / "empty"); }), HasSubstr("found a folder; give the file"));
  EXPECT_THAT(error_of([&] { import_model(folder / "saved"); }), HasSubstr("tf2onnx.convert --saved-model"));
  folder.write("saved/model_float32.tflite", "");
  EXPECT_THAT(error_of([&] { import_model(folder / "saved"); }), HasSubstr("model_float32.tflite"));
}

TEST(Door, DoesNotWaitForPipes) {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe.onnx";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { import_model(path); }), HasSubstr("a device or a pipe"));
  EXPECT_THAT(error_of([&] { import_model("/dev/zero"); }), HasSubstr("a device or a pipe"));
}

class ExternalWeights : public ::testing::Test {
 protected:
  std::string import_with(const std::string& location,
                          const std::vector<std::pair<std::string, std::string>>& more) {
    OnnxBuilder builder = product();
    auto* tensor = builder.model.mutable_graph()->add_initializer();
    tensor->CopyFrom(tests::external_tensor("c", {4}, location));
    for (const auto& [key, value] : more) {
      auto* entry = tensor->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    const std::string path = folder.write("model.onnx", builder.bytes());
    try {
      values = import_model(path).tensor("c").values;
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  static std::string bytes_of(const Floats& floats) {
    return {reinterpret_cast<const char*>(floats.data()), floats.size() * sizeof(float)};
  }

  TemporaryFolder folder;
  Floats values;
};

TEST_F(ExternalWeights, AreReadAtTheirOffset) {
  folder.write("model.onnx.data", bytes_of({9, 1, 2, 3, 4}));
  EXPECT_EQ(import_with("model.onnx.data", {{"offset", "4"}, {"length", "16"}}), "");
  EXPECT_EQ(values, (Floats{1, 2, 3, 4}));
}

TEST_F(ExternalWeights, AreRefusedWhereSizesDoNotFit) {
  folder.write("w", bytes_of({1, 2, 3, 4}));
  EXPECT_THAT(import_with("w", {{"offset", "4"}}),
              HasSubstr("16 bytes were expected at offset 4 of 'w', which has 16"));
  EXPECT_THAT(import_with("w", {{"length", "12"}}), HasSubstr("16 bytes of external data were expected"));
  EXPECT_THAT(import_with("w", {{"offset", "-4"}}), HasSubstr("expected to be a number"));
  EXPECT_THAT(import_with("w", {{"offset", "18446744073709551615"}}), HasSubstr("16 bytes were expected"));
  EXPECT_THAT(import_with("other", {}), HasSubstr("'other' beside the model, which is not there"));
}

TEST_F(ExternalWeights, AreReadInsideTheModelsFolderOnly) {
  const TemporaryFolder elsewhere;
  const std::string secret = elsewhere.write("secret", bytes_of({1, 2, 3, 4}));
  std::filesystem::create_symlink(secret, folder / "link");
  std::filesystem::create_directory(folder / "sub");
  folder.write("sub/w", bytes_of({1, 2, 3, 4}));
  EXPECT_EQ(import_with("sub/w", {}), "");
  EXPECT_THAT(import_with(secret, {}), HasSubstr("outside the model's folder"));
  EXPECT_THAT(
      import_with("../" + std::filesystem::path(secret).parent_path().filename().string() + "/secret", {}),
      HasSubstr("outside the model's folder"));
  EXPECT_THAT(import_with("sub/../../x", {}), HasSubstr("outside the model's folder"));
  EXPECT_THAT(import_with("link", {}), HasSubstr("a link that leads out"));
  EXPECT_THAT(import_with("", {}), HasSubstr("outside the model's folder"));
  EXPECT_THAT(import_with("sub", {}), HasSubstr("not there"));
}

}  // namespace
}  // namespace shrike::graph
