// An analysis for people and for programs.
#pragma once
#include <string>
#include <vector>

#include "toolchain/analyze/analyze.h"

namespace shrike::analyze {

enum class Rows { kComputing, kAll };

// Tables in the form that users of ESP-PPQ know: sorted from large to small, bars of 20 blocks between the
// table's smallest and largest value, per cent with three decimals.
// The noise that arrives at a layer is judged behind its activation function where it has one.
std::string graphwise_table(const Analysis& analysis, Rows rows);
std::string layerwise_table(const Analysis& analysis);
// The `count` layers where one more bit takes most off the mean noise at the outputs.
std::string bits_table(const Analysis& analysis, size_t count);
std::string tensor_table(const Analysis& analysis);

struct Row {
  std::string name;
  double ratio = 0;
  std::string more;  // further columns
};
// `header` names the further columns.
std::string noise_table(std::vector<Row> rows, const std::string& header = "");

// One table for spreadsheets: "graphwise", "layerwise", "bits" or "tensors"; ratios as plain numbers, in file
// order.
std::string to_csv(const Analysis& analysis, const std::string& table, Rows rows);

std::string to_json(const Analysis& analysis, int indent = 2);
// One HTML file that needs nothing else.
std::string to_page(const Analysis& analysis);

}  // namespace shrike::analyze
