#include "toolchain/espdl/library_version.h"

#include <algorithm>
#include <charconv>

#include "toolchain/support/error.h"

namespace shrike::espdl {
namespace {

// "3.3.2" and nothing else; false for other texts.
bool parse(const std::string& text, LibraryVersion& version) {
  const char* next = text.data();
  const char* const end = text.data() + text.size();
  for (int* part : {&version.major, &version.minor, &version.patch}) {
    if (part != &version.major && (next == end || *next++ != '.')) return false;
    const auto [rest, error] = std::from_chars(next, end, *part);
    if (error != std::errc() || *part < 0) return false;
    next = rest;
  }
  return next == end;
}

}  // namespace

const std::vector<LibraryRow>& library_rows() {
  static const std::vector<LibraryRow> rows = {
      {{3, 3, 0}, false, false, "the oldest whose integers are known"},
      {{3, 3, 2}, true, false, "an exponent for each output channel of a filter"},
      {{3, 3, 8}, true, true, "the nearest entry of a 16-bit table, where older ones interpolate"},
      {{3, 3, 9}, true, true, "the newest that is known"}};
  return rows;
}

LibraryVersion oldest_library() {
  return library_rows().front().since;
}

LibraryVersion newest_library() {
  return library_rows().back().since;
}

const LibraryRow& row_of(LibraryVersion version) {
  const std::vector<LibraryRow>& rows = library_rows();
  const auto next =
      std::find_if(rows.begin() + 1, rows.end(), [&](const LibraryRow& row) { return row.since > version; });
  return *(next - 1);
}

std::string to_string(LibraryVersion version) {
  return fmt::format("{}.{}.{}", version.major, version.minor, version.patch);
}

LibraryVersion parse_library_version(const std::string& text) {
  LibraryVersion version;
  if (parse(text, version) && version >= oldest_library() && version <= newest_library()) return version;
  std::string changes;
  for (const LibraryRow& row : library_rows())
    changes += fmt::format("{}{}: {}", changes.empty() ? "" : "; ", to_string(row.since), row.change);
  fail("esp-dl: a version from {} to {} was expected, got '{}'; what it computes is not known here ({})",
       to_string(oldest_library()), to_string(newest_library()), text, changes);
}

LibraryVersion oldest_library_with(bool channel_exponents, bool stepped_tables) {
  const std::vector<LibraryRow>& rows = library_rows();
  return std::find_if(rows.begin(), rows.end(),
                      [&](const LibraryRow& row) {
                        return (row.channel_exponents || !channel_exponents) &&
                               (row.nearest_entries || !stepped_tables);
                      })
      ->since;
}

LibraryVersion library_of(const graph::Graph& graph) {
  const auto found = graph.metadata.find(kLibraryKey);
  return found == graph.metadata.end() ? newest_library() : parse_library_version(found->second);
}

void set_library(graph::Graph& graph, LibraryVersion version) {
  graph.metadata.erase(kLibraryKey);
  if (version != newest_library()) graph.metadata[kLibraryKey] = to_string(version);
}

}  // namespace shrike::espdl
