#include "toolchain/search/budget.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "toolchain/support/error.h"

namespace shrike::quantize {
namespace {

struct Unit {
  const char* name;
  double factor;
  std::optional<double> Budget::*part;
};

constexpr Unit kUnits[] = {
    {"ms", 1, &Budget::milliseconds}, {"s", 1000, &Budget::milliseconds}, {"B", 1, &Budget::bytes},
    {"kB", 1e3, &Budget::bytes},      {"KB", 1e3, &Budget::bytes},        {"MB", 1e6, &Budget::bytes},
    {"KiB", 1024, &Budget::bytes},    {"MiB", 1048576, &Budget::bytes},   {"%", 1, &Budget::percent},
};

[[noreturn]] void refuse(const std::string& part) {
  fail("budget: expected a time (2.5s, 800ms), a size (3.2MB) or a share above the start (+10%), got '{}'",
       part);
}

void parse_part(const std::string& part, Budget& budget) {
  const bool is_signed = !part.empty() && part[0] == '+';
  const char *begin = part.data() + (is_signed ? 1 : 0), *end = part.data() + part.size();
  double value = 0;
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || !std::isfinite(value) || value < 0) refuse(part);
  for (const Unit& unit : kUnits) {
    if (std::string(stop, end) != unit.name) continue;
    const bool relative = unit.part == &Budget::percent;
    if (relative != is_signed || (!relative && value == 0)) refuse(part);
    if ((budget.*unit.part).has_value()) fail("budget: '{}' limits what another part limits already", part);
    budget.*unit.part = value * unit.factor;
    return;
  }
  refuse(part);
}

}  // namespace

Budget parse_budget(const std::string& text) {
  Budget budget;
  std::stringstream stream(text);
  bool any = false;
  for (std::string part; std::getline(stream, part, ','); any = true) parse_part(part, budget);
  if (!any) refuse(text);
  return budget;
}

Limits limits_of(const Budget& budget, const Cost& start) {
  Limits limits;
  if (budget.milliseconds) {
    if (!start.milliseconds) {
      fail("budget: a time was given, but no published timings tell how long this chip takes; give a size");
    }
    limits.milliseconds = *budget.milliseconds;
  }
  if (budget.bytes) limits.bytes = *budget.bytes;
  if (budget.percent) {
    const double factor = 1 + *budget.percent / 100;
    if (start.milliseconds) {
      limits.milliseconds = std::min(limits.milliseconds, factor * *start.milliseconds);
    } else {
      limits.bytes = std::min(limits.bytes, factor * start.bytes);
    }
  }
  if (start.milliseconds && *start.milliseconds > limits.milliseconds) {
    fail(
        "budget: {:.1f} ms can't be met, because the network takes an estimated {:.1f} ms before any layer "
        "moves to "
        "16 bit",
        limits.milliseconds, *start.milliseconds);
  }
  if (start.bytes > limits.bytes) {
    fail("budget: {:.3f} MB can't be met, because the file has {:.3f} MB before any layer moves to 16 bit",
         limits.bytes / 1e6, start.bytes / 1e6);
  }
  return limits;
}

}  // namespace shrike::quantize
