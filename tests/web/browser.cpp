#include "tests/web/browser.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <thread>

namespace shrike::tests {
namespace {

using nlohmann::json;

constexpr int kReads = 3, kWrites = 4;  // where --remote-debugging-pipe expects its pipes
constexpr std::chrono::seconds kLongest{120};

// In the child, right after fork().
[[noreturn]] void become_browser(const std::string& program, const std::string& folder, int reads,
                                 int writes) {
  // Out of the way of the two numbers first.
  reads = ::fcntl(reads, F_DUPFD, 10);
  writes = ::fcntl(writes, F_DUPFD, 10);
  ::dup2(reads, kReads);
  ::dup2(writes, kWrites);
  const int nowhere = ::open("/dev/null", O_RDWR);
  for (int stream = 0; stream < 3; ++stream) ::dup2(nowhere, stream);
  const std::string profile = "--user-data-dir=" + folder;
  ::execlp(program.c_str(), program.c_str(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
           "--no-first-run", "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--remote-debugging-pipe", "--use-fake-device-for-media-stream",
           "--use-fake-ui-for-media-stream", profile.c_str(), static_cast<char*>(nullptr));
  ::_exit(127);
}

std::string decode_base64(const std::string& text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    static const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = kDigits.find(c);
    if (digit == std::string::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>(bits >> (count -= 8));
  }
  return bytes;
}

struct Key {
  int code;
  const char* text;
};
const std::map<std::string, Key> kKeys = {{"Tab", {9, ""}},
                                          {"Enter", {13, "\r"}},
                                          {"Space", {32, " "}},
                                          {"ArrowLeft", {37, ""}},
                                          {"ArrowRight", {39, ""}}};

}  // namespace

std::string browser_program() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system(("command -v " + std::string(name) + " >/dev/null 2>&1").c_str()) == 0) return name;
  }
  return "";
}

Browser::Browser(const std::string& folder, const std::string& url) {
  int down[2], up[2];
  if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
  const std::string program = browser_program();
  process_ = ::fork();
  if (process_ == 0) {
    ::setpgid(0, 0);
    become_browser(program, folder, down[0], up[1]);
  }
  ::close(down[0]);
  ::close(up[1]);
  to_ = down[1];
  from_ = up[0];
  ::signal(SIGPIPE, SIG_IGN);
  const std::string target = call("Target.createTarget", {{"url", "about:blank"}}).at("targetId");
  session_ = call("Target.attachToTarget", {{"targetId", target}, {"flatten", true}}).at("sessionId");
  for (const char* domain : {"Page", "Runtime", "Log", "DOM"}) call(domain + std::string(".enable"));
  set_width(1280, 1000);
  call("Page.navigate", {{"url", url}});
  wait_for("document.readyState === 'complete'");
}

Browser::~Browser() {
  ::close(to_);
  ::close(from_);
  ::kill(-process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

json Browser::call(const std::string& method, json parameters) {
  json message = {{"id", ++next_}, {"method", method}, {"params", std::move(parameters)}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string text = message.dump();
  for (size_t sent = 0; sent <= text.size();) {  // the NUL at the end too
    const ssize_t count = ::write(to_, text.c_str() + sent, text.size() + 1 - sent);
    if (count <= 0) throw std::runtime_error("the browser has ended");
    sent += static_cast<size_t>(count);
  }
  for (;;) {
    json answer = receive();
    if (answer.contains("method")) listen(answer);
    if (answer.value("id", 0) != next_) continue;
    if (answer.contains("error")) throw std::runtime_error(method + ": " + answer["error"].dump());
    return answer.at("result");
  }
}

json Browser::receive() {
  size_t end = 0;
  while ((end = buffer_.find('\0')) == std::string::npos) {
    pollfd waits{from_, POLLIN, 0};
    char part[65536];
    const ssize_t count = ::poll(&waits, 1, kLongest / std::chrono::milliseconds(1)) == 1
                              ? ::read(from_, part, sizeof part)
                              : 0;
    if (count <= 0) throw std::runtime_error("the browser says nothing");
    buffer_.append(part, static_cast<size_t>(count));
  }
  json message = json::parse(buffer_.substr(0, end));
  buffer_.erase(0, end + 1);
  return message;
}

void Browser::listen(const json& event) {
  const std::string method = event.at("method");
  const json& what = event.at("params");
  if (method == "Runtime.exceptionThrown") complaints_.push_back(what.dump());
  if (method == "Runtime.consoleAPICalled") {
    const std::string type = what.at("type");
    if (type == "error" || type == "warning" || type == "assert") complaints_.push_back(what.dump());
  }
  if (method == "Log.entryAdded") {
    const std::string level = what.at("entry").at("level");
    if (level == "error" || level == "warning") complaints_.push_back(what.dump());
  }
}

json Browser::evaluate(const std::string& expression) {
  const json answer =
      call("Runtime.evaluate", {{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}});
  if (answer.contains("exceptionDetails"))
    throw std::runtime_error(expression + ": " + answer["exceptionDetails"].dump());
  return answer.at("result").value("value", json());
}

void Browser::wait_for(const std::string& expression) {
  const auto begin = std::chrono::steady_clock::now();
  while (evaluate(expression) != true) {
    if (std::chrono::steady_clock::now() - begin > kLongest)
      throw std::runtime_error("never came true: " + expression);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void Browser::choose_file(const std::string& selector, const std::string& path) {
  const json root = call("DOM.getDocument").at("root").at("nodeId");
  const json node = call("DOM.querySelector", {{"nodeId", root}, {"selector", selector}}).at("nodeId");
  // Chromium reads no path with `..` in it.
  const std::string plain = std::filesystem::canonical(path).string();
  call("DOM.setFileInputFiles", {{"files", {plain}}, {"nodeId", node}});
}

void Browser::press(const std::string& key) {
  const Key& known = kKeys.at(key);
  json event = {{"type", *known.text == '\0' ? "rawKeyDown" : "keyDown"},
                {"key", key == "Space" ? " " : key},
                {"code", key},
                {"windowsVirtualKeyCode", known.code}};
  if (*known.text != '\0') event["text"] = known.text;
  call("Input.dispatchKeyEvent", event);
  event["type"] = "keyUp";
  event.erase("text");
  call("Input.dispatchKeyEvent", event);
}

void Browser::set_dark(bool dark) {
  call("Emulation.setEmulatedMedia",
       {{"features", {{{"name", "prefers-color-scheme"}, {"value", dark ? "dark" : "light"}}}}});
}

void Browser::set_width(int width, int height) {
  call("Emulation.setDeviceMetricsOverride",
       {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", false}});
}

void Browser::save_screenshot(const std::string& path) {
  const json answer = call("Page.captureScreenshot", {{"format", "png"}, {"captureBeyondViewport", true}});
  std::ofstream(path, std::ios::binary) << decode_base64(answer.at("data"));
}

}  // namespace shrike::tests
