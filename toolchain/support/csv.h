// Tables for spreadsheets (RFC 4180, with line ends as all other output has them).
#pragma once
#include <string>
#include <vector>

namespace shrike {

// One line with its end; fields with commas, quotes or line ends stand in quotes.
inline std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (i > 0) line += ',';
    if (fields[i].find_first_of(",\"\r\n") == std::string::npos) {
      line += fields[i];
      continue;
    }
    line += '"';
    for (const char c : fields[i]) line += c == '"' ? std::string("\"\"") : std::string(1, c);
    line += '"';
  }
  return line + "\n";
}

}  // namespace shrike
