#include "toolchain/train/processes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"
#include "toolchain/support/interrupt.h"

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

int free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool found = listener >= 0 &&
                     ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (listener >= 0) ::close(listener);
  if (!found) fail("no free port of this machine was found for the processes to meet at");
  return ntohs(address.sin_port);
}

namespace {

std::vector<std::string> own_arguments() {
  const std::string line = read_text("/proc/self/cmdline");
  std::vector<std::string> arguments;
  for (size_t at = 0; at < line.size();) {
    arguments.emplace_back(line.c_str() + at);
    at += arguments.back().size() + 1;
  }
  return arguments;
}

// Nothing but system calls between fork and exec.
pid_t start(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  const auto pointers = [](const std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
  };
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const pid_t parent = ::getpid(), child = ::fork();
  if (child < 0) fail("another process could not be started");
  if (child > 0) return child;
  ::setpgid(0, 0);  // the terminal's signals go to the parent, which hands them on once
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::execve("/proc/self/exe", argv.data(), envp.data());
  ::_exit(127);
}

struct Child {
  pid_t pid;
  bool running = true;
  int status = 0;
};

}  // namespace

int run_in_processes(int count) {
  using namespace std::chrono_literals;
  const std::vector<std::string> arguments = own_arguments();
  std::vector<std::string> shared = {"MASTER_ADDR=127.0.0.1", fmt::format("MASTER_PORT={}", free_port()),
                                     fmt::format("WORLD_SIZE={}", count)};
  for (char** entry = environ; *entry != nullptr; ++entry) shared.emplace_back(*entry);
  const SignalsAsk signals;
  std::vector<Child> children;
  for (int rank = 0; rank < count; ++rank) {
    std::vector<std::string> environment = {fmt::format("RANK={}", rank)};  // the first of a name counts
    environment.insert(environment.end(), shared.begin(), shared.end());
    children.push_back({start(arguments, environment)});
  }
  const auto tell = [&](int signal) {
    for (const Child& child : children) {
      if (child.running) ::kill(child.pid, signal);
    }
  };
  constexpr auto kLook = 20ms;
  constexpr auto kGrace = 20s;  // the others notice by themselves that one is gone
  bool told = false, lost = false;
  auto lost_since = std::chrono::steady_clock::now();
  int first_lost = -1;
  while (std::any_of(children.begin(), children.end(), [](const Child& child) { return child.running; })) {
    for (size_t i = 0; i < children.size(); ++i) {
      Child& child = children[i];
      if (!child.running || ::waitpid(child.pid, &child.status, WNOHANG) != child.pid) continue;
      child.running = false;
      if (child.status != 0 && !lost) {
        lost = true;
        lost_since = std::chrono::steady_clock::now();
        first_lost = static_cast<int>(i);
      }
    }
    if (signals.asked() && !told) {
      told = true;
      tell(SIGINT);
    }
    if (lost && std::chrono::steady_clock::now() - lost_since > kGrace) tell(SIGKILL);
    std::this_thread::sleep_for(kLook);
  }
  int highest = 0;
  for (const Child& child : children) {
    if (WIFEXITED(child.status)) highest = std::max(highest, WEXITSTATUS(child.status));
  }
  if (lost && !told && WIFSIGNALED(children[static_cast<size_t>(first_lost)].status)) {
    fail(
        "process {} of {} was ended by signal {}; the same command with --resume goes on where there is a "
        "checkpoint",
        first_lost, count, WTERMSIG(children[static_cast<size_t>(first_lost)].status));
  }
  return highest;
}

}  // namespace shrike::train
