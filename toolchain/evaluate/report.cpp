#include "toolchain/evaluate/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "toolchain/support/web_page.h"

namespace shrike::evaluate {
namespace {

constexpr const char* kStyle = R"css(
:root { color-scheme: light dark; --text: #1b1f24; --dim: #5b6470; --back: #ffffff; --panel: #f4f6f8;
  --line: #d5dae0; --half: #2563eb; --quarters: #7c3aed; --mean: #d97706; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ee; --dim: #98a2b0; --back: #14171c; --panel: #1d2229; --line: #353c47;
    --half: #60a5fa; --quarters: #a78bfa; --mean: #f59e0b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, figcaption { color: var(--dim); margin: .25rem 0; overflow-wrap: anywhere; } a { color: var(--half); }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .9rem; }
.card b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; } .card span { color: var(--dim); }
.scroll { overflow: auto; max-height: 34rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem 1.2rem .2rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 500; position: sticky; top: 0; background: var(--back); }
th:first-child, td:first-child { text-align: left; }
svg { display: block; width: 100%; max-width: 40rem; height: auto; } svg text { fill: var(--dim); font-size: 12px; }
svg path { fill: none; stroke-width: 2; } .grid { stroke: var(--line); stroke-width: 1; }
.half { stroke: var(--half); background: var(--half); } .quarters { stroke: var(--quarters); background: var(--quarters); }
.mean { stroke: var(--mean); background: var(--mean); }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: 3px; margin: 0 .35rem 0 1rem;
  vertical-align: -1px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; } img { width: 100%; height: auto; border-radius: 6px; display: block; }
)css";

std::string base64(const std::vector<uint8_t>& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) bits = bits << 8 | (j < count ? bytes[i + j] : 0u);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[bits >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::string table_html(const ReportTable& table) {
  std::string html = "<h2>" + html_text(table.title) + "</h2>\n<div class=\"scroll\"><table>\n<tr>";
  for (const std::string& head : table.heads) html += "<th scope=\"col\">" + html_text(head) + "</th>";
  html += "</tr>\n";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (const std::string& cell : row) html += "<td>" + html_text(cell) + "</td>";
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

// The plot's own units.
constexpr double kLeft = 44, kTop = 12, kWidth = 540, kHeight = 300;

std::string path_html(const char* kind, const std::array<double, 101>& curve) {
  std::string path;
  for (size_t i = 0; i < curve.size(); ++i) {
    if (curve[i] < 0) return "";  // no label of any category
    path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", kLeft + kWidth * static_cast<double>(i) / 100,
                        kTop + kHeight * (1 - curve[i]));
  }
  return fmt::format("<path class=\"{}\" d=\"{}\"/>\n", kind, path);
}

std::string curves_html(const std::string& what, const PrecisionCurves& curves) {
  std::string html = fmt::format(
      "<h2>Precision and recall of {}</h2>\n<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Precision "
      "over "
      "recall of {}\">\n",
      html_text(what), kLeft + kWidth + 16, kTop + kHeight + 44, html_text(what));
  for (int i = 0; i <= 5; ++i) {
    const double share = i / 5.0, x = kLeft + kWidth * share, y = kTop + kHeight * (1 - share);
    html += fmt::format(
        "<line class=\"grid\" x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\"/><text x=\"{3}\" y=\"{4}\" "
        "text-anchor=\"end\">{5:.1f}</text>\n",
        kLeft, y, kLeft + kWidth, kLeft - 6, y + 4, share);
    html += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{:.1f}</text>\n", x,
                        kTop + kHeight + 18, share);
  }
  html += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">recall</text>\n", kLeft + kWidth / 2,
                      kTop + kHeight + 38);
  html += path_html("half", curves.half) + path_html("quarters", curves.three_quarters) +
          path_html("mean", curves.mean);
  return html +
         "</svg>\n<p class=\"key\">Precision, mean over the classes:<i class=\"half\"></i>overlap of 0.50<i "
         "class=\"quarters\"></i>0.75<i class=\"mean\"></i>mean of 0.50 to 0.95</p>\n";
}

std::string pictures_html(const Report& report) {
  if (report.pictures.empty()) return "";
  std::string html = fmt::format(
      "<h2>Worst pictures</h2>\n<p>Most labels missed and most boxes that are no label's, with scores above "
      "{:.2f} at an "
      "overlap of 0.50. White: labels.</p>\n<div class=\"pictures\">\n",
      report.picture_score);
  for (const ReportPicture& picture : report.pictures) {
    html += "<figure><img alt=\"" + html_text(picture.name) + "\" src=\"data:image/jpeg;base64," +
            base64(picture.jpeg) + "\"><figcaption>" + html_text(picture.name) + ": " +
            html_text(picture.remark) + "</figcaption></figure>\n";
  }
  return html + "</div>\n";
}

}  // namespace

std::string to_page(const Report& report) {
  std::string page = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  // The page asks for nothing from anywhere, and the browser holds it to that.
  page +=
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "img-src data:\">\n";
  page += "<title>Evaluation of " + html_text(report.file) + "</title>\n<style>";
  page += kStyle;
  page += "</style>\n</head>\n<body>\n<h1>Evaluation of " + html_text(report.file) + "</h1>\n";
  page += "<p>" + html_text(report.engine) + ", " + html_text(report.mode) + " mode, on " +
          html_text(report.data) + "</p>\n";
  for (const std::string& remark : report.remarks) page += "<p>" + html_text(remark) + "</p>\n";
  if (report.integer) page += web_page_paragraph(report.file);
  page += "<div class=\"cards\">\n";
  for (const auto& [name, value] : report.figures) {
    page += "<div class=\"card\"><b>" + html_text(value) + "</b><span>" + html_text(name) + "</span></div>\n";
  }
  page += "</div>\n";
  for (const auto& [what, curves] : report.curves) page += curves_html(what, curves);
  for (const ReportTable& table : report.tables) page += table_html(table);
  page += pictures_html(report);
  return page + "</body>\n</html>\n";
}

}  // namespace shrike::evaluate
