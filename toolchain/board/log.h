// What boards print, as data: lines of a program that `shrike project` wrote (shrike_check.h of the ESP-IDF
// component), and ESP-DL's own test() and profile() (spec/board.md section 6). The text of a serial monitor:
// colours, prefixes of ESP_LOG and lines of others may stand between.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace shrike::board {

struct LoggedLayer {
  int node = 0, output = 0;
  int64_t microseconds = -1;  // below 0: not measured
  std::string sha256;
};
struct LoggedOutput {
  std::string name, sha256;
};
// An output that ESP-DL's test() compared.
struct LoggedTest {
  std::string output;
  bool passed = true;
  std::string difference;  // "expected 1.5, the board has 1.25 at [0, 1, 2, 3]", in ESP-DL's words where it
                           // has others
};
// A row of ESP-DL's profile().
struct LoggedTime {
  std::string node, type;
  int64_t microseconds = 0;
};

struct Log {
  std::string backend;  // "shrike", "esp-dl"; empty: no such lines
  uint64_t model_bytes = 0;
  std::string model_sha256;
  std::optional<uint64_t> seed;
  std::vector<LoggedLayer> layers;
  std::vector<LoggedOutput> outputs;                           // behind the seed
  std::map<std::pair<int, int>, std::vector<uint8_t>> values;  // of (node, output)
  bool complete = false;                                       // the run's last line is there
  std::vector<LoggedTest> tests;
  std::vector<LoggedTime> times;

  bool empty() const { return layers.empty() && outputs.empty() && tests.empty() && times.empty(); }
};

// A board that started again printed all of it again: the last run counts.
Log parse_log(const std::string& text);

}  // namespace shrike::board
