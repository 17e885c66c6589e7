// What an evaluation found, as one page of HTML that needs nothing beside it and runs no script.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "toolchain/evaluate/run.h"

namespace shrike::evaluate {

struct ReportTable {
  std::string title;
  std::vector<std::string> heads;              // of the columns
  std::vector<std::vector<std::string>> rows;  // the first cell is a name, the others are numbers
};

struct ReportPicture {
  std::string name, remark;
  std::vector<uint8_t> jpeg;
};

struct Report {
  std::string file, engine, data, mode;
  std::vector<std::string> remarks;                          // sentences
  std::vector<std::pair<std::string, std::string>> figures;  // the most important ones: name and value
  std::vector<ReportTable> tables;
  std::vector<std::pair<std::string, PrecisionCurves>> curves;  // by what is measured
  double picture_score = 0;                                     // the pictures show boxes of greater scores
  std::vector<ReportPicture> pictures;                          // worst first
  bool integer = false;                                         // the file is an .espdl file
};

std::string to_page(const Report& report);

// The `count` pictures with most faults at `score` (those without any are left out), with their labels in
// white and their detections in colour.
std::vector<ReportPicture> worst_pictures(const Folder& folder, const std::vector<Detection>& detections,
                                          Measure measure, double score, size_t count);

}  // namespace shrike::evaluate
