// A headless Chromium that is driven by its debugging protocol over a pair of pipes: files chosen, keys
// pressed, the page asked, its console listened to.
#pragma once
#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace shrike::tests {

// A program of that kind, empty when none is installed.
std::string browser_program();

class Browser {
 public:
  // Opens `url` in a new browser that keeps its files in `folder`. Throws std::runtime_error, as all calls
  // do.
  Browser(const std::string& folder, const std::string& url);
  ~Browser();
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  // Value of a JavaScript expression; a promise is waited for.
  nlohmann::json evaluate(const std::string& expression);
  // Waits until the expression is true; a test that waits two minutes fails.
  void wait_for(const std::string& expression);
  // Puts a file into an <input type="file">, as the dialogue of the browser does.
  void choose_file(const std::string& selector, const std::string& path);
  // "Tab", "Enter", "ArrowRight", ...
  void press(const std::string& key);
  void set_dark(bool dark);
  void set_width(int width, int height);
  void save_screenshot(const std::string& path);

  // Errors and warnings of the console, and exceptions that nobody caught.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  nlohmann::json call(const std::string& method, nlohmann::json parameters = nlohmann::json::object());
  nlohmann::json receive();
  void listen(const nlohmann::json& event);

  pid_t process_ = -1;
  int to_ = -1, from_ = -1;
  int next_ = 0;
  std::string session_, buffer_;
  std::vector<std::string> complaints_;
};

}  // namespace shrike::tests
