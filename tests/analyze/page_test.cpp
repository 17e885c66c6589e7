// The report page in a real browser, where one is installed: it must draw itself without a word in the
// console.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/analyze/small_network.h"
#include "toolchain/analyze/report.h"
#include "toolchain/support/files.h"

namespace shrike::analyze::tests {
namespace {

namespace fs = std::filesystem;

std::string browser() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0) return name;
  }
  return "";
}

class Page : public ::testing::Test {
 protected:
  void SetUp() override {
    if (browser().empty()) GTEST_SKIP() << "needs a browser: apt-get install chromium";
    folder_ = fs::temp_directory_path() / ("shrike_page_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    const graph::Graph graph = two_convolutions(0.7f, 0.9f);
    Options options;
    options.every_tensor = true;
    Analysis analysis = run(graph, write_file(graph, {-7, -5, -6}), even_images(2, -1, 1), options);
    analysis.model = "</script><script>console.error('escaped')</script>.onnx";
    write_file_atomically((folder_ / "page.html").string(), to_page(analysis));
  }
  void TearDown() override {
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  // Runs the browser and gives back what it prints: the document after its scripts, or the log.
  std::string run_browser(const std::string& arguments, const std::string& redirect) const {
    const std::string command =
        "timeout 60 " + browser() +
        " --headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking "
        "--disable-component-update --disable-sync --hide-scrollbars --user-data-dir=" +
        (folder_ / "profile").string() + " " + arguments + " file://" + (folder_ / "page.html").string() +
        " " + redirect;
    std::string text;
    FILE* pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return text;
    char buffer[4096];
    for (size_t count; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, count);
    ::pclose(pipe);
    return text;
  }

  static size_t occurrences(const std::string& text, const std::string& word) {
    size_t count = 0;
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
    return count;
  }

  fs::path folder_;
};

TEST_F(Page, DrawsTablesMapAndHistogram) {
  const std::string document = run_browser("--dump-dom", "2>/dev/null");
  EXPECT_NE(document.find("data-ready=\"yes\""), std::string::npos) << "the script did not reach its end";
  // Two computing rows graphwise; input and two layers layerwise.
  EXPECT_EQ(occurrences(document, "<tr data-tensor="), 2u + 3u);
  EXPECT_EQ(occurrences(document, "aria-sort=\"descending\""), 2u);
  EXPECT_NE(document.find("aria-label=\"exponents along the network\""), std::string::npos);
  EXPECT_NE(document.find("aria-label=\"histogram of "), std::string::npos);
}

TEST_F(Page, SortsFiltersAndFollowsClicks) {
  // Given a reader who sorts by layer, shows every tensor, filters and clicks a row.
  std::string page = read_text((folder_ / "page.html").string());
  page.insert(page.rfind("</body>"), R"(<script>
const names = id => [...document.querySelectorAll("#" + id + " tbody td:first-child")].map(cell => cell.textContent);
const report = [];
report.push(names("layerwise").join());
document.querySelector("#layerwise th button").click();
report.push(names("layerwise").join());
document.querySelector("#layerwise th button").click();
report.push(names("layerwise").join());
document.getElementById("graphwise-all").click();
report.push(names("graphwise").length);
document.getElementById("graphwise-filter").value = "MIDD";
document.getElementById("graphwise-filter").dispatchEvent(new Event("input"));
report.push(names("graphwise").join());
document.querySelector("#graphwise tbody tr").click();
report.push(document.getElementById("tensor").value);
document.body.dataset.report = report.join(" | ");
</script>)");
  write_file_atomically((folder_ / "page.html").string(), page);
  const std::string document = run_browser("--dump-dom", "2>/dev/null");
  const size_t begin = document.find("data-report=\"");
  ASSERT_NE(begin, std::string::npos) << document.substr(0, 500);
  const std::string report = document.substr(begin + 13, document.find('"', begin + 13) - begin - 13);
  // Then the layers come by noise first, then by name up and down.
  EXPECT_TRUE(report.ends_with(" | first,images,second | second,images,first | 3 | middle | middle"))
      << report;
}

TEST_F(Page, SaysNothingInTheConsole) {
  const fs::path picture = folder_ / "page.png";
  const std::string log =
      run_browser("--enable-logging=stderr --window-size=1400,2400 --screenshot=" + picture.string(), "2>&1");
  EXPECT_EQ(log.find("CONSOLE"), std::string::npos) << log;
  ASSERT_TRUE(fs::exists(picture)) << log;
  EXPECT_GT(fs::file_size(picture), 20'000u);  // an empty page is a few kilobytes
}

}  // namespace
}  // namespace shrike::analyze::tests
