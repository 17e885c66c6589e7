// The search's memory on disk: a file of JSON lines to which every judgement is appended as soon as it is
// made, so that a search that was killed goes on where it stopped, and one with another budget starts from
// what is known.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "toolchain/search/auto_judge.h"
#include "toolchain/system/locked_file.h"

namespace shrike::quantize {

// What all judgements of a search have in common.
struct JudgementShape {
  // A line that differs is damaged.
  size_t outputs = 0;  // of the network; 0: not known
  bool timed = true;   // the chip has a cost model
  // engine::float_path(): judgements of others are never mixed in, because they differ in the last bits. A
  // file of another path is treated as one of other inputs.
  std::string float_path = {};
};

class AutoJournal {
 public:
  // Opens or creates `path` and locks it (flock) as long as this object lives; throws Error when another
  // search has it. `inputs` says what the judgements depend on (AutoJudge::inputs): every line ends with the
  // beginning of the SHA-256 of it and the line, so that neither a damaged line nor one of another search is
  // believed. Damaged lines are cut, which notes() tells; a last line that was cut short is dropped. A file
  // of other inputs is replaced when its search had finished; when it had not, or when it is no journal,
  // throws Error.
  AutoJournal(const std::string& path, const std::string& inputs, const JudgementShape& shape = {});

  const Judgement* find(const std::string& trial) const;
  // On the disk when it returns.
  void add(const std::string& trial, const Judgement& judgement);
  // Marks the search as finished. The file stays.
  void finish();
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  void append(const std::string& line);

  std::string path_, inputs_;
  std::map<std::string, Judgement> known_;
  bool finished_ = false;
  LockedFile file_;
  std::vector<std::string> notes_;
};

}  // namespace shrike::quantize
