// Which files a command reads and which it writes. Asked before any work, so that no output destroys
// anything.
#pragma once
#include <string>
#include <vector>

namespace shrike {

struct PlannedOutput {
  std::string path;
  std::string option;  // for messages: "-o", "the formats beside -o"
  // For names that the command makes up itself: a JSON object is only replaced when one of these texts stands
  // near its beginning. Empty: whatever has the name is replaced.
  std::vector<std::string> marks = {};
};

struct CommandFiles {
  // Files; folders stand for the pictures, arrays and labels in and around them; an .espdl file and a
  // checkpointed model stand for what belongs to them, too. What is not there is passed over.
  std::vector<std::string> reads;
  std::vector<PlannedOutput> writes;
};

// Throws Error naming both sides when an output is the same file (device and inode) as something that the
// command reads, a file that a read file names (weights beside a model, pictures of a list), another output,
// or somebody else's JSON. Devices and pipes are written into, never replaced, so they may be given more than
// once. Then removes what runs that were killed have left half-written of the same outputs. Takes time in
// proportion to the number of files.
void guard_outputs(const CommandFiles& files);

// Whether the path is a device, a pipe or an open descriptor: it is written into, and has nothing beside it.
bool is_written_through(const std::string& path);

}  // namespace shrike
