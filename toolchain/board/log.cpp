#include "toolchain/board/log.h"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace shrike::board {
namespace {

// Without colours and carriage returns.
std::string plain(const std::string& line) {
  std::string result;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\r') continue;
    if (line[i] == '\x1b' && i + 1 < line.size() && line[i + 1] == '[') {
      while (i + 1 < line.size() && std::isalpha(static_cast<unsigned char>(line[i])) == 0) ++i;
      continue;
    }
    result += line[i];
  }
  return result;
}

template <typename Number>
bool read_number(const std::string& text, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

// What follows `prefix` in a line that has it; nothing otherwise.
std::optional<std::string> after(const std::string& line, const std::string& prefix) {
  const size_t at = line.find(prefix);
  if (at == std::string::npos) return std::nullopt;
  return line.substr(at + prefix.size());
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// "12.0" as node and output.
bool read_place(const std::string& word, int& node, int& output) {
  const size_t point = word.find('.');
  return point != std::string::npos && read_number(word.substr(0, point), node) &&
         read_number(word.substr(point + 1), output);
}

class Reader {
 public:
  Log read(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) take(plain(line));
    return std::move(log_);
  }

 private:
  void take(const std::string& line) {
    if (const auto own = after(line, "SHRIKE ")) {
      take_own(*own);
    } else if (!take_row(line)) {
      take_test(line);
    }
  }

  // Words "key=value" up to the first that is none; the rest is a name.
  static std::string keys(std::istringstream& words, std::map<std::string, std::string>& values) {
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      const bool known = word.starts_with("us=") || word.starts_with("sha256=") ||
                         word.starts_with("bytes=") || word.starts_with("backend=") ||
                         word.starts_with("seed=");
      if (!known) {
        std::string rest;
        std::getline(words, rest);
        return word + rest;
      }
      values[word.substr(0, equals)] = word.substr(equals + 1);
    }
    return "";
  }

  void take_own(const std::string& line) {
    std::istringstream words(line);
    std::string kind, place;
    words >> kind;
    LoggedLayer layer;
    if (kind == "values" || kind == "layer") {
      if (!(words >> place) || !read_place(place, layer.node, layer.output)) return;
    }
    if (kind == "values") return take_values(layer, words);
    std::map<std::string, std::string> values;
    const std::string name = keys(words, values);
    if (kind == "model") {
      log_.layers.clear();
      log_.outputs.clear();
      log_.values.clear();
      log_.seed.reset();
      log_.complete = false;
      log_.backend = values["backend"];
      log_.model_sha256 = values["sha256"];
      read_number(values["bytes"], log_.model_bytes);
    }
    if (kind == "input") {
      uint64_t seed = 0;
      if (read_number(values["seed"], seed)) log_.seed = seed;
    }
    if (kind == "layer") {
      if (values.contains("us")) read_number(values["us"], layer.microseconds);
      layer.sha256 = values["sha256"];
      log_.layers.push_back(layer);
    }
    // Outputs of a picture come after the end of the run on generated input.
    if (kind == "output" && log_.seed && !log_.complete) log_.outputs.push_back({name, values["sha256"]});
    if (kind == "end") log_.complete = true;
  }

  void take_values(const LoggedLayer& layer, std::istringstream& words) {
    size_t offset = 0;
    std::string digits;
    std::vector<uint8_t>& bytes = log_.values[{layer.node, layer.output}];
    if (!(words >> offset >> digits) || offset != bytes.size()) return;
    for (size_t i = 0; i + 1 < digits.size(); i += 2) {
      unsigned value = 0;
      if (!read_number(digits.substr(i, 2), value, 16)) return;
      bytes.push_back(static_cast<uint8_t>(value));
    }
  }

  // "| name | type | 123us |"
  bool take_row(const std::string& line) {
    const size_t begin = line.find("| "), end = line.rfind(" |");
    if (begin == std::string::npos || end == std::string::npos || end < begin + 2) return false;
    std::vector<std::string> cells;
    std::string row = line.substr(begin + 2, end - begin - 2);
    for (size_t at; (at = row.find(" | ")) != std::string::npos; row = row.substr(at + 3))
      cells.push_back(trimmed(row.substr(0, at)));
    cells.push_back(trimmed(row));
    if (cells.size() != 3) return true;
    if (cells[2] == "latency") log_.times.clear();
    LoggedTime time{cells[0], cells[1], 0};
    const bool total = cells[0] == "total" && cells[1].empty();
    if (!total && cells[2].ends_with("us") &&
        read_number(cells[2].substr(0, cells[2].size() - 2), time.microseconds))
      log_.times.push_back(time);
    return true;
  }

  void take_test(const std::string& line) {
    if (const auto name = after(line, "Testing output ")) {
      if (std::any_of(log_.tests.begin(), log_.tests.end(),
                      [&](const LoggedTest& test) { return test.output + "." == trimmed(*name); }))
        log_.tests.clear();  // the board started again
      std::string output = trimmed(*name);
      if (output.ends_with('.')) output.pop_back();
      log_.tests.push_back({output, true, ""});
    }
    if (log_.tests.empty()) return;
    LoggedTest& test = log_.tests.back();
    if (const auto values = after(line, "Inconsistent values, ")) {
      test.passed = false;
      test.difference = values->substr(0, values->find(", epsilon"));
    }
    if (const auto place = after(line, "The position is: ")) test.difference += " at " + trimmed(*place);
    for (const char* what : {"data type not equal: ", "shape not equal: ", "exponent not equal: "}) {
      if (const auto values = after(line, what)) {
        test.passed = false;
        test.difference = what + trimmed(*values);
      }
    }
    if (line.find("does not match") != std::string::npos) test.passed = false;
  }

  Log log_;
};

}  // namespace

Log parse_log(const std::string& text) {
  return Reader().read(text);
}

}  // namespace shrike::board
