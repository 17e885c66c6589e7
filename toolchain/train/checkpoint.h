// What a run needs to go on where it stopped: numbers and texts by name, in one file.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "toolchain/train/optimizer.h"

namespace shrike::train {

struct Checkpoint {
  std::map<std::string, std::string> texts;
  std::map<std::string, Values> values;
  std::map<std::string, double> numbers;
};

// Written beside and renamed: a kill leaves the old or the new one.
void save_checkpoint(const Checkpoint& checkpoint, const std::string& path);
// Throws Error naming the file when it is missing, damaged or of another kind.
Checkpoint load_checkpoint(const std::string& path);
// The same from what the file at `path` holds.
Checkpoint parse_checkpoint(const std::string& file, const std::string& path);

// Throws Error when there is nothing at `path` to go on from: to be asked before other work.
void require_checkpoint(const std::string& path);

// On standard error, behind how many steps the run was interrupted and how it goes on: to be said before the
// signal that asked for it ends the process (SignalsAsk).
void say_interrupted(int64_t steps);

}  // namespace shrike::train
