// What is said when the work can't even be ended properly.
#pragma once

namespace shrike {

// From here on an exception that nobody can catch (a library's function that promises not to throw and finds
// no memory, a thread of a library) ends the process with a sentence, exit status 1 and without temporary
// files instead of by abort().
void install_last_words();

}  // namespace shrike
