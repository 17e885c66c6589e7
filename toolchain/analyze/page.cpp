#include "toolchain/analyze/page_template.h"
#include "toolchain/analyze/report.h"
#include "toolchain/support/web_page.h"

namespace shrike::analyze {

std::string to_page(const Analysis& analysis) {
  // In a script element only "</" and "<!" could end or change the data; JSON may escape the '<'.
  std::string data;
  for (const char c : to_json(analysis, -1)) {
    if (c == '<') {
      data += "\\u003c";
    } else {
      data += c;
    }
  }
  std::string page = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  // The page asks for nothing from anywhere, and the browser holds it to that.
  page +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "script-src 'unsafe-inline'\">\n";
  page += "<title>Quantisation analysis</title>\n<style>";
  page += kPageStyle;
  page += "</style>\n</head>\n";
  page += kPageBody;
  page += web_page_paragraph(analysis.file);
  page += "<script type=\"application/json\" id=\"data\">" + data + "</script>\n<script>";
  page += kPageScript;
  return page + "</script>\n</body>\n</html>\n";
}

}  // namespace shrike::analyze
