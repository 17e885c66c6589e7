#include "toolchain/train/processes.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "toolchain/support/error.h"
#include "toolchain/system/children.h"
#include "toolchain/system/interrupt.h"

namespace shrike::train {

Processes::Processes(const engine::Meeting& meeting) : rank_(meeting.rank), count_(meeting.count) {
  if (count_ > 1) collective_ = engine::meet(meeting);
}

void Processes::sum(Values& values) const {
  if (!collective_) return;
  std::vector<float> all;  // one message instead of hundreds
  for (const std::vector<float>& each : values) all.insert(all.end(), each.begin(), each.end());
  collective_->sum(all.data(), all.size());
  auto next = all.begin();
  for (std::vector<float>& each : values) {
    std::copy_n(next, each.size(), each.begin());
    next += static_cast<std::ptrdiff_t>(each.size());
  }
}

void Processes::sum(std::vector<double>& values) const {
  if (collective_) collective_->sum(values.data(), values.size());
}

void Processes::broadcast(std::string& bytes) const {
  if (collective_) collective_->broadcast(bytes);
}

std::optional<engine::Meeting> meeting_from_environment() {
  if (std::getenv("WORLD_SIZE") == nullptr) return std::nullopt;
  const auto text = [](const char* name) -> std::string {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0')
      fail("WORLD_SIZE is set and {} is not; a run of several processes needs both", name);
    return value;
  };
  const auto number = [&](const char* name, int lowest, int highest) {
    const std::string value = text(name);
    char* end = nullptr;
    const int64_t found = std::strtoll(value.c_str(), &end, 10);
    if (*end != '\0' || found < lowest || found > highest)
      fail("{}={}: a number from {} to {} was expected", name, value, lowest, highest);
    return static_cast<int>(found);
  };
  engine::Meeting meeting;
  meeting.count = number("WORLD_SIZE", 1, 4096);
  if (meeting.count == 1) return std::nullopt;
  meeting.rank = number("RANK", 0, meeting.count - 1);
  meeting.address = text("MASTER_ADDR");
  meeting.port = number("MASTER_PORT", 1, 65535);
  return meeting;
}

int run_in_processes(int count) {
  using namespace std::chrono_literals;
  const std::vector<std::string> arguments = own_arguments();
  std::vector<std::string> shared = {"MASTER_ADDR=127.0.0.1", fmt::format("MASTER_PORT={}", free_port()),
                                     fmt::format("WORLD_SIZE={}", count)};
  for (std::string& entry : own_environment()) shared.push_back(std::move(entry));
  const SignalsAsk signals;
  Children children;
  for (int rank = 0; rank < count; ++rank) {
    std::vector<std::string> environment = {fmt::format("RANK={}", rank)};
    environment.insert(environment.end(), shared.begin(), shared.end());
    children.start(arguments, environment);
  }
  constexpr auto kLook = 20ms;
  constexpr auto kGrace = 20s;  // the others notice by themselves that one is gone
  using Clock = std::chrono::steady_clock;
  struct Lost {
    size_t rank;
    int signal;
    Clock::time_point since;
  };
  std::optional<Lost> lost;  // the first that did not end well
  bool told = false;
  int highest = 0;
  while (children.any_running()) {
    for (size_t rank = 0; rank < children.count(); ++rank) {
      const std::optional<Children::End> end = children.ended(rank);
      if (!end) continue;
      highest = std::max(highest, end->status);
      if (!lost && (end->status != 0 || end->signal != 0)) lost = {rank, end->signal, Clock::now()};
    }
    if (signals.asked() && !told) {
      told = true;
      children.interrupt();
    }
    if (lost && Clock::now() - lost->since > kGrace) children.kill();
    std::this_thread::sleep_for(kLook);
  }
  if (lost && !told && lost->signal != 0) {
    fail(
        "process {} of {} was ended by signal {}; the same command with --resume goes on where there is a "
        "checkpoint",
        lost->rank, count, lost->signal);
  }
  return highest;
}

}  // namespace shrike::train
