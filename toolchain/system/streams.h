// The standard streams, whatever state the program was started with, and the words that it was started with.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace shrike {

// To be called before anything else. Descriptors 0 to 2 that are closed are opened on /dev/null, so that no
// file of ours gets their numbers and receives what is printed; writing to a standard output that was closed
// fails. From here on nothing that is written to `stderr` can fail: notes and progress are dropped when their
// disk is full or their reader is gone, the work goes on. A reader that has gone and a limit on the size of
// files become errors of the write (no SIGPIPE, no SIGXFSZ), so that the sentence is said and temporary files
// are removed.
void prepare_standard_streams();

// What main() was given, in UTF-8.
std::vector<std::string> words_of_command_line(int count, char** arguments);

// Ends the process at once, with these words on standard error and exit status 1. Takes no memory.
[[noreturn]] void end_with(std::string_view words);

// Whether somebody watches what is written to standard error.
bool error_is_terminal();

// Flushes standard output; false when something of it was lost.
bool standard_output_is_written();

}  // namespace shrike
