// run, compare, info, test and profile on .espdl files: sound ones, and ones cut short or changed.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/shared_data.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

const std::string kNetwork = "golden/net/yolo11n_320_esp32p4_s8.espdl";
const std::string kZoo = "golden/zoo/index.json";

std::string network() {
  return shared_root() + "/" + kNetwork;
}

class ModelFileTest : public ProgramTest {
 protected:
  // Every command that opens a model, on `file`.
  std::vector<Words> commands(const std::string& file) {
    make_folder("data/images");
    write("picture.jpg", rgb_jpeg(64, 48));
    write("data/images/a.jpg", rgb_jpeg(64, 48));
    write("data/instances.json",
          R"({"images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
              "annotations": [], "categories": [{"id": 1, "name": "person"}]})");
    return {{"run", file, "--output", path("dump")},
            {"info", file},
            {"test", file},
            {"profile", file, "--runs", "1"},
            {"eval", file, "--data", path("data"), "--quiet", "--save-json", path("detections.json")},
            {"detect", file, path("picture.jpg"), "-o", path("drawn")}};
  }

  void expect_refused_by_all(const std::string& file, const Words& parts) {
    for (const Words& command : commands(file)) {
      SCOPED_TRACE(command[0]);
      expect_one_sentence(run(command), 1, parts);
    }
    for (const char* left : {"dump", "drawn", "detections.json"})
      EXPECT_FALSE(std::filesystem::exists(path(left))) << left;
  }
};

TEST_F(ModelFileTest, EveryCommandRefusesATruncatedFile) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  const std::string whole = read_text(network());
  write("cut.espdl", whole.substr(0, whole.size() / 2));
  expect_refused_by_all(path("cut.espdl"), {"cut.espdl", "cut short"});
  for (const size_t size : {size_t{0}, size_t{3}, whole.size() - 1}) {
    SCOPED_TRACE(size);
    write("cut.espdl", whole.substr(0, size));
    expect_one_sentence(run({"run", path("cut.espdl")}), 1, {"cut.espdl", "cut short"});
  }
}

TEST_F(ModelFileTest, EveryCommandRefusesWhatIsNoModel) {
  write("picture.espdl", png(10, 10));
  expect_one_sentence(run({"info", path("picture.espdl")}), 1, {"picture.espdl", "found a picture"});
  expect_refused_by_all(path("missing.espdl"), {"missing.espdl", "No such file"});
}

// (That any changed byte is either refused or harmless is the runtime's own test; here every command has to
// say so.)
TEST_F(ModelFileTest, EveryCommandRefusesAChangedStructure) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  std::string changed = read_text(network());
  changed[18] = static_cast<char>(changed[18] ^ 0x5A);  // the offset of the root table
  write("changed.espdl", changed);
  expect_refused_by_all(path("changed.espdl"), {"changed.espdl", "damaged"});
}

// A changed weight makes another network, which only the embedded test values tell.
TEST_F(ModelFileTest, TestNamesTheFirstElementThatAChangedWeightChanges) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  EXPECT_EQ(run({"test", network()}).status, 0);
  std::string changed = read_text(network());
  for (size_t i = 0; i < 64; ++i) {
    const size_t at = changed.size() / 2 + i;
    changed[at] = static_cast<char>(changed[at] ^ 0x40);
  }
  write("changed.espdl", changed);
  ASSERT_EQ(run({"info", path("changed.espdl")}).status, 0);
  const Finished finished = run({"test", path("changed.espdl"), "--json"});
  EXPECT_EQ(finished.status, 1);
  EXPECT_EQ(finished.err, "");
  EXPECT_TRUE(Json::accept(finished.out)) << finished.out;
  EXPECT_THAT(run({"test", path("changed.espdl")}).out, HasSubstr("expected"));
}

TEST_F(ModelFileTest, RunGivesTheHashesOfTheReference) {
  SHRIKE_NEEDS_SHARED(kZoo);
  size_t checked = 0;
  const Json index = Json::parse(read_text(shared_root() + "/" + kZoo));
  for (const Json& expected : index.at("runs")) {
    const std::string file = expected.at("file");
    if (file != "models/esp32p4_coco_detect_yolo11n_320_s8_v1.espdl" &&
        file != "models/esp32s3_tutorial_model.espdl")
      continue;
    if (expected.at("input_generator").value("seed", 0) != (file.ends_with("tutorial_model.espdl") ? 3 : 1))
      continue;
    const Finished finished =
        run({"run", shared_root() + "/golden/zoo/" + file, "--json", "--target", expected.at("target"),
             "--seed", expected.at("input_generator").at("seed").dump()});
    ASSERT_EQ(finished.status, 0) << finished.err;
    std::map<std::string, std::string> hashes, wanted;
    const Json printed = Json::parse(finished.out);
    for (const Json& tensor : printed.at("tensors")) hashes[tensor.at("name")] = tensor.at("sha256");
    for (const Json& output : expected.at("outputs")) wanted[output.at("name")] = output.at("sha256");
    EXPECT_EQ(hashes, wanted) << file;
    ++checked;
  }
  EXPECT_EQ(checked, 2u);
}

TEST_F(ModelFileTest, CompareFindsTheByteThatWasChangedByHand) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  for (const char* folder : {"a", "b"})
    ASSERT_EQ(run({"run", network(), "--tensors", "--output", path(folder)}).status, 0);
  const Finished equal = run({"compare", path("a"), path("b")});
  EXPECT_EQ(equal.status, 0);
  EXPECT_THAT(equal.out, HasSubstr("are equal"));

  const Json index = Json::parse(read_text(path("b/index.json")));
  const Json& tensor = index.at("tensors").at(index.at("tensors").size() / 2);
  const std::string file = "b/" + tensor.at("file").get<std::string>();
  std::string bytes = read_text(path(file));
  bytes[5] = static_cast<char>(bytes[5] + 1);
  write(file, bytes);
  const Finished different = run({"compare", path("a"), path("b")});
  EXPECT_EQ(different.status, 1);
  EXPECT_THAT(different.out, HasSubstr(tensor.at("name").get<std::string>()));

  write("b/index.json", "{\"tensors\": [");
  expect_one_sentence(run({"compare", path("a"), path("b")}), 1, {"index.json"});
  expect_one_sentence(run({"compare", path("a"), path("nowhere")}), 1, {"nowhere"});
}

TEST_F(ModelFileTest, PrintsJsonThatParses) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  write("picture.jpg", rgb_jpeg(64, 48));
  for (const Words& command : std::vector<Words>{{"run", network(), "--json"},
                                                 {"info", network(), "--json"},
                                                 {"test", network(), "--json"},
                                                 {"profile", network(), "--runs", "1", "--json"},
                                                 {"detect", network(), path("picture.jpg"), "--json"}}) {
    const Finished finished = run(command);
    EXPECT_EQ(finished.status, 0) << finished.err;
    Json json;
    ASSERT_NO_THROW(json = Json::parse(finished.out)) << command[0];
    EXPECT_TRUE(json.is_object());
  }
  const Json profile = Json::parse(run({"profile", network(), "--runs", "1", "--json"}).out);
  EXPECT_GT(profile.at("nodes").size(), 100u);
  int64_t macs = 0;
  for (const Json& node : profile.at("nodes")) macs += node.at("macs").get<int64_t>();
  EXPECT_EQ(profile.at("macs"), macs);
}

// What a caller on a board must give, whatever this machine's kernels and threads.
TEST_F(ModelFileTest, InfoAndProfileStateOneArena) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  const Json info = Json::parse(run({"info", network(), "--json"}).out);
  EXPECT_EQ(info.at("target"), "esp32p4");
  EXPECT_EQ(info.at("inputs").at(0).at("shape"), Json({1, 320, 320, 3}));
  for (const Words& more : {Words{}, Words{"--isa", "portable", "--threads", "1"}}) {
    Words words = {"profile", network(), "--runs", "1", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const Json memory = Json::parse(run(words).out).at("memory");
    EXPECT_EQ(memory.at("arena_bytes"), info.at("arena_bytes"));
    EXPECT_EQ(memory.at("table_bytes"), info.at("memory").at("table_bytes"));
  }
}

TEST_F(ModelFileTest, InfoIsTheSameEachTime) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  const Finished first = run({"info", network()});
  EXPECT_THAT(first.out, HasSubstr("input "));
  EXPECT_EQ(run({"info", network()}).out, first.out);
  // What it prints names no place, so that it can be compared between machines.
  EXPECT_THAT(first.out, testing::Not(HasSubstr(shared_root())));
}

TEST_F(ModelFileTest, RunSaysWhatIsWrongWithItsInput) {
  SHRIKE_NEEDS_SHARED(kNetwork);
  write("short.bin", "12345");
  const std::string short_file = path("short.bin");
  expect_one_sentence(run({"run", network(), "--input", "imags=" + short_file}), 1,
                      {"no input 'imags'", "'images'"});
  expect_one_sentence(run({"run", network(), "--input", "images=" + short_file}), 1,
                      {"short.bin", "5 bytes", "307200"});
  expect_one_sentence(run({"run", network(), "--input", "images=" + path("missing.bin")}), 1,
                      {"missing.bin"});
  expect_one_sentence(run({"run", network(), "--input", "images"}), 2, {"NAME=FILE"});
  expect_one_sentence(run({"run", network(), "--target", "esp8266"}), 2,
                      {"esp8266", "esp32p4", "esp32s3 or esp32"});
  expect_one_sentence(run({"run", network(), "--target", "esp32s3"}), 1,
                      {"made for esp32p4", "esp32s3 was asked for", "--force-target"});
  // By force the chip is another one, which has no such filters.
  expect_one_sentence(run({"run", network(), "--target", "esp32s3", "--force-target"}), 1,
                      {"no filters with an exponent per channel"});
  expect_one_sentence(run({"run", network(), "--isa", "mmx"}), 1, {"mmx", "portable"});
  expect_one_sentence(run({"run", network(), "--output", short_file}), 1, {"short.bin", "folder"});
  expect_one_sentence(run({"profile", network(), "--internal-ram", "3Q"}), 2, {"'3Q'"});
  EXPECT_EQ(read_text(short_file), "12345");
}

}  // namespace
}  // namespace shrike::tests
