// The search's memory on disk: a file of JSON lines to which every judgement is appended as soon as it is
// made, so that a search that was killed goes on where it stopped, and one with another budget starts from
// what is known.
#pragma once
#include <fstream>
#include <map>
#include <string>

#include "toolchain/search/auto_bench.h"

namespace shrike::quantize {

class AutoJournal {
 public:
  // Opens or creates `path`. `inputs` says what the judgements depend on (AutoBench::inputs). A file of other
  // inputs is replaced when its search had finished; when it had not, throws Error, because hours may be in
  // it. A last line that was cut short is dropped.
  AutoJournal(const std::string& path, const std::string& inputs);

  const Judgement* find(const std::string& trial) const;
  void add(const std::string& trial, const Judgement& judgement);
  // Marks the search as finished. The file stays.
  void finish();

 private:
  void append(const std::string& line);

  std::string path_;
  std::map<std::string, Judgement> known_;
  bool finished_ = false;
  std::ofstream file_;
};

}  // namespace shrike::quantize
