// The cost model against what Espressif publishes (spec/runtime-and-vision.md, Tables 1 and 3): it is as good
// as its header promises.
#include "toolchain/cost/cost_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/shared_data.h"
#include "toolchain/host/integer_model.h"

namespace shrike::quantize {
namespace {

struct PublishedNetwork {
  const char* file;
  double milliseconds;  // Table 1
};

double estimate(const std::string& file, Target target) {
  host::IntegerOptions options;
  options.target = host::target_name(target);
  options.threads = 1;
  const host::IntegerModel model =
      host::IntegerModel::open(tests::shared_root() + "/golden/" + file, options);
  return estimate_latency(model.model(), target)->milliseconds;
}

// Each estimate within `worst`, all of them within `root_mean_square` of what is published, in per cent.
void expect_within(const std::vector<PublishedNetwork>& networks, Target target, double worst,
                   double root_mean_square) {
  double squares = 0;
  for (const PublishedNetwork& network : networks) {
    const double error = 100 * (estimate(network.file, target) / network.milliseconds - 1);
    EXPECT_LT(std::fabs(error), worst) << network.file;
    squares += error * error;
  }
  EXPECT_LT(std::sqrt(squares / static_cast<double>(networks.size())), root_mean_square);
}

TEST(CostModel, IsWithinFourteenPerCentOfThePublishedNetworksOnEsp32p4) {
  SHRIKE_NEEDS_SHARED("golden/zoo/models");
  expect_within({{"zoo/models/esp32p4_coco_detect_yolo11n_320_s8_v1.espdl", 550.1},
                 {"zoo/models/esp32p4_coco_detect_yolo11n_s8_v1.espdl", 2535.3},
                 {"zoo/models/esp32p4_coco_pose_yolo11n_pose_s8_v2.espdl", 2720.1},
                 {"zoo/models/esp32p4_espdet_pico_224_224_cat.espdl", 47.5},
                 {"zoo/models/esp32p4_human_face_detect_msr_s8_v1.espdl", 13.1},
                 {"zoo/models/esp32p4_human_face_feat_mfn_s8_v1.espdl", 93.0},
                 {"zoo/models/esp32p4_mobilenetv2_0_5_128_128_gesture.espdl", 26.5},
                 {"zoo/models/esp32p4_pedestrian_detect_pico_s8_v1.espdl", 55.6},
                 {"zoo/models/esp32p4_pp_ocr_v6_det_s8.espdl", 2334.0}},
                Target::kEsp32p4, 14.5, 7.5);
}

TEST(CostModel, IsWithinSevenPerCentOfThePublishedNetworksOnEsp32s3) {
  SHRIKE_NEEDS_SHARED("golden/zoo/models");
  expect_within({{"zoo/models/esp32s3_coco_detect_yolo11n_s8_v1.espdl", 26014.2},
                 {"net/yolo11n_320_esp32s3_s8.espdl", 6161.8},
                 {"zoo/models/esp32s3_espdet_pico_224_224_cat.espdl", 123.9},
                 {"zoo/models/esp32s3_human_face_detect_mnp_s8_v1.espdl", 5.8},
                 {"zoo/models/esp32s3_person_reid_feat_osn_s8_v1.espdl", 110.0}},
                Target::kEsp32s3, 7.5, 4.5);
}

struct PublishedKernel {
  const char* name;
  Convolution convolution;  // channels in and out, taps, pixels in and out
  bool depthwise;
  double esp32p4, esp32s3;  // microseconds, Table 3, vector unit
};

const PublishedKernel kKernels[] = {
    {"1x1, 16 to 32, 20x20", {16, 32, 1, 400, 400}, false, 289, 422},
    {"3x3 stride 2, 32 to 16, 19x23", {32, 16, 9, 437, 120}, false, 421, 482},
    {"5x5 stride 2, 16 to 32, 22x22", {16, 32, 25, 484, 121}, false, 666, 974},
    {"3x3, 22 to 33, 19x23", {22, 33, 9, 437, 437}, false, 2517, 3447},
    {"depthwise 3x3, 32, 100x50", {32, 32, 9, 5000, 98 * 48}, true, 2333, 5542},
    {"depthwise 7x7 stride 1 and 2, 25, 20x20", {25, 25, 49, 400, 18 * 9}, true, 660, 918},
};

double kernel_deviation(const PublishedKernel& kernel, Target target, double published) {
  const Work work =
      kernel.depthwise ? depthwise_work(kernel.convolution) : dense_work(kernel.convolution, target);
  return 100 * (1000 * milliseconds(work, target) / published - 1);
}

// Timed with cold caches, which a whole network does not have.
TEST(CostModel, TakesSingleKernelsForFasterOnEsp32p4AndIsNearOnEsp32s3) {
  for (const PublishedKernel& kernel : kKernels) {
    SCOPED_TRACE(kernel.name);
    const double p4 = kernel_deviation(kernel, Target::kEsp32p4, kernel.esp32p4);
    EXPECT_LT(p4, 0);
    EXPECT_GT(p4, -40.5);
    EXPECT_LT(std::fabs(kernel_deviation(kernel, Target::kEsp32s3, kernel.esp32s3)), 23.5);
  }
}

TEST(CostModel, ArithmeticTakesMoreThanTwiceAsLongAt16Bit) {
  const Convolution narrow{64, 64, 9, 1600, 1600, 8};
  Convolution wide = narrow;
  wide.bits = 16;
  for (const Target target : {Target::kEsp32p4, Target::kEsp32s3}) {
    EXPECT_DOUBLE_EQ(dense_work(wide, target).macs, 2.27 * dense_work(narrow, target).macs);
    EXPECT_DOUBLE_EQ(dense_work(wide, target).moved_bytes, 2 * dense_work(narrow, target).moved_bytes);
    EXPECT_GT(milliseconds(dense_work(wide, target), target),
              2 * milliseconds(dense_work(narrow, target), target));
  }
}

TEST(CostModel, KnowsNoTimesForChipsWithoutPublishedOnes) {
  SHRIKE_NEEDS_SHARED("golden/zoo/models");
  EXPECT_FALSE(has_cost_model(Target::kEsp32));
  host::IntegerOptions options;
  options.threads = 1;
  const host::IntegerModel model = host::IntegerModel::open(
      tests::shared_root() + "/golden/zoo/models/esp32p4_espdet_pico_224_224_cat.espdl", options);
  EXPECT_FALSE(estimate_latency(model.model(), Target::kEsp32).has_value());
}

TEST(CostModel, GivesEveryNodeItsShare) {
  SHRIKE_NEEDS_SHARED("golden/zoo/models");
  host::IntegerOptions options;
  options.threads = 1;
  const host::IntegerModel model = host::IntegerModel::open(
      tests::shared_root() + "/golden/zoo/models/esp32p4_espdet_pico_224_224_cat.espdl", options);
  const Latency latency = *estimate_latency(model.model(), Target::kEsp32p4);
  ASSERT_EQ(latency.nodes.size(), static_cast<size_t>(model.model().node_count()));
  double sum = 0;
  for (const double node : latency.nodes) {
    EXPECT_GE(node, 0);
    sum += node;
  }
  EXPECT_DOUBLE_EQ(sum, latency.milliseconds);
}

}  // namespace
}  // namespace shrike::quantize
