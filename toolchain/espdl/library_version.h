// Versions of ESP-DL, the library that runs files on the chip, and what each of them changed in the meaning
// of a file (spec/numerics.md section 16). A file is written for one of them; every newer one that is known
// here computes it alike.
#pragma once
#include <compare>
#include <string>
#include <vector>

#include "toolchain/graph/graph.h"

namespace shrike::espdl {

struct LibraryVersion {
  int major = 0, minor = 0, patch = 0;
  auto operator<=>(const LibraryVersion&) const = default;
};

// From this version on, until the next row: what the library can do.
struct LibraryRow {
  LibraryVersion since;
  bool channel_exponents;  // filters may have an exponent for each output channel; older ones misread them
  bool nearest_entries;    // 16-bit tables with steps give the nearest entry; older ones interpolate
  const char* change;      // as a phrase behind "3.3.2: "
};

// Oldest first; the first and the last are the oldest and the newest version that is known here.
const std::vector<LibraryRow>& library_rows();
LibraryVersion oldest_library();
LibraryVersion newest_library();
// The row that holds for a version between these two.
const LibraryRow& row_of(LibraryVersion version);

std::string to_string(LibraryVersion version);                  // "3.3.2"
LibraryVersion parse_library_version(const std::string& text);  // throws Error naming those that are known

// The oldest version that computes a file with these as it is meant.
LibraryVersion oldest_library_with(bool channel_exponents, bool stepped_tables);

// The version that a graph's file is written for travels in its metadata, and from there into the file's;
// nothing stands for the newest.
inline constexpr const char* kLibraryKey = "esp_dl";
LibraryVersion library_of(const graph::Graph& graph);  // throws Error for a text that is no known version
void set_library(graph::Graph& graph, LibraryVersion version);

}  // namespace shrike::espdl
