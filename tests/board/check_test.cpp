// Logs of boards: read as a monitor shows them, compared with this machine, and used to price the cost model.
#include "toolchain/board/check.h"

#include <gmock/gmock.h>

#include "shrike_check.h"
#include "tests/board/small_files.h"
#include "toolchain/cost/prices.h"
#include "toolchain/host/tensors.h"
#include "toolchain/support/error.h"
#include "toolchain/support/sha256.h"

namespace shrike::board::tests {
namespace {

using testing::HasSubstr;

const std::vector<uint8_t>& file() {
  static const std::vector<uint8_t> bytes = file_with(kDetect, Target::kEsp32p4, "{}");
  return bytes;
}

std::string fingerprint(const std::vector<uint8_t>& bytes) {
  return sha256(bytes.data(), bytes.size());
}

// What the component prints on a board that runs `bytes`.
std::string board_log(const std::vector<uint8_t>& bytes, int32_t shown_node = -1) {
  host::IntegerModel model = host::IntegerModel::from_bytes(bytes, "board");
  esp::CheckOptions options;
  options.shown_node = shown_node;
  options.microseconds = [] {
    static int64_t now = 0;
    return now += 1500;
  };
  testing::internal::CaptureStdout();
  const Status status = esp::print_check(model.model(), bytes.data(), bytes.size(), options);
  const std::string text = testing::internal::GetCapturedStdout();
  EXPECT_TRUE(status.ok()) << status.detail;
  return text;
}

Check check(const std::string& log) {
  host::IntegerModel model = host::IntegerModel::from_bytes(file(), "small.espdl");
  return check_log(model, fingerprint(file()), parse_log(log), "board.log");
}

TEST(CheckBoard, FindsEveryTensorEqualOnAGoodBoard) {
  const Check result = check(board_log(file()));
  EXPECT_FALSE(result.other_file);
  EXPECT_EQ(result.compared, 11);
  EXPECT_EQ(result.differing, 0);
  EXPECT_FALSE(result.first.has_value());
  ASSERT_EQ(result.times.size(), 11u);
  EXPECT_DOUBLE_EQ(result.times[0].measured, 1.5);
  EXPECT_GT(*result.times[0].estimated, 0);
}

TEST(CheckBoard, NamesTheLayerOfAFlippedWeightAndTheElement) {
  constexpr int32_t kNode = 2;
  const std::vector<uint8_t> damaged = with_flipped_weight(file(), kNode);
  const Check result = check(board_log(damaged, kNode));
  EXPECT_TRUE(result.other_file);
  ASSERT_TRUE(result.first.has_value());
  EXPECT_EQ(result.first->node, kNode);
  EXPECT_EQ(result.first->node_type, "Conv");

  // The element by another way: both files on the same input.
  host::IntegerOptions options;
  options.keep = KeepTensors::kAll;
  host::IntegerModel good = host::IntegerModel::from_bytes(file(), "good", options);
  host::IntegerModel bad = host::IntegerModel::from_bytes(damaged, "bad", options);
  for (host::IntegerModel* model : {&good, &bad}) {
    host::fill_inputs(model->model(), 1);
    model->run();
  }
  const TensorView here = good.model().node_output(kNode, 0), there = bad.model().node_output(kNode, 0);
  int64_t first = 0;
  while (host::element(here, first) == host::element(there, first)) ++first;
  EXPECT_THAT(result.first->element,
              HasSubstr("element " + host::coordinate_text(here.shape, first) + " is " +
                        host::element_text(here, first) + " here and " + host::element_text(there, first)));
}

TEST(CheckBoard, ReadsALogAsAMonitorShowsIt) {
  std::string log =
      "I (312) main_task: Calling app_main()\r\nSHRIKE model backend=shrike bytes=1 sha256=0\r\n"
      "SHRIKE layer 0.0 us=1 sha256=ffff old\r\nesp-rom: the board started again\r\n";
  for (const char c : board_log(file())) {
    if (c == '\n') log += "\x1b[0m\r";
    log += c;
    if (c == '\n') log += "\x1b[0;32m";
  }
  EXPECT_EQ(check(log).differing, 0);
  EXPECT_EQ(check(log).compared, 11);
}

TEST(CheckBoard, NamesTheLayerBehindAFailedTestOfEspDl) {
  const Check result = check(
      "I (900) dl::Model: \nI (901) dl::Model: Testing output box0.\nI (902) dl::Model: Testing output "
      "score1.\n"
      "E (903) compare_elements: Inconsistent values, ground truth: 3.0000000000, infer: 4.0000000000, "
      "epsilon:0.0000000000\nE (903) compare_elements: The position is: [0, 1, 2, 1]\n"
      "E (904) dl::Model: Test output score1 does not match\n");
  EXPECT_EQ(result.compared, 2);
  EXPECT_EQ(result.differing, 1);
  ASSERT_TRUE(result.first.has_value());
  EXPECT_EQ(result.first->tensor, "score1");
  EXPECT_EQ(result.first->node_type, "Conv");
  EXPECT_EQ(result.first->element, "ground truth: 3.0000000000, infer: 4.0000000000 at [0, 1, 2, 1]");
}

TEST(CheckBoard, PutsTheTimesOfEspDlsProfileBesideTheEstimate) {
  host::IntegerModel model = host::IntegerModel::from_bytes(file(), "small.espdl");
  const std::string name = host::to_string(model.model().node_name(1));
  const Check result =
      check("+------+------+---------+\n| name | type | latency |\n+------+------+---------+\n| " + name +
            "     | Conv | 1234us  |\n| total |      | 99999us |\n");
  ASSERT_EQ(result.times.size(), 1u);
  EXPECT_EQ(result.times[0].node, 1);
  EXPECT_DOUBLE_EQ(result.times[0].measured, 1.234);
}

TEST(CheckBoard, RefusesALogWithoutARun) {
  for (const std::string text :
       {"", "I (1) boot: ESP-IDF\n", "\xff\xfe\n| a | b | 1us |\n", "SHRIKE layer x us=\n"}) {
    SCOPED_TRACE(text);
    EXPECT_THROW(check(text), Error);
  }
}

TEST(Prices, AreFoundAgainInTimesThatFollowThem) {
  const Prices truth = {0.3, 2.0, 1.5, 0.25, 4.0, 50e3, 65536};
  std::vector<quantize::Measured> nodes;
  for (int i = 1; i <= 40; ++i) {
    quantize::Work work;
    work.macs = 1e6 * (i % 7);
    work.streamed_macs = 1e5 * (i % 5);
    work.depthwise_macs = 1e5 * (i % 3);
    work.moved_bytes = 1e4 * (i % 11);
    work.spilled_bytes = 1e3 * (i % 4);
    work.calls = 1;
    nodes.push_back({work, quantize::milliseconds(work, truth)});
  }
  const Prices found = quantize::fit_prices(nodes, {1, 1, 1, 1, 1, 1, 65536});
  EXPECT_NEAR(found.mac, truth.mac, 1e-6);
  EXPECT_NEAR(found.streamed_mac, truth.streamed_mac, 1e-4);
  EXPECT_NEAR(found.depthwise_mac, truth.depthwise_mac, 1e-4);
  EXPECT_NEAR(found.moved_byte, truth.moved_byte, 1e-4);
  EXPECT_NEAR(found.spilled_byte, truth.spilled_byte, 1e-3);
  EXPECT_NEAR(found.call, truth.call, 1);
}

TEST(Prices, StayWhereNoNodeHasTheTermAndNeverFallBelowZero) {
  std::vector<quantize::Measured> nodes;
  for (int i = 1; i <= 20; ++i) {
    quantize::Work work;
    work.macs = i;
    work.calls = 1;
    nodes.push_back({work, i == 1 ? 5.0 : 1.0});  // more work, less time
  }
  const Prices found = quantize::fit_prices(nodes, {1, 7, 8, 9, 10, 11, 65536});
  EXPECT_EQ(found.mac, 0);
  EXPECT_EQ(found.streamed_mac, 7);
  EXPECT_EQ(found.depthwise_mac, 8);
  EXPECT_GT(found.call, 0);
}

}  // namespace
}  // namespace shrike::board::tests
