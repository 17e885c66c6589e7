// Versions of ESP-DL: what is written for an older one, and where it is told.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/cli/pictures.h"
#include "tests/cli/program.h"
#include "tests/cli/tiny_network.h"
#include "toolchain/support/files.h"

namespace shrike::tests {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

class EspDlTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    make_folder("images");
    write("images/a.jpg", rgb_jpeg(16, 16));
    write("tiny.onnx", tiny_network());
  }
  Finished quantize(const Words& more) const {
    Words all = {"quantize", path("tiny.onnx"), "--calib", path("images"), "-o", path("y.espdl"), "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
  }
  json info() const { return json::parse(run({"info", path("y.espdl"), "--json"}).out); }
};

TEST_F(EspDlTest, TheNewestTakesExponentsPerChannel) {
  const Finished finished = quantize({});
  EXPECT_THAT(finished.out, HasSubstr("ESP-DL 3.3.2 or newer (for 3.3.9)"));
  EXPECT_EQ(info()["esp_dl"], (json{{"oldest", "3.3.2"}}));
  EXPECT_EQ(json::parse(read_text(path("y.json")))["origin"]["esp_dl"], "3.3.9");
  EXPECT_THAT(run({"info", path("y.espdl")}).out, HasSubstr("ESP-DL 3.3.2 or newer\n"));
}

TEST_F(EspDlTest, AnOlderOneGetsOneALayerAndItsNameInTheFile) {
  const Finished finished = quantize({"--esp-dl", "3.3.1"});
  EXPECT_THAT(finished.out, HasSubstr("ESP-DL 3.3.0 or newer (for 3.3.1)"));
  EXPECT_EQ(info()["esp_dl"], (json{{"oldest", "3.3.0"}, {"version", "3.3.1"}}));
  EXPECT_EQ(info()["metadata"]["esp_dl"], "3.3.1");
  EXPECT_EQ(json::parse(read_text(path("y.json")))["origin"]["esp_dl"], "3.3.1");
  EXPECT_THAT(run({"info", path("y.espdl")}).out, HasSubstr("ESP-DL 3.3.0 or newer (written for 3.3.1)\n"));
}

TEST_F(EspDlTest, UnknownAndImpossibleAreRefused) {
  expect_one_sentence(quantize({"--esp-dl", "3.2.3"}), 2, {"from 3.3.0 to 3.3.9", "'3.2.3'"});
  expect_one_sentence(quantize({"--esp-dl", "3.3.0", "--weight-exponents", "channel"}), 1,
                      {"weight-exponents", "3.3.2 or newer"});
}

}  // namespace
}  // namespace shrike::tests
