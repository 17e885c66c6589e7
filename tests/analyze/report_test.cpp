#include "toolchain/analyze/report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/analyze/small_network.h"

namespace shrike::analyze::tests {
namespace {

TEST(NoiseTable, IsSortedWithBarsBetweenItsOwnLimits) {
  const std::string table = noise_table({{"/model.0/conv/Conv", 0.01, ""}, {"b", 0.05, ""}, {"c", 0.03, ""}});
  EXPECT_EQ(table,
            "Layer               | NOISE:SIGNAL POWER RATIO\n"
            "b:                  | ████████████████████ | 5.000%\n"
            "c:                  | ██████████           | 3.000%\n"
            "/model.0/conv/Conv: |                      | 1.000%\n");
}

TEST(NoiseTable, EqualRowsKeepTheirOrderAndHaveNoBar) {
  const std::string table = noise_table({{"first", 0.5, ""}, {"second", 0.5, ""}});
  EXPECT_LT(table.find("first"), table.find("second"));
  EXPECT_EQ(table.find("█"), std::string::npos);
}

TEST(NoiseTable, WithoutRowsIsItsHeader) {
  EXPECT_EQ(noise_table({}), "Layer | NOISE:SIGNAL POWER RATIO\n");
}

class Report : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    const graph::Graph graph = two_convolutions(0.7f, 0.9f);
    analysis_ = new Analysis(run(graph, write_file(graph, {-7, -5, -6}), even_images(2, -1, 1)));
    analysis_->model = "</script><b>model.onnx";
    analysis_->target = "esp32p4";
  }
  static void TearDownTestSuite() {
    delete analysis_;
    analysis_ = nullptr;
  }
  static Analysis* analysis_;
};
Analysis* Report::analysis_ = nullptr;

TEST_F(Report, LayerwiseTableHasAColumnPerOutput) {
  std::istringstream table(layerwise_table(*analysis_));
  std::string header, row;
  std::getline(table, header);
  std::getline(table, row);
  EXPECT_NE(header.find("|       out"), std::string::npos) << header;
  EXPECT_EQ(std::count(row.begin(), row.end(), '|'), 3) << row;
}

TEST_F(Report, GraphwiseTableListsComputingOrAll) {
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  EXPECT_EQ(lines(graphwise_table(*analysis_, Rows::kComputing)), 1 + 2);
  EXPECT_EQ(lines(graphwise_table(*analysis_, Rows::kAll)), 1 + 3);
}

TEST_F(Report, CsvHasTheTablesAsTheyStandInTheFile) {
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  const std::string graphwise = to_csv(*analysis_, "graphwise", Rows::kComputing);
  EXPECT_EQ(lines(graphwise), 1 + 2);
  EXPECT_EQ(graphwise.find("layer,tensor,op,noise_to_signal,noise_behind_activation\nfirst,middle,Conv,"),
            0u);
  EXPECT_EQ(lines(to_csv(*analysis_, "graphwise", Rows::kAll)), 1 + 3);
  EXPECT_EQ(to_csv(*analysis_, "layerwise", Rows::kComputing).find("layer,op,mean,out\n"), 0u);
  EXPECT_EQ(lines(to_csv(*analysis_, "bits", Rows::kComputing)), 1 + 2);
  EXPECT_EQ(lines(to_csv(*analysis_, "tensors", Rows::kComputing)), 1 + 3);
}

TEST_F(Report, BitsTableIsLedByTheLargestGain) {
  const std::string table = bits_table(*analysis_, 1);
  const LayerReport& first = analysis_->layers[0];
  const LayerReport& second = analysis_->layers[1];
  EXPECT_NE(table.find(first.gain_of_bit() > second.gain_of_bit() ? "first" : "second"), std::string::npos);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
}

TEST_F(Report, TensorTableHasARowPerTensor) {
  const std::string table = tensor_table(*analysis_);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 4);
}

TEST_F(Report, JsonHoldsEverything) {
  const nlohmann::json json = nlohmann::json::parse(to_json(*analysis_));
  EXPECT_EQ(json["images"], 2);
  EXPECT_EQ(json["inputs"][0]["name"], "images");
  EXPECT_EQ(json["inputs"][0]["shape"], (std::vector<int64_t>{1, 3, kSize, kSize}));
  EXPECT_EQ(json["outputs"][0]["name"], "out");
  EXPECT_DOUBLE_EQ(json["outputs"][0]["noise_to_signal"], analysis_->output_noise[0]);
  EXPECT_DOUBLE_EQ(json["mean_output_noise"], analysis_->output_noise[0]);
  ASSERT_EQ(json["tensors"].size(), 3u);
  const nlohmann::json& middle = json["tensors"][1];
  EXPECT_EQ(middle["tensor"], "middle");
  EXPECT_EQ(middle["layer"], "first");
  EXPECT_EQ(middle["bits"], 8);
  EXPECT_EQ(middle["exponent"], -5);
  EXPECT_EQ(middle["computing"], true);
  EXPECT_EQ(middle["histogram"]["integers_per_bin"], 2);
  int64_t counted = 0, floats = middle["histogram"]["float_below"].get<int64_t>();
  for (const auto& count : middle["histogram"]["quantized"]) counted += count.get<int64_t>();
  for (const auto& count : middle["histogram"]["float"]) floats += count.get<int64_t>();
  floats += middle["histogram"]["float_above"].get<int64_t>();
  EXPECT_EQ(counted, 2 * 3 * kSize * kSize);
  EXPECT_EQ(floats, counted);
  for (const char* key : {"min", "max", "mean", "deviation"})
    EXPECT_TRUE(middle["float"].contains(key)) << key;
  for (const char* key : {"saturated", "clipped", "bits_used", "noise_to_signal", "shape", "op"})
    EXPECT_TRUE(middle.contains(key)) << key;
  ASSERT_EQ(json["layers"].size(), 2u);
  const nlohmann::json& layer = json["layers"][0];
  EXPECT_DOUBLE_EQ(layer["outputs"]["out"], layer["noise_to_signal"]);
  EXPECT_NEAR(layer["one_more_bit"]["input"].get<double>() + layer["one_more_bit"]["weights"].get<double>() +
                  layer["one_more_bit"]["output"].get<double>(),
              layer["one_more_bit"]["all"], 1e-12);
  EXPECT_LE(layer["one_more_bit"]["all"].get<double>(), layer["noise_to_signal"].get<double>());
}

TEST_F(Report, ThePageIsSelfContainedAndNamesCanNotBreakIt) {
  const std::string page = to_page(*analysis_);
  // Nothing is fetched; a link to the page that runs files is for the reader to follow.
  for (const char* loader : {"src=", "<link", "url(", "import ", "fetch(", "XMLHttpRequest"})
    EXPECT_EQ(page.find(loader), std::string::npos) << loader;
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  // The model's name holds "</script>": it must not end the data.
  EXPECT_EQ(page.find("</script><b>"), std::string::npos);
  EXPECT_NE(page.find("\\u003c/script>\\u003cb>model.onnx"), std::string::npos);
}

}  // namespace
}  // namespace shrike::analyze::tests
