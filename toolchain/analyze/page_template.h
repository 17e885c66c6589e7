// The fixed parts of the report page.
#pragma once

namespace shrike::analyze {

extern const char* const kPageStyle;   // CSS
extern const char* const kPageBody;    // HTML from <body> to the data
extern const char* const kPageScript;  // draws everything from the data

}  // namespace shrike::analyze
