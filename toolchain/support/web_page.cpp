#include "toolchain/support/web_page.h"

#include <filesystem>

#include "toolchain/system/library.h"

namespace shrike {
namespace {

namespace fs = std::filesystem;

// build/bin/shrike has it in build/web, an installed bin/shrike in share/shrike.
fs::path find_page() {
  std::error_code error;
  const fs::path folder = program_folder();
  for (const char* place : {"web/shrike.html", "share/shrike/shrike.html"}) {
    const fs::path page = folder.parent_path() / place;
    if (!folder.empty() && fs::exists(page, error)) return page;
  }
  return {};
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string web_page_paragraph(const std::string& file) {
  const fs::path page = find_page();
  const std::string name = html_text(fs::path(file).filename().generic_string());
  if (page.empty())
    return "<p>Build the page in the browser with “make web” to see " + name + " at work.</p>\n";
  const std::string place = page.generic_string();
  return "<p>See " + name + " at work: drop it on <a href=\"file://" + (place.front() == '/' ? "" : "/") +
         html_text(place) + "\">the page in the browser</a>.</p>\n";
}

}  // namespace shrike
