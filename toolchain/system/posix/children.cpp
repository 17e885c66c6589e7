#include "toolchain/system/children.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "toolchain/support/error.h"
#include "toolchain/support/files.h"

namespace shrike {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

int process_number() {
  return ::getpid();
}

std::vector<std::string> own_arguments() {
  const std::string line = read_text("/proc/self/cmdline");
  std::vector<std::string> arguments;
  for (size_t at = 0; at < line.size();) {
    arguments.emplace_back(line.c_str() + at);
    at += arguments.back().size() + 1;
  }
  return arguments;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
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

void Children::start(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const pid_t parent = ::getpid(), child = ::fork();  // nothing but system calls from here to execve
  if (child < 0) fail("another process could not be started");
  if (child > 0) {
    children_.push_back({child, std::nullopt});
    return;
  }
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::execve("/proc/self/exe", argv.data(), envp.data());
  ::_exit(127);
}

std::optional<Children::End> Children::ended(size_t index) {
  Child& child = children_[index];
  int status = 0;
  if (!child.end && ::waitpid(child.process, &status, WNOHANG) == child.process)
    child.end = WIFSIGNALED(status) ? End{0, WTERMSIG(status)} : End{WEXITSTATUS(status), 0};
  return child.end;
}

bool Children::any_running() const {
  return std::any_of(children_.begin(), children_.end(), [](const Child& child) { return !child.end; });
}

void Children::interrupt() const {
  tell(SIGINT);
}

void Children::kill() const {
  tell(SIGKILL);
}

void Children::tell(int signal) const {
  for (const Child& child : children_) {
    if (!child.end) ::kill(child.process, signal);
  }
}

}  // namespace shrike
