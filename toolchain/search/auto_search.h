// Search over settings and 16-bit layers for the least error at the outputs that a budget allows.
//
// 1. Options: alternatives of calibration, alignment and exponent search, first as cheap trials (formats and
// plain
//    rounding), the most promising through the whole pipeline; one is adopted when it lowers the error
//    clearly.
// 2. Screening: every layer alone at 16 bit.
// 3. Combining: again and again the layer whose gain is greatest for its share of the budget moves to 16 bit.
// Its
//    gain and its cost are measured on the network as it then is, RequantizeLinear borders included.
// 4. Confirming: the whole pipeline for some stages of the way. The table and the choice rest on these alone.
//
// Judged is Judgement::error, by the integer runtime, on calibration images that no fit has
// seen. Nothing depends on the number of threads, on the clock, or on whether the search was interrupted.
#pragma once
#include <string>
#include <vector>

#include "toolchain/pipeline/quantize.h"
#include "toolchain/search/auto_candidates.h"
#include "toolchain/search/auto_judge.h"
#include "toolchain/search/budget.h"

namespace shrike::quantize {

struct AutoOptions {
  Budget budget;
  int judge_images = 32;
  std::string journal;  // path
};

// One network that went through the whole pipeline.
struct AutoRow {
  std::vector<Option> options;  // that differ from the start's
  int wide_layers = 0;          // 16-bit layers, activations not counted
  Judgement judgement;
  Settings settings;
  bool allowed = false;    // within the budget
  bool dominated = false;  // another row is no worse in error, time and size, and better in one
};

struct AutoResult {
  std::vector<AutoRow> rows;  // row 0: the start; then by rising cost
  size_t chosen = 0;          // least error within the budget
  Limits limits;
  std::vector<std::string> output_names;
  size_t trials = 0, remembered = 0;  // judgements made, and those that the journal held
  std::vector<std::string> notes;     // sentences for the user

  const Settings& settings() const { return rows[chosen].settings; }
};

AutoResult auto_search(const std::string& model_path, const std::string& calibration_folder,
                       const Settings& settings, const AutoOptions& options, const PhaseProgress& progress);

}  // namespace shrike::quantize
