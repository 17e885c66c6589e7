// Commands of the shell.
#pragma once
#include <string>

namespace shrike {

// The text as one word of a command.
std::string quoted(const std::string& text);

// Runs the command; what it prints, errors included, ends up behind `output`. Returns its exit status, 128
// when a signal ended it. Throws Error when no shell can be started.
int run_command(const std::string& command, std::string& output);

}  // namespace shrike
