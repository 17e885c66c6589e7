// Comments cite the specification ("spec/numerics.md 3.1"); whoever follows a citation must find the section.
// And a file that HACKING.md names must exist, or its walks lead nowhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace shrike {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

const fs::path kRoot = SHRIKE_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A citation often runs over the end of a line of comment: line ends and comment leaders become one space.
std::string as_one_line(const std::string& text) {
  return std::regex_replace(text, std::regex("[ \t]*\n[ \t]*(//|#|\\*)?[ \t]*"), " ");
}

struct Citation {
  std::string file;                   // "numerics.md"
  std::vector<std::string> sections;  // "3.1", "B8", "Table 2"; none when the file as a whole is cited
};

// What "first to last" stands for beyond `first`: 5 and 6 for "4 to 6", only the end for "6.2-6.4".
std::vector<std::string> sections_up_to(const std::string& first, const std::string& last) {
  std::vector<std::string> sections;
  const bool whole = (first + last).find_first_not_of("0123456789") == std::string::npos;
  for (int i = whole ? std::stoi(first) + 1 : 0; whole && i < std::stoi(last); ++i)
    sections.push_back(std::to_string(i));
  sections.push_back(last);
  return sections;
}

// All citations of `text`: "spec/FILE.md", then perhaps "section" or "sections", then numbers joined by
// commas, slashes, "and" or "to", then perhaps tables.
std::vector<Citation> citations(const std::string& text) {
  const std::string number = "([A-D]?[0-9]+(?:\\.[0-9]+)*)";
  const std::regex file("spec/([a-z-]+\\.md)");
  const std::regex first("^`?,?(?: part)?(?: sections?)? " + number);
  const std::regex next("^(, and |, | / | and |; | to |-)" + number + "(?![0-9]*[a-zA-Z])");
  const std::regex first_table("^`?,?(?: and)? Tables? ([0-9]+)");
  const std::regex next_table("^(?:, | and )([0-9]+)");
  const std::string line = as_one_line(text);
  std::vector<Citation> found;
  for (std::sregex_iterator match(line.begin(), line.end(), file), end; match != end; ++match) {
    Citation citation{(*match)[1], {}};
    std::string rest = match->suffix();
    rest.resize(std::min<size_t>(rest.size(), 120));
    std::smatch part;
    if (std::regex_search(rest, part, first)) {
      citation.sections.push_back(part[1]);
      rest = part.suffix();
      while (std::regex_search(rest, part, next)) {
        if (part[1] == " to " || part[1] == "-") {
          const std::vector<std::string> range = sections_up_to(citation.sections.back(), part[2]);
          citation.sections.insert(citation.sections.end(), range.begin(), range.end());
        } else {
          citation.sections.push_back(part[2]);
        }
        rest = part.suffix();
      }
    }
    if (std::regex_search(rest, part, first_table)) {
      citation.sections.push_back("Table " + part[1].str());
      rest = part.suffix();
      while (std::regex_search(rest, part, next_table)) {
        citation.sections.push_back("Table " + part[1].str());
        rest = part.suffix();
      }
    }
    found.push_back(citation);
  }
  return found;
}

// The numbers with which headings begin: "## 3. Conv" gives "3", "### 3.1 Rule" "3.1", "## Table 2" "Table
// 2".
std::set<std::string> headings(const std::string& text) {
  const std::regex heading("(?:^|\n)#+ ((?:Table )?[A-D]?[0-9]+(?:\\.[0-9]+)*)");
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), heading), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

bool is_text(const fs::path& path) {
  static const std::set<std::string> endings = {".cpp", ".h", ".c", ".txt", ".md", ".cmake", ".yaml", ".sh"};
  return endings.count(path.extension().string()) > 0;
}

std::vector<fs::path> texts_under(const std::vector<std::string>& folders) {
  std::vector<fs::path> paths;
  for (const std::string& folder : folders) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder))
      if (entry.is_regular_file() && is_text(entry.path())) paths.push_back(entry.path());
  }
  return paths;
}

TEST(Citations, AreReadOverLineEndsListsAndRanges) {
  const auto sections = [](const std::string& text) {
    const std::vector<Citation> found = citations(text);
    return found.size() == 1 ? found[0].sections : std::vector<std::string>{"not one citation"};
  };
  const std::string spec = "spec/";
  EXPECT_THAT(sections("// (" + spec + "numerics.md 3.2, 3.3, 3.5)"), ElementsAre("3.2", "3.3", "3.5"));
  EXPECT_THAT(sections("// Rows (" + spec + "numerics.md\n  // section 12)."), ElementsAre("12"));
  EXPECT_THAT(sections(spec + "espdl-format.md 6.2 / 6.3: layout"), ElementsAre("6.2", "6.3"));
  EXPECT_THAT(sections(spec + "numerics.md sections 3 to 6, the rest"), ElementsAre("3", "4", "5", "6"));
  EXPECT_THAT(sections(spec + "runtime-and-vision.md, Tables 1 and 3)"), ElementsAre("Table 1", "Table 3"));
  EXPECT_THAT(sections(spec + "runtime-and-vision.md, section 7 and Table 2)"), ElementsAre("7", "Table 2"));
  EXPECT_THAT(sections(spec + "importers.md B8, counted from 0"), ElementsAre("B8"));
  EXPECT_THAT(sections(spec + "numerics.md: no number"), IsEmpty());
}

TEST(Citations, LeadToAHeadingOfTheSpecification) {
  std::map<std::string, std::set<std::string>> known;  // file -> headings
  for (const auto& entry : fs::directory_iterator(kRoot / "spec"))
    known[entry.path().filename().string()] = headings(read(entry.path()));
  std::vector<std::string> broken;
  int count = 0;
  for (const fs::path& path : texts_under({"toolchain", "runtime", "cli", "tests", "firmware", "bench",
                                           "examples", "docs", "golden", "spec"})) {
    if (path == kRoot / "tests/docs/citations_test.cpp") continue;
    const std::string name = fs::relative(path, kRoot).string();
    for (const Citation& citation : citations(read(path))) {
      ++count;
      if (known.count(citation.file) == 0) broken.push_back(name + " cites spec/" + citation.file);
      for (const std::string& section : citation.sections)
        if (known.count(citation.file) != 0 && known[citation.file].count(section) == 0)
          broken.push_back(name + " cites spec/" + citation.file + " " + section);
    }
  }
  EXPECT_THAT(broken, IsEmpty());
  EXPECT_GT(count, 100);
}

// Paths in back quotes that begin with a folder of the repository. Patterns (with `*` or `<chip>`) are passed
// over.
TEST(Hacking, NamesFilesThatExist) {
  const std::string text = read(kRoot / "HACKING.md");
  const std::regex quoted(
      "`((?:toolchain|runtime|cli|tests|firmware|bench|examples|docs|golden|spec|scripts)/[^` ]*)`");
  std::vector<std::string> missing;
  int count = 0;
  for (std::sregex_iterator match(text.begin(), text.end(), quoted), end; match != end; ++match) {
    const std::string path = (*match)[1];
    ++count;
    if (path.find_first_of("*<{") == std::string::npos && !fs::exists(kRoot / path)) missing.push_back(path);
  }
  EXPECT_THAT(missing, IsEmpty());
  EXPECT_GT(count, 30);
}

}  // namespace
}  // namespace shrike
