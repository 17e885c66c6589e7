// The page in the browser (docs/web.md), for reports that point to it.
#pragma once
#include <string>

namespace shrike {

// A paragraph of HTML: where `file` can be seen at work. A link where the page was built or installed beside
// the program, else how to get it.
std::string web_page_paragraph(const std::string& file);
// Text that stands for itself in HTML.
std::string html_text(const std::string& text);

}  // namespace shrike
