#include "toolchain/cost/prices.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "toolchain/host/integer_model.h"
#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/json.h"

namespace shrike::quantize {
namespace {

constexpr size_t kTerms = 6;
constexpr double kLeastMilliseconds = 0.001;  // a board's clock counts microseconds

struct Term {
  const char* name;
  double Prices::*price;  // nanoseconds
  double Work::*work;
};
constexpr std::array<Term, kTerms> kModel = {
    {{"mac", &Prices::mac, &Work::macs},
     {"streamed_mac", &Prices::streamed_mac, &Work::streamed_macs},
     {"depthwise_mac", &Prices::depthwise_mac, &Work::depthwise_macs},
     {"moved_byte", &Prices::moved_byte, &Work::moved_bytes},
     {"spilled_byte", &Prices::spilled_byte, &Work::spilled_bytes},
     {"call", &Prices::call, &Work::calls}}};

struct Loaded {
  std::string path;
  BoardPrices board;
};

const std::optional<Loaded>& from_environment() {
  static const std::optional<Loaded> loaded = []() -> std::optional<Loaded> {
    const char* path = std::getenv(kPricesVariable);
    if (path == nullptr || *path == '\0') return std::nullopt;
    return Loaded{path, read_prices(path)};
  }();
  return loaded;
}

}  // namespace

BoardPrices read_prices(const std::string& path) {
  BoardPrices result;
  try {
    const nlohmann::json json = parse_json(read_text(path));
    result.target = host::parse_target(json.at("target"));
    result.origin = json.value("origin", "");
    for (const Term& term : kModel) {
      const double price = json.at("nanoseconds").at(term.name);
      if (!(price >= 0)) fail("'{}': the price of '{}' is below zero", path, term.name);
      result.prices.*term.price = price;
    }
    result.prices.weight_cache_bytes = json.at("weight_cache_bytes");
    if (!(result.prices.weight_cache_bytes > 0)) fail("'{}': weight_cache_bytes is not above zero", path);
  } catch (const nlohmann::json::parse_error& error) {
    fail(
        "'{}' is no file of prices: it is not valid JSON from byte {} on; write it again with 'shrike "
        "calibrate-cost'",
        path, error.byte);
  } catch (const nlohmann::json::exception&) {
    fail(
        "'{}' is no file of prices: \"target\", \"nanoseconds\" with a number for each term and "
        "\"weight_cache_bytes\" were expected; write it again with 'shrike calibrate-cost'",
        path);
  }
  return result;
}

void write_prices(const std::string& path, const BoardPrices& board) {
  nlohmann::ordered_json json;
  json["target"] = host::target_name(board.target);
  json["origin"] = board.origin;
  for (const Term& term : kModel) json["nanoseconds"][term.name] = board.prices.*term.price;
  json["weight_cache_bytes"] = board.prices.weight_cache_bytes;
  write_file_atomically(path, indented_text(json) + "\n");
}

const Prices* prices_of(Target target) {
  const auto& loaded = from_environment();
  return loaded && loaded->board.target == target ? &loaded->board.prices : chip_of(target).prices;
}

std::string price_source(Target target) {
  const auto& loaded = from_environment();
  if (loaded && loaded->board.target == target) return fmt::format("prices of '{}'", loaded->path);
  return "ESP-DL 3.3, one core, from Espressif's published timings";
}

Prices fit_prices(const std::vector<Measured>& nodes, const Prices& start) {
  // Normal equations of the weighted problem, then one price after the other at its best: the least squares
  // with no price below zero, of which there is one. Milliseconds are a million nanoseconds.
  std::array<std::array<double, kTerms>, kTerms> matrix = {};
  std::array<double, kTerms> right = {};
  for (const Measured& node : nodes) {
    const double weight = 1 / std::max(node.milliseconds, kLeastMilliseconds);
    for (size_t i = 0; i < kTerms; ++i) {
      const double a = node.work.*kModel[i].work / 1e6;
      right[i] += weight * a * node.milliseconds;
      for (size_t j = 0; j < kTerms; ++j) matrix[i][j] += weight * a * (node.work.*kModel[j].work / 1e6);
    }
  }
  Prices prices = start;
  constexpr int kSweeps = 20000;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    for (size_t i = 0; i < kTerms; ++i) {
      if (matrix[i][i] == 0) continue;
      double rest = right[i];
      for (size_t j = 0; j < kTerms; ++j) {
        if (j != i) rest -= matrix[i][j] * (prices.*kModel[j].price);
      }
      prices.*kModel[i].price = std::max(0.0, rest / matrix[i][i]);
    }
  }
  return prices;
}

}  // namespace shrike::quantize
