#include "toolchain/host/link_map.h"

#include <sstream>

#include "toolchain/support/error.h"

namespace shrike::host {
namespace {

// "Archive member included ...": a line with the member, then an indented one "wanted by (symbol)"; both on
// one line when the first is short.
void read_members(std::istringstream& lines, LinkMap& map) {
  std::string line, member;
  while (std::getline(lines, line)) {
    if (line.rfind("Discarded input sections", 0) == 0 || line.rfind("Memory Configuration", 0) == 0) return;
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (first.empty()) continue;
    if (line[0] != ' ') {
      member = first;
      if (!second.empty()) map.members.push_back({member, second, third});
    } else {
      map.members.push_back({member, first, second});
    }
  }
}

// " .text.name  0xaddress  0xsize object", broken behind the name when that is long.
void read_sections(std::istringstream& lines, LinkMap& map) {
  std::string line, name;
  while (std::getline(lines, line)) {
    if (line.size() < 2 || line[0] != ' ') continue;
    std::istringstream words(line);
    std::string first, address, size, object;
    if (line[1] != ' ') {
      words >> name;
      if (name == "*fill*") continue;
      if (!(words >> address)) continue;
    } else {
      words >> address;
    }
    words >> size;
    std::getline(words >> std::ws, object);
    const bool is_section = !name.empty() && address.rfind("0x", 0) == 0 && size.rfind("0x", 0) == 0;
    if (is_section && !object.empty()) {
      const uint64_t bytes = std::stoull(size, nullptr, 16);
      if (bytes > 0) map.sections.push_back({name, object, bytes});
    }
    name.clear();
  }
}

}  // namespace

uint64_t LinkMap::bytes(const std::string& object, const std::vector<std::string>& names) const {
  uint64_t sum = 0;
  for (const LinkedSection& section : sections) {
    if (section.object.find(object) == std::string::npos) continue;
    for (const std::string& name : names) {
      if (section.name == name || section.name.rfind(name + ".", 0) == 0) {
        sum += section.bytes;
        break;
      }
    }
  }
  return sum;
}

LinkMap parse_link_map(const std::string& text, const std::string& path) {
  std::istringstream lines(text);
  LinkMap map;
  std::string line;
  while (std::getline(lines, line) && line.rfind("Archive member included", 0) != 0) {
  }
  read_members(lines, map);
  while (std::getline(lines, line) && line.rfind("Linker script and memory map", 0) != 0) {
  }
  read_sections(lines, map);
  if (map.sections.empty()) fail("'{}' is not a map file of GNU ld: it lists no linked sections", path);
  return map;
}

}  // namespace shrike::host
